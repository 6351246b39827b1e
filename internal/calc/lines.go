// Package calc is the abacus: the tests of stats and stats/anytime as JSON lines,
// for scripts that speak no Go.
//
//	{"d":0.5,"n1":64} --decode--> question --stats--> answer --> {"power":0.80}
//	                     |
//	                     +--> {"error": {"line", "field", "detail"}}, and on with the next line
//
// Everywhere 1, or x, is stable and 2, or y, the canary. A question's fields have
// no default unless its kind says so: a number that was forgotten is an error and
// not a zero.
//
// What may not happen here: an answer that is not one line, for a line that asks;
// memory that grows with the number of lines.
//
// Terms: a kind is one of the tests, by its name.
package calc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
)

// longestLine bounds what is kept of the input: one line.
const longestLine = 16 << 20

// Kind is one test: a question a line, an answer a line.
type Kind struct {
	// Name is how it is asked for, Does says in a line what it computes, and
	// Examples are questions, each of which has an answer.
	Name, Does string
	Examples   []string

	answer func(line []byte) (any, error)
}

// Run answers line by line, each with one write, so that a program may hold a
// conversation through pipes. Lines without an answer are an error at the end.
func (k Kind) Run(in io.Reader, out io.Writer) error {
	lines := lineReader{in: bufio.NewReaderSize(in, 1<<16)}
	asked, wrong := 0, 0
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return fmt.Errorf("calc %s: reading standard input after line %d: %w", k.Name, lines.number, err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 && err == nil {
			continue
		}
		asked++
		reply, ok := k.reply(lines.number, line, err)
		if !ok {
			wrong++
		}
		if _, err := out.Write(append(reply, '\n')); err != nil {
			return fmt.Errorf("calc %s: writing the answer to line %d: %w", k.Name, lines.number, err)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("calc %s: %d of %d lines have an error instead of an answer", k.Name, wrong, asked)
	}
	return nil
}

// reply is the answer to a line, or the error object; ok tells which.
func (k Kind) reply(number int, line []byte, err error) (reply []byte, ok bool) {
	var answer any
	if err == nil {
		answer, err = k.answer(line)
	}
	if err == nil {
		if reply, err = json.Marshal(answer); err == nil {
			return reply, true
		}
		err = errors.New("the result is beyond the range of a 64-bit float; use numbers of ordinary size")
	}
	var fault struct {
		Error struct {
			Line   int    `json:"line"`
			Field  string `json:"field,omitempty"`
			Detail string `json:"detail"`
		} `json:"error"`
	}
	fault.Error.Line, fault.Error.Detail = number, strings.ReplaceAll(err.Error(), "\n", "; ")
	if about, is := errors.AsType[*fieldError](err); is {
		fault.Error.Field = about.field
	}
	reply, err = json.Marshal(fault, replaceInvalid)
	if err != nil { // three plain fields: cannot happen
		reply = []byte(`{"error":{}}`)
	}
	return reply, false
}

var errTooLong = fmt.Errorf("the line is longer than %d bytes; give fewer values, or summaries", longestLine)

// lineReader gives lines of limited length, and passes over what is longer.
type lineReader struct {
	in     *bufio.Reader
	number int
	buffer []byte
}

// next is the next line, valid until the one after; errTooLong is about this
// line only, every other error is the end.
func (l *lineReader) next() ([]byte, error) {
	l.buffer = l.buffer[:0]
	l.number++
	long := false
	for {
		part, err := l.in.ReadSlice('\n')
		if long = long || len(l.buffer)+len(part) > longestLine; long {
			l.buffer = nil
		} else {
			l.buffer = append(l.buffer, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(l.buffer) == 0 && !long):
			l.number--
			return nil, err
		case long:
			return nil, errTooLong
		}
		return l.buffer, nil
	}
}
