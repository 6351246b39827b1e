package assay

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"serin/internal/judge"
)

// rowReader reads requests from CSV, one at a time. Whatever is wrong with the
// file is an error that begins with its name and, where there is one, the line.
type rowReader struct {
	name  string
	lines *csv.Reader
	bytes *rationed

	latency, failed, score, time int // columns; -1 for none
	unit                         unit
	// used and unused are the header's names; used has "latency" alone without one.
	used, unused []string
	// first is a row that was read in search of a header; nil if it was one.
	first []string
	rows  uint64
	// line is where the row that was read last begins.
	line int
	// last is the time of the row before.
	last time.Duration
	// told is called now and then, while rows are read.
	told func()
}

// unit is what latencies are in.
type unit struct {
	name string
	ns   float64
}

var units = []unit{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}

func unitOf(name string) (unit, error) {
	i := slices.IndexFunc(units, func(u unit) bool { return u.name == name })
	if i < 0 {
		return unit{}, fmt.Errorf("unit %q is unknown: use ns, us, ms or s", name)
	}
	return units[i], nil
}

const (
	// longestRow is how long one row may be: a quote that is not closed would
	// otherwise bring the rest of the file into memory.
	longestRow = 1 << 20
	// slowest is what can be told from what is slower.
	slowest = 1000 * time.Second
	// farthest bounds times, so that no two are farther apart than a Duration holds.
	farthest = 4_600_000_000 // seconds
)

var errLongRow = fmt.Errorf("the row is longer than %d bytes; rows end with a newline, and quotes come in pairs", longestRow)

// rationed gives out so many bytes for each row, and counts them.
type rationed struct {
	from  io.Reader
	left  int
	total int64
}

func (r *rationed) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errLongRow
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.total += int64(n)
	return n, err
}

// newRowReader reads the header, if there is one.
func newRowReader(name string, from io.Reader, latencies unit) (*rowReader, error) {
	r := &rowReader{name: name, unit: latencies, latency: 0, failed: -1, score: -1, time: -1, told: func() {}}
	r.bytes = &rationed{from: from, left: longestRow}
	text := bufio.NewReaderSize(r.bytes, 1<<16)
	start, err := text.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.wrong(0, "cannot be read: %w", err)
	}
	switch {
	case len(start) == 0:
		return nil, r.wrong(0, "the file is empty; it needs a row for each request")
	case bytes.HasPrefix(start, []byte("\x1f\x8b")):
		return nil, r.wrong(1, "the file is compressed; unpack it first: gunzip -c FILE | serin judge --stable - ...")
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, r.wrong(1, "the file is in UTF-16; save it as UTF-8")
	case bytes.IndexByte(start, 0) >= 0:
		return nil, r.wrong(1, "the file is binary; give one in CSV")
	case bytes.HasPrefix(start, []byte("\ufeff")): // what spreadsheet programs begin with
		_, _ = text.Discard(3) // peeked, so there
	}
	r.lines = csv.NewReader(text)
	r.lines.ReuseRecord = true
	row, err := r.record()
	if errors.Is(err, io.EOF) {
		return nil, r.wrong(0, "the file has only blank lines; it needs a row for each request")
	}
	if err != nil {
		return nil, err
	}
	return r, r.header(row)
}

// wrong is an error about a line; 0 for the file as a whole.
func (r *rowReader) wrong(line int, format string, args ...any) error {
	where := r.name
	if line > 0 {
		where += ":" + strconv.Itoa(line)
	}
	return fmt.Errorf("%s: %w", where, fmt.Errorf(format, args...))
}

// record is the next row's cells.
func (r *rowReader) record() ([]string, error) {
	r.bytes.left = longestRow
	row, err := r.lines.Read()
	if err == nil {
		line, _ := r.lines.FieldPos(0)
		if len(row) == 1 && r.line > 0 && line > r.line+1 { // a blank line is passed over, but here it is a cell
			return nil, r.wrong(r.line+1, "the latency is empty; give failed requests a column error, or leave the line out")
		}
		r.line = line
		return row, nil
	}
	if errors.Is(err, io.EOF) {
		return nil, err
	}
	line := r.line + 1
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		line = bad.StartLine
	}
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return nil, r.wrong(line, "the row has %d columns and the first one %d; correct it or leave it out", len(row), r.lines.FieldsPerRecord)
	case errors.Is(err, csv.ErrQuote), errors.Is(err, csv.ErrBareQuote):
		return nil, r.wrong(line, "a quote is not where one may be; quotes come in pairs, round a whole cell")
	}
	return nil, r.wrong(line, "%w", err)
}

// header finds the columns by their names. A number is no name: without a header
// there is one column of latencies.
func (r *rowReader) header(row []string) error {
	if slices.ContainsFunc(row, isNumber) {
		if len(row) > 1 {
			return r.wrong(r.line, "the row has %d columns, and no header says which is which; begin with one: latency_ms (or _ns, _us, _s), and where they are there error, score, time", len(row))
		}
		r.first, r.used = slices.Clone(row), []string{"latency"}
		return nil
	}
	r.latency = -1
	for i, cell := range row {
		name := strings.ToLower(strings.TrimSpace(cell))
		column := map[string]*int{"latency": &r.latency, "error": &r.failed, "score": &r.score, "time": &r.time}[name]
		if suffix, ok := strings.CutPrefix(name, "latency_"); ok {
			if u, err := unitOf(suffix); err == nil {
				r.unit, column = u, &r.latency
			}
		}
		switch {
		case column == nil:
			r.unused = append(r.unused, strings.Clone(clipped(cell)))
			continue
		case *column >= 0:
			return r.wrong(r.line, "the columns %q and %q are both the %s; leave one out", clipped(row[*column]), clipped(cell), strings.SplitN(name, "_", 2)[0])
		}
		*column = i
		r.used = append(r.used, name)
	}
	if r.latency < 0 {
		return r.wrong(r.line, "no column is called latency, latency_ns, latency_us, latency_ms or latency_s; the first row has %s (columns are separated by commas)", strings.Join(quoted(row), ", "))
	}
	return nil
}

