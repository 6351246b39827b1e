package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"serin/internal/api"
	"serin/internal/stats"
	"serin/internal/stats/anytime"
)

// calculate answers an input as `serin calc KIND` does.
func calculate(t testing.TB, name, input string) (string, error) {
	t.Helper()
	i := slices.IndexFunc(calculations, func(k calculation) bool { return k.name == name })
	if i < 0 {
		t.Fatalf("there is no kind %s", name)
	}
	var out bytes.Buffer
	err := calculations[i].run(strings.NewReader(input), &out)
	return out.String(), err
}

// TestCalcExamples asks what the help shows, so that the help is true. Numbers
// are kept to ten digits: the last ones may differ between processors.
func TestCalcExamples(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, k := range calculations {
		for _, example := range k.examples {
			out, err := calculate(t, k.name, example)
			if err != nil {
				t.Errorf("%s: %v\n%s", k.name, err, out)
			}
			rounded := regexp.MustCompile(`-?[0-9]+\.[0-9]{9,}(e-?[0-9]+)?`).ReplaceAllStringFunc(out, func(s string) string {
				x, _ := strconv.ParseFloat(s, 64)
				return strconv.FormatFloat(x, 'g', 10, 64)
			})
			fmt.Fprintf(&all, "$ echo '%s' | serin calc %s\n%s\n", example, k.name, rounded)
		}
	}
	_, help, _ := command("calc", "--help")
	golden(t, "calc.golden", all.String()+"$ serin calc --help\n"+help)
}

// TestCalcRefusals is everything that may be wrong with a line. Around each of
// them the lines before and after have their answers.
func TestCalcRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"welch": {
			`{"n1":180,"mean1":12.5,"var1":4,"n2":20,"mean2":14}`, `{"x":[1,2,3]}`, `{}`, `{"x":[1,2,3],"y":[1,2],"n1":3}`,
			`{"x":[1],"y":[1,2]}`, `{"x":[1,2],"y":[1,NaN]}`, `{"x":[1,2],"y":[1,-Infinity]}`, `{"x":[1,2],"y":[1,1e999]}`,
			`{"x":[1,"2"],"y":[1,2]}`, `{"x":[1,null],"y":[1,2]}`, `{"x":[1,[2]],"y":[1,2]}`, `{"x":7,"y":[1,2]}`, `{"x":null,"y":[1,2]}`,
			`{"n1":1.5,"mean1":1,"var1":1,"n2":2,"mean2":1,"var2":1}`, `{"n1":-2,"mean1":1,"var1":1,"n2":2,"mean2":1,"var2":1}`,
			`{"n1":1e16,"mean1":1,"var1":1,"n2":2,"mean2":1,"var2":1}`, `{"n1":1,"mean1":1,"var1":-1,"n2":1,"mean2":1,"var2":1}`,
			`{"x":[1,2],"y":[1,2],"confidence":1}`, `{"x":[1,2],"y":[1,2],"confidence":null}`,
			`{"x":[1,2],"y":[1,2],"X":[1,2]}`, `{"x":[1,2],"x":[1,2],"y":[1,2]}`, `{"x":[1,2],"y":[1,2]} {}`, `{"x":[1,2],"y":[1,2]`,
			`[1,2]`, `7`, `null`, `x`, "\xff", `{"` + strings.Repeat("a", 100) + `":1}`, `{"\u0000":1}`,
		},
		"power": {
			`{"d":0.5}`, `{"d":0.5,"n1":64,"ratio":0}`, `{"d":0.5,"n1":64,"alpha":"0.05"}`, `{"d":0.5,"n1":64,"alternative":"bigger"}`,
			`{"d":0.5,"n1":64,"alternative":true}`, `{"d":0.5,"n1":1}`, `{"d":0.5,"n1":64,"power":0.8}`,
		},
		"samplesize":  {`{"d":0,"power":0.8}`, `{"d":0.5,"power":1}`, `{"d":0.5,"power":0.8,"alternative":"less"}`},
		"mannwhitney": {`{"x":[],"y":[1]}`, `{"x":[1]}`},
		"ks":          {`{"x":[1],"y":[]}`, `{"x":[1],"y":[1],"method":"exact"}`},
		"fisher": {
			`{"table":[[1,2],[3]]}`, `{"table":[[1,2],[3,4]],"a":1}`, `{"a":1,"b":2,"c":3}`, `{"table":[[1,2],[3,4.5]]}`,
			`{"table":[1,2,3,4]}`, `{"table":[[1,2],[3,1e15]]}`, `{}`,
		},
		"proportions": {`{"x1":2,"n1":1,"x2":1,"n2":0}`, `{"x1":2,"n1":10,"x2":1}`},
		"psi":         {`{"expected":[1,2],"actual":[1]}`, `{"expected":[0.5,0.5],"actual":[1,2]}`, `{"expected":[0,0],"actual":[1,2]}`},
		"mixture":     {`{"z":1,"n":-1,"rho":1}`, `{"z":1,"n":1,"rho":0}`},
		"label":       {`{"canary":1,"stable":1,"pi":0}`, `{"canary":1,"stable":1,"pi":0.1,"ratio":-1}`, `{"canary":1,"stable":1,"pi":0.1,"concentration":1e10}`},
		"drift": {
			`{"canary":[1],"stable":[1,2],"pi":0.1}`, `{"canary":[1],"stable":[1],"pi":1}`,
			`{"canary":[1],"stable":[1],"pi":0.1,"concentrations":[]}`, `{"canary":[1],"stable":[1],"pi":0.1,"concentrations":[0]}`,
		},
	}
	var all strings.Builder
	for _, k := range calculations {
		for _, line := range tests[k.name] {
			good := k.examples[0]
			out, err := calculate(t, k.name, good+"\n"+line+"\n"+good)
			replies := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
			if err == nil || !strings.Contains(err.Error(), "1 of 3 lines") || len(replies) != 3 || replies[0] != replies[2] {
				t.Errorf("%s: %v\n%s", line, err, out)
				continue
			}
			var reply struct {
				Error struct {
					Line          int
					Field, Detail string
				}
			}
			if err := json.Unmarshal([]byte(replies[1]), &reply); err != nil || reply.Error.Line != 2 || reply.Error.Detail == "" {
				t.Errorf("%s: %v, %s", line, err, replies[1])
			}
			fmt.Fprintf(&all, "%s %s\n  %s\n", k.name, strconv.QuoteToASCII(line), replies[1])
		}
	}
	golden(t, "calc-refusals.golden", all.String())
}

