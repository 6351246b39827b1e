package calc

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"serin/internal/stats"
	"serin/internal/stats/anytime"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (rewrite with go test ./internal/calc -update):\n%s", path, diff)
	}
}

// calculate answers an input as `serin calc KIND` does.
func calculate(t testing.TB, name, input string) (string, error) {
	t.Helper()
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no kind %s", name)
	}
	var out bytes.Buffer
	err := Kinds[i].Run(strings.NewReader(input), &out)
	return out.String(), err
}

// TestExamples asks what the help shows, so that the help is true. Numbers
// are kept to ten digits: the last ones may differ between processors.
func TestExamples(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, k := range Kinds {
		for _, example := range k.Examples {
			out, err := calculate(t, k.Name, example)
			if err != nil {
				t.Errorf("%s: %v\n%s", k.Name, err, out)
			}
			rounded := regexp.MustCompile(`-?[0-9]+\.[0-9]{9,}(e-?[0-9]+)?`).ReplaceAllStringFunc(out, func(s string) string {
				x, _ := strconv.ParseFloat(s, 64)
				return strconv.FormatFloat(x, 'g', 10, 64)
			})
			fmt.Fprintf(&all, "$ echo '%s' | serin calc %s\n%s\n", example, k.Name, rounded)
		}
	}
	golden(t, "answers.golden", all.String())
}

// TestRefusals is everything that may be wrong with a line. Around each of
// them the lines before and after have their answers.
func TestRefusals(t *testing.T) {
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
	for _, k := range Kinds {
		for _, line := range tests[k.Name] {
			good := k.Examples[0]
			out, err := calculate(t, k.Name, good+"\n"+line+"\n"+good)
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
			fmt.Fprintf(&all, "%s %s\n  %s\n", k.Name, strconv.QuoteToASCII(line), replies[1])
		}
	}
	golden(t, "refusals.golden", all.String())
}

func TestReadsLines(t *testing.T) {
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

// TestPassesOverALongLine without keeping it, and goes on.
func TestPassesOverALongLine(t *testing.T) {
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

func TestTellsBrokenPipes(t *testing.T) {
	t.Parallel()
	k := Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == "power" })]
	broken := io.MultiReader(strings.NewReader("{\"d\":0.5,\"n1\":64}\n{\"d\""), iotest.ErrReader(errors.New("the disk is gone")))
	var out bytes.Buffer
	if err := k.Run(broken, &out); err == nil || !strings.Contains(err.Error(), "after line 1: the disk is gone") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if err := k.Run(strings.NewReader(`{"d":0.5,"n1":64}`), closed); err == nil || !strings.Contains(err.Error(), "writing the answer to line 1") {
		t.Errorf("%v", err)
	}
}

func TestNumbersRoundTrip(t *testing.T) {
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

// TestDirections: which one-sided number is which.
func TestDirections(t *testing.T) {
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

// FuzzLines: whatever comes in, a line goes out for each, and it is an object.
func FuzzLines(f *testing.F) {
	for i, k := range Kinds {
		for _, example := range k.Examples {
			f.Add(i, []byte(example))
			f.Add(i, []byte(example+"\n\n[1,NaN]\n{}\n"+example))
		}
	}
	f.Fuzz(func(t *testing.T, i int, input []byte) {
		k := Kinds[uint(i)%uint(len(Kinds))]
		asked := 0
		for line := range bytes.Lines(input) {
			if len(bytes.TrimSpace(line)) > 0 {
				asked++
			}
		}
		var out bytes.Buffer
		err := k.Run(bytes.NewReader(input), &out)
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
