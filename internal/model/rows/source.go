package rows

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// Source reads a model's rows from JSON lines or CSV, one at a time. Whatever is
// wrong is an error that begins with the file's name and the line.
type Source struct {
	// Unused are the columns of a table that the model has no use for.
	Unused []string

	name   string
	schema *Schema
	text   *bufio.Reader
	ration *ration
	// next appends the next row to the batch and says in which line it begins;
	// io.EOF after the last.
	next func(b *Batch) (line int, err error)
}

// longestRow bounds one row, in bytes: a quote that is not closed would otherwise
// bring the rest of the file into memory.
const longestRow = 16 << 20

// ration gives out so many bytes for each row.
type ration struct {
	from io.Reader
	left int
	read int64 // in all
}

func (r *ration) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("the row is longer than %d bytes; rows end with a newline, and quotes come in pairs", longestRow)
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.read += int64(n)
	return n, err
}

// NewSource tells the form by the file's name, or else by its first byte.
func NewSource(name string, from io.Reader, schema *Schema) (*Source, error) {
	s := &Source{name: name, schema: schema, ration: &ration{from: from, left: longestRow}}
	s.text = bufio.NewReaderSize(s.ration, 1<<18)
	_, err := s.text.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, s.wrong(0, fmt.Errorf("cannot be read: %w", err))
	}
	start, _ := s.text.Peek(min(512, s.text.Buffered())) // what has arrived, without waiting for more
	switch {
	case len(bytes.TrimSpace(start)) == 0 && err != nil:
		return nil, s.wrong(0, errNoRows)
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return nil, s.wrong(0, errors.New("it is compressed; unpack it first, with gunzip"))
	case bytes.IndexByte(start, 0) >= 0:
		return nil, s.wrong(0, errors.New("it is binary; give rows as JSON lines or CSV"))
	case bytes.HasPrefix(start, []byte("\ufeff")): // what spreadsheet programs begin with
		_, _ = s.text.Discard(3) // peeked, so there
		start = start[3:]
	}
	if isTable(name, start) {
		return s, s.table()
	}
	s.lines()
	return s, nil
}

var errNoRows = errors.New("there are no rows")

func isTable(name string, start []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv":
		return true
	case ".jsonl", ".ndjson", ".json":
		return false
	}
	start = bytes.TrimSpace(start)
	return len(start) == 0 || start[0] != '[' && start[0] != '{'
}

func (s *Source) wrong(line int, err error) error {
	where := s.name
	if line > 0 {
		where = fmt.Sprintf("%s, line %d", s.name, line)
	}
	return fmt.Errorf("%s: %w", where, err)
}

// All reads every row into the batch; more than most are an error.
func (s *Source) All(b *Batch, most int) error {
	for {
		line, err := s.next(b)
		switch {
		case errors.Is(err, io.EOF) && b.N == 0:
			return s.wrong(0, errNoRows)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case b.N > most:
			return s.wrong(line, fmt.Errorf("there are more than %d rows", most))
		}
	}
}

// lines reads a JSON value a line.
func (s *Source) lines() {
	var buffer bytes.Buffer
	d := jsontext.NewDecoder(&buffer)
	number := 0
	s.next = func(b *Batch) (int, error) {
		for {
			number++
			s.ration.left = longestRow
			if err := s.line(&buffer); errors.Is(err, io.EOF) {
				return 0, io.EOF
			} else if err != nil {
				return 0, s.wrong(number, err)
			}
			if len(bytes.TrimSpace(buffer.Bytes())) == 0 {
				continue
			}
			d.Reset(&buffer)
			if err := s.value(d, b); err != nil {
				return 0, s.wrong(number, err)
			}
			return number, nil
		}
	}
}

// line takes the next line into the buffer.
func (s *Source) line(buffer *bytes.Buffer) error {
	buffer.Reset()
	for {
		part, err := s.text.ReadSlice('\n')
		buffer.Write(part)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && buffer.Len() > 0:
			return nil
		default:
			return err
		}
	}
}