func TestCalcReadsLines(t *testing.T) {
	t.Parallel()
	out, err := calculate(t, "psi", "\n  \r\n{\"expected\":[1e3,200.0,1E2],\"actual\":[30,35,35]}\r\n\n\t\n{\"expected\":[1],\n")
	replies := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if err == nil || !strings.Contains(err.Error(), "1 of 2 lines") || len(replies) != 2 || !strings.Contains(replies[0], `"psi":`) || !strings.Contains(replies[1], `"line":6`) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := calculate(t, "psi", ""); out != "" || err != nil {
		t.Errorf("no input: %q, %v", out, err)
	}
}

// TestCalcPassesOverALongLine without keeping it, and goes on.
func TestCalcPassesOverALongLine(t *testing.T) {
	t.Parallel()
	const good = `{"d":0.5,"n1":64}`
	for _, length := range []int{longestLine - 1, longestLine, longestLine + 1, 2*longestLine + 5} {
		input := strings.Repeat(" ", length-len(good)) + good + "\n" + good // the newline counts
		out, err := calculate(t, "power", input)
		replies := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		long := length+1 > longestLine
		if len(replies) != 2 || replies[1] != `{"power":0.801459557922254}` || long != (err != nil) || long != strings.Contains(replies[0], "longer than 16777216 bytes") {
			t.Errorf("length %d: %v\n%s", length, err, out)
		}
	}
	out, err := calculate(t, "power", strings.Repeat("a", longestLine+1))
	if err == nil || !strings.Contains(out, `{"error":{"line":1,"detail":"the line is longer`) {
		t.Errorf("without a newline: %v\n%s", err, out)
	}
}

