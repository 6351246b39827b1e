package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/cmd/serin/term"
	"serin/internal/api"
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
		t.Errorf("%s (rewrite with go test ./cmd/serin -update):\n%s", path, diff)
	}
}

func TestPowerPrintsTheSeedsLineFirst(t *testing.T) {
	t.Parallel()
	code, out, errs := command("power")
	if code != 0 || !strings.HasPrefix(out, "Minimum sample size required per group: 36\n") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"36.3057", "79.66 %", "37 is the first"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestPower(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, args := range [][]string{
		{"power"},
		{"power", "--ratio", "9"},
		{"power", "--ratio", "9", "--one-sided"},
		{"power", "--difference", "5", "--sd", "15", "--alpha", "0.01", "--power", "0.9"},
		{"power", "--ratio", "9", "--output", "json"},
		{"power", "--sd", "0"},
		{"power", "--ratio", "-1"},
		{"power", "--power", "1"},
		{"power", "--alpha", "0"},
		{"power", "--difference", "0"},
		{"power", "--output", "xml"},
	} {
		code, out, errs := command(args...)
		all.WriteString("$ serin " + strings.Join(args, " ") + "\n" + out + errs)
		if code != 0 {
			all.WriteString("exit " + string(rune('0'+code)) + "\n")
		}
		all.WriteString("\n")
	}
	golden(t, "power.golden", all.String())
}

// TestACanaryFromTheTerminal is the life of two canaries in commands; numbers
// that the clock makes are masked.
func TestACanaryFromTheTerminal(t *testing.T) {
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	masks := []struct {
		pattern *regexp.Regexp
		with    string
	}{
		{regexp.MustCompile(regexp.QuoteMeta(dir)), "FOLDER"},
		{regexp.MustCompile(`healthy: .*`), "healthy: FINDING"},
		{regexp.MustCompile(`http://127\.0\.0\.1:\d+`), "URL"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
		{regexp.MustCompile(`-?[0-9.]+(e[-+]?\d+)? (ns|µs|ms)\b`), "LATENCY"},
		{regexp.MustCompile(`(t|df|p) = -?[0-9.]+(e[-+]?\d+)?`), "$1 = NUMBER"},
		{regexp.MustCompile(`sha256 [0-9a-f]{12}`), "sha256 DIGEST"},
		{regexp.MustCompile(`(\d+m\d+s|1h0m0s) left`), "SOME TIME left"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "DATE       TIME    "},
	}
	var all strings.Builder
	serin := func(want api.ExitCode, args ...string) {
		t.Helper()
		code, out, errs := command(append(args, "--server", s.url, "--actor", "ana")...)
		text := out + errs
		for _, m := range masks {
			text = m.pattern.ReplaceAllString(text, m.with)
		}
		all.WriteString("$ serin " + strings.Join(args, " ") + "\n" + text + "\n")
		if code != want {
			t.Errorf("serin %s: exit %d, want %d\n%s", strings.Join(args, " "), code, want, text)
		}
	}
	serin(api.ExitOK, "status")
	serin(api.ExitInconclusive, "check")
	serin(api.ExitConflict, "rollback")
	serin(api.ExitConflict, "promote")
	serin(api.ExitRefused, "deploy", "models/none.joblib")
	serin(api.ExitRefused, "deploy", "models")
	serin(api.ExitUsage, "deploy", "models/model_v2.joblib", "--weight", "lots")
	serin(api.ExitUsage, "deploy", "models/model_v2.joblib", "--duration", "soon")
	serin(api.ExitOK, "deploy", "models/model_v2.joblib")
	serin(api.ExitConflict, "deploy", "models/model_v2.joblib")
	serin(api.ExitInconclusive, "promote")
	s.traffic(200)
	serin(api.ExitOK, "slowdown", "off")
	serin(api.ExitOK, "slowdown", "on")
	serin(api.ExitOK, "slowdown", "on")
	s.traffic(200)
	serin(api.ExitRegression, "check")
	serin(api.ExitUsage, "weight")
	serin(api.ExitUsage, "weight", "lots")
	serin(api.ExitConflict, "weight", "10%")
	serin(api.ExitOK, "weight", "25%")
	serin(api.ExitRegression, "promote")
	serin(api.ExitUsage, "promote", "--force")
	serin(api.ExitOK, "status")
	serin(api.ExitOK, "rollback", "--reason", "it is slow")
	serin(api.ExitUsage, "explain")
	serin(api.ExitUsage, "explain", "r99")
	serin(api.ExitOK, "explain", "r1")
	serin(api.ExitOK, "status")
	serin(api.ExitOK, "deploy", "models/model_v1.joblib")
	serin(api.ExitOK, "rollback")
	serin(api.ExitOK, "deploy", "models/model_v2.joblib", "--weight", "50%", "--duration", "30m")
	s.traffic(60)
	serin(api.ExitOK, "check")
	serin(api.ExitOK, "promote")
	serin(api.ExitOK, "status")
	golden(t, "terminal.golden", all.String())
}

func TestJSONOutput(t *testing.T) {
	t.Parallel()
	s := child(t, workplace(t)).mustBeReady()
	for _, args := range [][]string{{"status"}, {"deploy", "models/model_v2.joblib"}, {"slowdown"}, {"check"}, {"rollback"}} {
		_, out, errs := command(append(args, "--server", s.url, "--output", "json")...)
		var v map[string]any
		if err := json.Unmarshal([]byte(out), &v); err != nil || errs != "" {
			t.Errorf("%v: %v\n%s%s", args, err, out, errs)
		}
	}
}

// TestAProblemIsJSON, too, for who asked for JSON.
func TestAProblemIsJSON(t *testing.T) {
	t.Parallel()
	s := child(t, workplace(t)).mustBeReady()
	code, out, errs := command("rollback", "--server", s.url, "--output", "json")
	var p api.Problem
	if err := json.Unmarshal([]byte(out), &p); err != nil || p.Code != "no_canary" || code != api.ExitConflict || errs == "" {
		t.Errorf("exit %d, %v\n%s%s", code, err, out, errs)
	}
}

func TestTrainKeepsTheTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	table := filepath.Join(dir, "d.csv")
	const rows = "a,b,churned\n1,2,yes\n2,1,no\n3,3,yes\n0,1,no\n"
	if err := os.WriteFile(table, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := command("train", table, "--target", "churned", "--out", table); code != api.ExitUsage || !strings.Contains(errs, "is the table itself") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if got, err := os.ReadFile(table); err != nil || string(got) != rows {
		t.Errorf("the table is %q, %v", got, err)
	}
	out := filepath.Join(dir, "x.joblib")
	if code, text, errs := command("train", table, "--target", "churned", "--out", out, "--output", "json"); code != api.ExitOK || !strings.Contains(text, `"accuracy": 1`) {
		t.Errorf("exit %d\n%s%s", code, text, errs)
	}
	s := start(t, selfProgram(t), dir, []string{"SERIN_TEST_AS_PROGRAM=1"}, "--listen", "127.0.0.1:0", "--model", "x.joblib", "--drain", "0s").mustBeReady()
	eventually(t, "the announcement of the classes", func() bool { return strings.Contains(s.out.String(), `classes "no", "yes"`) })
}

// TestAChangedFileIsTold: who fits again to the same path and restarts must not
// believe that the new file is served.
func TestAChangedFileIsTold(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	child(t, dir).mustBeReady().kill()
	v2, err := os.ReadFile(filepath.Join(dir, "models/model_v2.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "models/model_v1.joblib"), v2, 0o600); err != nil {
		t.Fatal(err)
	}
	s := child(t, dir).mustBeReady()
	eventually(t, "the note", func() bool {
		return strings.Contains(s.out.String(), "models/model_v1.joblib has changed since it was deployed")
	})
}

// TestHelpHasExamplesFirst, of every command that has some, and says nothing twice.
func TestHelpHasExamplesFirst(t *testing.T) {
	t.Parallel()
	root := newRoot(term.Console{})
	seen := 0
	for _, cmd := range root.Commands() {
		_, text, errs := command(cmd.Name(), "--help")
		example, usage := strings.Index(text, cmd.Example), strings.Index(text, "Usage:")
		if cmd.Example != "" {
			seen++
			if example < 0 || example > usage || !strings.HasPrefix(text, cmd.Short+"\n\n"+cmd.Example) || strings.Count(text, cmd.Example) != 1 {
				t.Errorf("%s %s\n%s", cmd.Name(), errs, text)
			}
		}
		if strings.Contains(text, "\n"+cmd.Short+".\n") || strings.Contains(text, "Examples:") {
			t.Errorf("%s:\n%s", cmd.Name(), text)
		}
	}
	if seen < 15 {
		t.Errorf("only %d commands have examples", seen)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args []string
		code api.ExitCode
		says string
	}{
		{[]string{"--help"}, api.ExitOK, "serin demo"},
		{[]string{"--version"}, api.ExitOK, "serin version"},
		{[]string{"depoly"}, api.ExitUsage, "Did you mean this?\n\tdeploy"},
		{[]string{"deploy", "--weigth", "5%"}, api.ExitUsage, "unknown flag: --weigth; did you mean --weight?"},
		{[]string{"deploy"}, api.ExitUsage, "serin deploy FILE"},
		{[]string{"check", "--nonsense"}, api.ExitUsage, "unknown flag: --nonsense"},
		{[]string{"check", "--server", "ftp://localhost"}, api.ExitUsage, "write it like http://127.0.0.1:8000"},
		{[]string{"slowdown", "maybe"}, api.ExitUsage, "invalid argument"},
		{[]string{"serve", "--weight", "10"}, api.ExitUsage, "10%"},
		{[]string{"serve", "--at-end", "banana"}, api.ExitUsage, "hold, promote or rollback"},
		{[]string{"train", "--out", "x.joblib"}, api.ExitUsage, "name the CSV file"},
		{[]string{"train", "x.csv"}, api.ExitUsage, "--target COLUMN"},
		{[]string{"train", "none.csv", "--target", "y", "--out", "x.joblib"}, api.ExitUsage, "cannot be opened"},
		{[]string{"check", "--server", "http://127.0.0.1:1"}, api.ExitUnreachable, "Start one with serin serve"},
		{[]string{"serve", "--weight", "0"}, api.ExitUsage, "not a share"},
		{[]string{"serve", "--log-format", "xml"}, api.ExitUsage, "use text or json"},
		{[]string{"serve", "--listen", "0.0.0.0:0"}, api.ExitUsage, "not a loopback address"},
	}
	for _, tt := range tests {
		code, out, errs := command(tt.args...)
		if code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("serin %s: exit %d, want %d with %q\n%s%s", strings.Join(tt.args, " "), code, tt.code, tt.says, out, errs)
		}
	}
}
