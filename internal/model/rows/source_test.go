package rows

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"serin/internal/model"
)

func lineModel() *line {
	return &line{model.Signature{Features: model.Numbers(2, []string{"a", "b"}), Named: true, Values: model.Quantities, Task: model.Regression, Outputs: 1}}
}

func answerAll(name, text string) (string, error) {
	p := lineModel()
	s, err := NewSource(name, strings.NewReader(text), NewSchema(p.Signature()))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = s.Answer(p, &out, func(int) {})
	return out.String(), err
}

func TestSource(t *testing.T) {
	t.Parallel()
	const one = "{\"prediction\":1.5}\n"
	tests := []struct{ name, text, out, err string }{
		{"r.jsonl", "[0.25, 0]\n\n{\"b\": 1, \"a\": 0.25}", one + one, ""},
		{"r.csv", "b,a\r\n0,0.25\r\n", one, ""},
		{"-", "\ufeffb,a\n0,0.25", one, ""},
		{"-", " \n[0.25, 0]\n", one, ""},
		{"r.csv", "\"a\",\"b\"\n0.25,0\n-1,0\n0.25,0\n", one, "r.csv, line 3: a: the value is below zero"},
		{"r.jsonl", "[0.25, 0]\n[0.25, 0]\n[-1, 0]\n[7]\n", one + one, "r.jsonl, line 3: a: the value is below zero"},
		{"r.jsonl", "[-1, 0]", "", "r.jsonl, line 1: a: the value is below zero"},
		{"r.jsonl", "[0.25]", "", "r.jsonl, line 1: expected 2 values, got 1. A row is like [0.5, 0.5]"},
		{"r.csv", "a,b\n1\n", "", "r.csv, line 2: wrong number of fields"},
		{"r.csv", "a,b\n1,\"2\n", "", `r.csv, line 2: column `},
		{"r.csv", "", "", "r.csv: there are no rows"},
		{"r.csv", "a,b\n", "", ""},
		{"r", "\x1f\x8b\x08", "", "compressed"},
		{"r", "\x00\x01", "", "binary"},
	}
	for _, tt := range tests {
		out, err := answerAll(tt.name, tt.text)
		if out != tt.out || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s %q:\n got %q, %v\nwant %q, %s", tt.name, tt.text, out, err, tt.out, tt.err)
		}
	}
}

// TestManyRows: more than a batch, with the last line of each to be told.
func TestManyRows(t *testing.T) {
	t.Parallel()
	const rows = 200_000
	text := "a,b\n" + strings.Repeat("0.25,0\n", rows) + "x,0\n"
	out, err := answerAll("r.csv", text)
	if want := fmt.Sprintf("line %d", rows+2); err == nil || !strings.Contains(err.Error(), want) || strings.Count(out, "\n") != rows {
		t.Errorf("%d answers, %v", strings.Count(out, "\n"), err)
	}
}

// TestALineWithoutEndIsBounded: memory does not grow with what arrives.
func TestALineWithoutEndIsBounded(t *testing.T) {
	t.Parallel()
	for _, start := range []string{"[", "a,b\n\""} {
		p := lineModel()
		s, err := NewSource("-", io.MultiReader(strings.NewReader(start), endless{}), NewSchema(p.Signature()))
		if err == nil {
			err = s.Answer(p, io.Discard, func(int) {})
		}
		if err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%q: %v", start, err)
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '1'
	}
	return len(b), nil
}

// TestConversation: an answer comes before the next row is asked for.
func TestConversation(t *testing.T) {
	t.Parallel()
	question, ask := io.Pipe()
	hear, answer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		p := lineModel()
		s, err := NewSource("-", question, NewSchema(p.Signature()))
		if err == nil {
			err = s.Answer(p, answer, func(int) {})
		}
		answer.Close()
		done <- err
	}()
	lines := bufio.NewReader(hear)
	for i := range 3 {
		fmt.Fprintf(ask, "[%d, 0]\n", i)
		if got, err := lines.ReadString('\n'); got != fmt.Sprintf("{\"prediction\":%d}\n", 2*i+1) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	ask.Close()
	if err := <-done; err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// FuzzSource: rows from anybody are answered or refused, with the line; what is
// answered is JSON, a line for each row.
func FuzzSource(f *testing.F) {
	for _, seed := range []string{"[0.25, 0]\n{\"b\": 1, \"a\": null}", "a,b\n1,2\n\"3\",\n", "\ufeffb,a\r\n0,0.25\r\n", "[1,2", "\"", "a,a\n"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	p := &line{mixed}
	f.Fuzz(func(t *testing.T, text string, named bool) {
		p := *p
		p.signature.Named = named
		s, err := NewSource("fuzz", strings.NewReader(text), NewSchema(&p.signature))
		if err != nil {
			return
		}
		var out bytes.Buffer
		answered := 0
		err = s.Answer(&p, &out, func(rows int) { answered = rows })
		lines := strings.SplitAfter(out.String(), "\n")
		if len(lines)-1 != answered || err != nil && !strings.HasPrefix(err.Error(), "fuzz") {
			t.Fatalf("%d lines for %d rows, %v", len(lines)-1, answered, err)
		}
		for _, line := range lines[:answered] {
			if !json.Valid([]byte(line)) {
				t.Fatalf("%s is not JSON", line)
			}
		}
	})
}

// TestLongNamesAreNotSentBack: what is said of a name does not grow with it.
func TestLongNamesAreNotSentBack(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("x", 1<<16)
	for _, text := range []string{`{"` + name + `": 1}`, name + "," + name + "\n1,2\n", "tenure,calls,plan,vip,extra\n" + name + ",1,gold,true,0\n"} {
		source, err := NewSource("rows", strings.NewReader(text), NewSchema(&mixed))
		if err == nil {
			err = source.All(&Batch{}, 10)
		}
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%.20q: %.300v", text, err)
		}
	}
}