func TestCalcTellsBrokenPipes(t *testing.T) {
	t.Parallel()
	k := calculations[slices.IndexFunc(calculations, func(k calculation) bool { return k.name == "power" })]
	broken := io.MultiReader(strings.NewReader("{\"d\":0.5,\"n1\":64}\n{\"d\""), iotest.ErrReader(errors.New("the disk is gone")))
	var out bytes.Buffer
	if err := k.run(broken, &out); err == nil || !strings.Contains(err.Error(), "after line 1: the disk is gone") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := k.run(strings.NewReader(`{"d":0.5,"n1":64}`), closed); err == nil || !strings.Contains(err.Error(), "writing the answer to line 1") {
		t.Errorf("%v", err)
	}
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

func TestCalcNumbersRoundTrip(t *testing.T) {
	t.Parallel()
	want, err := stats.Welch(stats.Sample{N: 100000, Mean: 0.1, Variance: 1}, stats.Sample{N: 50000, Mean: 400, Variance: 1. / 3}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	out, err := calculate(t, "welch", `{"n1":100000,"mean1":0.1,"var1":1,"n2":50000,"mean2":400,"var2":0.3333333333333333}`)
	if err != nil {
		t.Fatal(err)
	}
	var got welchAnswer
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.T != want.T || got.LogP != want.LogP || got.CI != [2]float64{want.Low, want.High} {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if got.P != 0 || got.LogP > -1e5 {
		t.Errorf("where p underflows its logarithm stays: %s", out)
	}
}

// TestCalcDirections: which one-sided number is which.
func TestCalcDirections(t *testing.T) {
	t.Parallel()
	const low, high = "[1,2,3,4,5,6]", "[7,8,9,10,11]"
	tests := []struct{ kind, line, small, large string }{
		{"welch", `{"x":` + low + `,"y":` + high + `}`, "p_greater", ""},
		{"mannwhitney", `{"x":` + low + `,"y":` + high + `}`, "p_greater", "p_less"},
		{"mannwhitney", `{"x":` + high + `,"y":` + low + `}`, "p_less", "p_greater"},
		{"mannwhitney", `{"x":` + low + `,"y":` + high + `,"alternative":"larger"}`, "p", "p_less"},
		{"ks", `{"x":` + low + `,"y":` + high + `}`, "p_greater", "p_less"},
		{"ks", `{"x":` + low + `,"y":` + high + `,"alternative":"smaller"}`, "p_greater", "p"},
		{"fisher", `{"table":[[9,1],[1,9]]}`, "p_greater", "p_less"},
		{"proportions", `{"x1":1,"n1":10,"x2":9,"n2":10}`, "p_greater", "p_less"},
		{"proportions", `{"x1":1,"n1":10,"x2":9,"n2":10,"alternative":"less"}`, "p_greater", "p"},
	}
	for _, tt := range tests {
		out, err := calculate(t, tt.kind, tt.line)
		var got map[string]any
		if err != nil || json.Unmarshal([]byte(out), &got) != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if p, _ := got[tt.small].(float64); !(p > 0 && p < 0.01) {
			t.Errorf("%s %s: %s is not small: %s", tt.kind, tt.line, tt.small, out)
		}
		if p, _ := got[tt.large].(float64); tt.large != "" && !(p > 0.99) {
			t.Errorf("%s %s: %s is not large: %s", tt.kind, tt.line, tt.large, out)
		}
	}
	less, err1 := calculate(t, "power", `{"d":-0.5,"n1":64,"alternative":"less"}`)
	more, err2 := calculate(t, "power", `{"d":0.5,"n1":64,"alternative":"greater"}`)
	if err := errors.Join(err1, err2); err != nil || less != more {
		t.Errorf("%v: %s and %s", err, less, more)
	}
	label, err := calculate(t, "label", `{"canary":40,"stable":40,"pi":0.1,"ratio":2}`)
	l := anytime.Label{Share: 0.1, Ratio: 2, Concentration: 10}
	want := labelAnswer{l.Above(40, 40), l.TwoSided(40, 40), l.Below(40, 40)}
	var got labelAnswer
	if err != nil || json.Unmarshal([]byte(label), &got) != nil || got != want || !(got.LogE > 5 && got.LogEBelow < 0) {
		t.Errorf("%v: %s", err, label)
	}
}

// FuzzCalc: whatever comes in, a line goes out for each, and it is an object.
func FuzzCalc(f *testing.F) {
	for i, k := range calculations {
		for _, example := range k.examples {
			f.Add(i, []byte(example))
			f.Add(i, []byte(example+"\n\n[1,NaN]\n{}\n"+example))
		}
	}
	f.Fuzz(func(t *testing.T, i int, input []byte) {
		k := calculations[uint(i)%uint(len(calculations))]
		asked := 0
		for line := range bytes.Lines(input) {
			if len(bytes.TrimSpace(line)) > 0 {
				asked++
			}
		}
		var out bytes.Buffer
		err := k.run(bytes.NewReader(input), &out)
		answered, wrong := 0, 0
		for line := range bytes.Lines(out.Bytes()) {
			var reply map[string]any
			if err := json.Unmarshal(line, &reply); err != nil {
				t.Fatalf("%s is no object: %v", line, err)
			}
			answered++
			if _, bad := reply["error"]; bad {
				wrong++
			}
		}
		if answered != asked || (err != nil) != (wrong > 0) {
			t.Errorf("%d lines, %d answers, %d errors, %v", asked, answered, wrong, err)
		}
	})
}