func isNumber(cell string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(cell), 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// quoted are cells as a message shows them: a few, and of each not too much.
func quoted(cells []string) []string {
	const shown = 12
	var q []string
	for i, cell := range cells {
		if i == shown {
			return append(q, fmt.Sprintf("and %d more", len(cells)-shown))
		}
		q = append(q, strconv.Quote(clipped(cell)))
	}
	return q
}

func clipped(cell string) string {
	const longest = 40
	if len(cell) <= longest {
		return cell
	}
	return strings.ToValidUTF8(cell[:longest], "") + "..."
}

// next is the next request, or io.EOF.
func (r *rowReader) next() (judge.Row, error) {
	cells := r.first
	if r.first = nil; cells == nil {
		var err error
		if cells, err = r.record(); errors.Is(err, io.EOF) && r.rows == 0 {
			return judge.Row{}, r.wrong(0, "the file has a header and no rows; it needs one for each request")
		} else if err != nil {
			return judge.Row{}, err
		}
	}
	row, err := r.row(cells)
	if err != nil {
		return judge.Row{}, r.wrong(r.line, "%w", err)
	}
	const often = 1 << 13
	if r.rows++; r.rows%often == 0 {
		r.told()
	}
	return row, nil
}

// row reads the cells of one request.
func (r *rowReader) row(cells []string) (judge.Row, error) {
	row := judge.Row{Score: math.NaN()}
	var err error
	if r.failed >= 0 {
		if row.Failed, err = readError(strings.TrimSpace(cells[r.failed])); err != nil {
			return row, err
		}
	}
	if !row.Failed { // a request without an answer has no latency of an answer
		if row.Latency, err = r.unit.read(strings.TrimSpace(cells[r.latency])); err != nil {
			return row, err
		}
	}
	if r.score >= 0 {
		if row.Score, err = readScore(strings.TrimSpace(cells[r.score])); err != nil {
			return row, err
		}
	}
	if r.time >= 0 {
		if row.Time, err = readTime(strings.TrimSpace(cells[r.time])); err != nil {
			return row, err
		}
		if r.rows > 0 && row.Time < r.last {
			return row, fmt.Errorf("time %q is before that of the row above; sort the rows by time", clipped(cells[r.time]))
		}
		r.last = row.Time
	}
	return row, nil
}

func readError(cell string) (bool, error) {
	switch strings.ToLower(cell) {
	case "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	}
	return false, fmt.Errorf("error %q is neither 0 (or false) nor 1 (or true)", clipped(cell))
}

// read is a latency, to the nearest nanosecond.
func (u unit) read(cell string) (time.Duration, error) {
	x, err := strconv.ParseFloat(cell, 64)
	switch {
	case cell == "":
		return 0, errors.New("the latency is empty; only a row whose error is 1 may have none")
	case errors.Is(err, strconv.ErrRange) || math.IsInf(x, 0) || math.IsNaN(x):
		return 0, fmt.Errorf("latency %q is not a finite number; correct it, or leave the row out, or set its error to 1", clipped(cell))
	case err != nil:
		return 0, fmt.Errorf("latency %q is not a number; correct it or leave the row out", clipped(cell))
	case x < 0:
		return 0, fmt.Errorf("latency %q is negative, as if a clock had been set; correct it or leave the row out", clipped(cell))
	case x*u.ns > float64(slowest):
		return 0, fmt.Errorf("latency %q is more than %v, if its unit is %s; name the right one with --unit or in the header (latency_us), or leave the row out", clipped(cell), slowest, u.name)
	}
	return time.Duration(math.Round(x * u.ns)), nil
}

// readScore is a probability; NaN for an empty cell.
func readScore(cell string) (float64, error) {
	if cell == "" {
		return math.NaN(), nil
	}
	x, err := strconv.ParseFloat(cell, 64)
	if err != nil || !(x >= 0 && x <= 1) {
		return 0, fmt.Errorf("score %q is not a probability, from 0 to 1; leave it empty where there is none", clipped(cell))
	}
	return x, nil
}

// readTime is a time since 1970, or since whatever seconds were counted from.
func readTime(cell string) (time.Duration, error) {
	x, err := strconv.ParseFloat(cell, 64)
	if err == nil && math.Abs(x) <= farthest {
		return time.Duration(math.Round(x * 1e9)), nil
	}
	if err == nil && math.Abs(x) > farthest || errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("time %q is too far away: a number is in seconds", clipped(cell))
	}
	at, err := time.Parse(time.RFC3339, cell)
	if err != nil {
		return 0, fmt.Errorf("time %q is neither a number of seconds nor like 2006-01-02T15:04:05.000Z", clipped(cell))
	}
	if seconds := at.Unix(); seconds < -farthest || seconds > farthest {
		return 0, fmt.Errorf("time %q is too far away", clipped(cell))
	}
	return time.Duration(at.UnixNano()), nil
}
