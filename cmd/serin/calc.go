package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// longestLine bounds what calc keeps of its input: one line.
const longestLine = 16 << 20

// calculation is one KIND of calc: a question a line, an answer a line.
type calculation struct {
	name, does string
	examples   []string // of questions
	answer     func(line []byte) (any, error)
}

func newCalc(c console) *cobra.Command {
	var names []string
	kinds := &strings.Builder{}
	for _, k := range calculations {
		names = append(names, k.name)
		fmt.Fprintf(kinds, "\n%s: %s\n  %s\n", k.name, k.does, strings.Join(k.examples, "\n  "))
	}
	return &cobra.Command{
		Use:   "calc KIND",
		Short: "Compute tests from JSON lines, for scripts",
		Long: `Compute one of the tests below for each line of standard input: a JSON object a
line in, a JSON object a line out, at once and in the same order. Everywhere 1, or
x, is stable and 2, or y, the canary, and "greater" means that 2 is higher.

A line that makes no sense is answered by {"error": {"line", "field", "detail"}},
and at the end the exit code is 1. Blank lines are skipped.

Fields with a default: "alternative" ("two-sided", "greater" or "less"), which "p"
is for; "confidence" (0.95); "ratio" (n2/n1, or of the rates: 1); "alpha" (0.05);
"concentration" (10); "concentrations" ([10,100]). "log_p" is the natural logarithm
of p and stays right where p underflows to 0. "method" tells how p was computed;
where that is exact, "p_asymptotic" is beside it.
` + kinds.String(),
		Example: `  echo '{"d":0.5,"n1":64}' | serin calc power
  serin calc welch < questions.jsonl > answers.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("give one KIND: %s", strings.Join(names, ", "))
			}
			if !slices.Contains(names, args[0]) {
				return fmt.Errorf("kind %q is unknown: use %s", args[0], strings.Join(names, ", "))
			}
			return nil
		},
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			k := calculations[slices.Index(names, args[0])]
			in := cmd.InOrStdin()
			if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				fmt.Fprintf(c.err, "waiting for lines such as\n  %s\nCtrl-D ends the input.\n", strings.Join(k.examples, "\n  "))
			}
			return k.runUntil(cmd.Context(), in, c.out)
		},
	}
}

// runUntil is run, left behind when the context ends while it waits for input.
func (k calculation) runUntil(ctx context.Context, in io.Reader, out io.Writer) error {
	done := make(chan error, 1)
	go func() { done <- k.run(in, out) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("calc %s: interrupted: %w", k.name, ctx.Err())
	}
}

// run answers line by line, each with one write, so that a program may hold a
// conversation through pipes.
func (k calculation) run(in io.Reader, out io.Writer) error {
	lines := lineReader{in: bufio.NewReaderSize(in, 1<<16)}
	asked, wrong := 0, 0
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return fmt.Errorf("calc %s: reading standard input after line %d: %w", k.name, lines.number, err)
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
			return fmt.Errorf("calc %s: writing the answer to line %d: %w", k.name, lines.number, err)
		}
	}
	if wrong > 0 {
		return fmt.Errorf("calc %s: %d of %d lines have an error instead of an answer", k.name, wrong, asked)
	}
	return nil
}

// reply is the answer to a line, or the error object; ok tells which.
func (k calculation) reply(number int, line []byte, err error) (reply []byte, ok bool) {
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