// value reads the only value of a line.
func (s *Source) value(d *jsontext.Decoder, b *Batch) error {
	err := s.schema.JSON(d, b)
	if fault, ok := errors.AsType[*Fault](err); ok {
		if fault.Next == "" {
			row, _ := s.schema.Sketch()
			fault.Next = "A row is like " + row
		}
		return fault
	}
	if err == nil {
		if _, err = d.ReadToken(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			return errors.New("something follows the row; write each row on a line of its own")
		}
	}
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("column %d: it is not JSON: %s", bad.ByteOffset+1, strings.TrimPrefix(bad.Err.Error(), "jsontext: "))
	}
	return err
}

// table reads CSV with a header.
func (s *Source) table() error {
	reader := csv.NewReader(s.text)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return s.csvError(1, err)
	}
	found, err := s.schema.header(header)
	if err != nil {
		return s.wrong(1, err)
	}
	s.Unused = found.unused
	s.next = func(b *Batch) (int, error) {
		s.ration.left = longestRow
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, s.csvError(0, err)
		}
		line, _ := reader.FieldPos(0)
		column, err := found.record(record, b)
		if err == nil {
			return line, nil
		}
		if column >= 0 {
			at, place := reader.FieldPos(column)
			return 0, s.wrong(at, fmt.Errorf("column %d: %w", place, err))
		}
		return 0, s.wrong(line, err)
	}
	return nil
}

func (s *Source) csvError(line int, err error) error {
	if errors.Is(err, io.EOF) {
		return s.wrong(0, errNoRows)
	}
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		err = bad.Err
		if line = bad.Line; !errors.Is(err, csv.ErrFieldCount) {
			err = fmt.Errorf("column %d: %w", bad.Column, err)
		}
	}
	return s.wrong(line, err)
}

// mostCells and mostBytes bound a batch, so that memory does not grow with the file.
const (
	mostCells = 1 << 17
	mostBytes = 4 << 20
)

// Answer predicts every row and writes a line for each, as appendAnswer has it
// between braces. A batch ends where the next row has to be waited for, so that a
// program may hold a conversation through pipes. At the first row that is wrong
// it stops, after the answers to those before. told is called with the number of
// rows answered so far.
func (s *Source) Answer(p model.Predictor, out io.Writer, told func(rows int)) error {
	a := &answering{predictor: p, source: s, out: bufio.NewWriter(out)}
	for {
		line, err := s.next(&a.batch)
		if err == nil {
			a.lines = append(a.lines, line)
		}
		if err != nil || s.text.Buffered() == 0 || len(a.batch.Numbers) >= mostCells || s.ration.read-a.from >= mostBytes {
			a.from = s.ration.read
			failed := a.flush()
			told(a.rows)
			if failed != nil {
				return failed
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// answering is a batch on its way from rows to lines.
type answering struct {
	predictor model.Predictor
	source    *Source
	batch     Batch
	lines     []int // of the batch's rows
	from      int64 // bytes read when it began
	line      []byte
	out       *bufio.Writer
	rows      int
}

// flush answers the rows of the batch and empties it. A row without an answer is
// an error, after the answers to those before.
func (a *answering) flush() error {
	if a.batch.N == 0 {
		return nil
	}
	signature := a.predictor.Signature()
	var failed error
	if u, ok := errors.AsType[*model.Unanswerable](a.batch.Predict(a.predictor)); ok {
		failed = a.source.wrong(a.lines[u.Row], a.source.schema.Unanswerable(u))
		if a.batch.truncate(signature, u.Row); u.Row > 0 && a.batch.Predict(a.predictor) != nil {
			a.batch.N = 0 // an engine that blamed a later row first
		}
	}
	for i := range a.batch.N {
		a.line = append(a.batch.appendAnswer(append(a.line[:0], '{'), signature, i), '}', '\n')
		if _, err := a.out.Write(a.line); err != nil {
			return fmt.Errorf("writing the answers: %w", err)
		}
	}
	a.rows += a.batch.N
	a.batch.Reset()
	a.lines = a.lines[:0]
	if err := a.out.Flush(); err != nil {
		return fmt.Errorf("writing the answers: %w", err)
	}
	return failed
}
