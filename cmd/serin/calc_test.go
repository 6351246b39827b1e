package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"serin/internal/api"
)

func TestCalcHelp(t *testing.T) {
	t.Parallel()
	_, help, _ := command("calc", "--help")
	golden(t, "calc.golden", "$ serin calc --help\n"+help)
}

// TestCalcHoldsAConversation: each answer comes before the next question.
func TestCalcHoldsAConversation(t *testing.T) {
	t.Parallel()
	calc := exec.Command(selfProgram(t), "calc", "fisher")
	calc.Env = append(os.Environ(), "SERIN_TEST_AS_PROGRAM=1")
	var errs bytes.Buffer
	calc.Stderr = &errs
	in, err := calc.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := calc.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := calc.Start(); err != nil {
		t.Fatal(err)
	}
	replies := bufio.NewScanner(out)
	ask := func(line, want string) {
		t.Helper()
		fmt.Fprintln(in, line)
		if !replies.Scan() || !strings.Contains(replies.Text(), want) {
			t.Errorf("%s: %s; want %s", line, replies.Text(), want)
		}
	}
	ask(`{"table":[[3,1],[1,3]]}`, `"odds_ratio":9,`)
	ask(`{"table":[[3,0],[1,3]]}`, `"odds_ratio":null,`)
	ask(`{"table":[[3,1],[1,-3]]}`, `{"error":{"line":3,"field":"table[1][1]"`)
	ask(`{"a":3,"b":1,"c":1,"d":3}`, `"odds_ratio":9,`)
	in.Close()
	if replies.Scan() {
		t.Errorf("one more line: %s", replies.Text())
	}
	err = calc.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != int(api.ExitInternal) {
		t.Errorf("ended with %v, want exit code 1", err)
	}
	if want := "serin: calc fisher: 1 of 4 lines have an error instead of an answer\n"; errs.String() != want {
		t.Errorf("stderr %q, want %q", errs.String(), want)
	}
}

func TestCalcUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"calc"}, "give one KIND: welch, power"},
		{[]string{"calc", "welsh"}, `kind "welsh" is unknown: use welch, power`},
		{[]string{"calc", "welch", "power"}, "give one KIND"},
	} {
		code, out, errs := command(tt.args...)
		if code != api.ExitUsage || !strings.Contains(errs, tt.says) || out != "" {
			t.Errorf("serin %s: exit %d\n%s%s", strings.Join(tt.args, " "), code, out, errs)
		}
	}
}
