package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"serin/internal/api"
)

// measuredRows are requests as somebody may write them down, one a line: a
// canary that is slower by a factor, beside a stable that was there before.
func measuredRows(n int, begin, gap, factor float64, seed uint64) [][]string {
	rng := rand.New(rand.NewPCG(seed, 2))
	var rows [][]string
	at := begin
	for range n {
		at += gap * rng.ExpFloat64()
		latency, failed := fmt.Sprintf("%.3f", factor*20*math.Exp(0.4*rng.NormFloat64())), "0"
		if rng.IntN(100) == 0 {
			latency, failed = "", "1"
		}
		rows = append(rows, []string{fmt.Sprintf("%.3f", at), latency, failed, fmt.Sprintf("%.3f", 1/(1+math.Exp(-rng.NormFloat64()))), "/predict"})
	}
	return rows
}

// TestJudge keeps what people see of files that are kept beside it.
func TestJudge(t *testing.T) {
	t.Parallel()
	header := []string{"time", "latency_ms", "error", "score", "path"}
	files := map[string][][]string{
		"judge-stable.csv": append([][]string{header}, measuredRows(1900, 1.7e9, 0.1, 1, 1)...),
		"judge-canary.csv": append([][]string{header}, measuredRows(180, 1.7e9+30, 1, 1.5, 2)...),
	}
	for i, name := range []string{"judge-before.csv", "judge-after.csv"} { // microseconds, without a header
		for _, row := range measuredRows(600, 0, 1, 1, 3+uint64(i)) {
			if row[1] != "" {
				files[name] = append(files[name], []string{strings.Replace(row[1], ".", "", 1)})
			}
		}
	}
	for name, rows := range files {
		var b strings.Builder
		if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
	const stable, canary, before, after = "testdata/judge-stable.csv", "testdata/judge-canary.csv", "testdata/judge-before.csv", "testdata/judge-after.csv"
	var all strings.Builder
	for _, tt := range []struct {
		code api.ExitCode
		args []string
	}{
		{api.ExitRegression, []string{"--stable", stable, "--canary", canary, "--weight", "10%", "--ascii=false"}},
		{api.ExitInvalid, []string{"--stable", stable, "--canary", canary, "--weight", "0.5", "--ascii"}},
		{api.ExitOK, []string{"--stable", before, "--canary", after, "--unit", "us", "--tolerance", "25%", "--ascii"}},
		{api.ExitInconclusive, []string{"--stable", before, "--canary", after, "--unit", "us", "--ascii=false"}},
		{api.ExitRegression, []string{"--stable", stable, "--canary", canary, "--reference", before, "--unit", "us", "--output", "json"}},
	} {
		args := append([]string{"judge"}, tt.args...)
		code, out, errs := command(args...)
		if code != tt.code || errs != "" {
			t.Errorf("serin %s: exit %d, want %d\n%s", strings.Join(args, " "), code, tt.code, errs)
		}
		if out = ninth.ReplaceAllStringFunc(out, rounded); strings.Contains(out, "{") && !json.Valid([]byte(out)) {
			t.Errorf("no JSON: %s", out)
		}
		all.WriteString("$ serin " + strings.Join(args, " ") + "\n" + out + "\n")
	}
	golden(t, "judge.golden", all.String())
}

// ninth finds numbers whose last digits are those of a processor.
var ninth = regexp.MustCompile(`-?\d+\.\d{8,}(e-?\d+)?`)

func rounded(number string) string {
	x, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return number
	}
	return strconv.FormatFloat(x, 'g', 9, 64)
}

// TestBadFiles lists what is refused, and what is said about it.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, timed, bad := filepath.Join(dir, "good.csv"), filepath.Join(dir, "timed.csv"), filepath.Join(dir, "bad.csv")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good, "latency\n1\n2\n")
	write(timed, "time,latency\n1,1\n2,2\n")
	tests := []struct {
		name, text, says string
		flags            []string
	}{
		{"empty", "", "bad.csv: the file is empty; it needs a row for each request", nil},
		{"blank", "\n\n", "bad.csv: the file has only blank lines; it needs a row for each request", nil},
		{"header", "latency\n", "bad.csv: the file has a header and no rows; it needs one for each request", nil},
		{"binary", "\x7fELF\x00\x01", "bad.csv:1: the file is binary; give one in CSV", nil},
		{"compressed", "\x1f\x8b\x08\x00", "bad.csv:1: the file is compressed; unpack it first", nil},
		{"UTF-16", "\xff\xfel\x00", "bad.csv:1: the file is in UTF-16; save it as UTF-8", nil},
		{"no header", "1,0\n2,0\n", "bad.csv:1: the row has 2 columns, and no header says which is which; begin with one: latency_ms", nil},
		{"other names", "\nms,status\n1,200\n", `bad.csv:2: no column is called latency, latency_ns, latency_us, latency_ms or latency_s; the first row has "ms", "status" (columns are separated by commas)`, nil},
		{"semicolons", "latency;error\n1;0\n", `the first row has "latency;error" (columns are separated by commas)`, nil},
		{"two latencies", "latency_ms,latency_us\n1,1000\n", `bad.csv:1: the columns "latency_ms" and "latency_us" are both the latency; leave one out`, nil},
		{"two errors", "error,latency,Error\n1,1000,0\n", `bad.csv:1: the columns "error" and "Error" are both the error; leave one out`, nil},
		{"not a number", "latency\n1\n12ms\n", `bad.csv:3: latency "12ms" is not a number; correct it or leave the row out`, nil},
		{"NaN", "latency\n1\nNaN\n", `bad.csv:3: latency "NaN" is not a finite number; correct it, or leave the row out, or set its error to 1`, nil},
		{"NaN, first", "NaN\n1\n", `bad.csv:1: latency "NaN" is not a finite number`, nil},
		{"infinite", "1\n-Inf\n", `bad.csv:2: latency "-Inf" is not a finite number`, nil},
		{"huge", "1\n1e999\n", `bad.csv:2: latency "1e999" is not a finite number`, nil},
		{"negative", "1\n-0.5\n", `bad.csv:2: latency "-0.5" is negative, as if a clock had been set; correct it or leave the row out`, nil},
		{"another unit", "latency\n5000000\n", `bad.csv:2: latency "5000000" is more than 16m40s, if its unit is ms; name the right one with --unit or in the header (latency_us), or leave the row out`, nil},
		{"no latency", "latency,error\n1,0\n,0\n", "bad.csv:3: the latency is empty; only a row whose error is 1 may have none", nil},
		{"a blank line", "latency\n1\n\n2\n", "bad.csv:3: the latency is empty; give failed requests a column error, or leave the line out", nil},
		{"error", "latency,error\n1,no\n", `bad.csv:2: error "no" is neither 0 (or false) nor 1 (or true)`, nil},
		{"score", "latency,score\n1,1.5\n", `bad.csv:2: score "1.5" is not a probability, from 0 to 1; leave it empty where there is none`, nil},
		{"score NaN", "latency,score\n1,NaN\n", `bad.csv:2: score "NaN" is not a probability`, nil},
		{"a column more", "latency,error\n1,0\n1,0,0\n", "bad.csv:3: the row has 3 columns and the first one 2; correct it or leave it out", nil},
		{"a column less", "latency,error\n1,0\n1\n", "bad.csv:3: the row has 1 columns and the first one 2", nil},
		{"a quote", "latency\n1\n\"2\n3\n", "bad.csv:3: a quote is not where one may be; quotes come in pairs, round a whole cell", nil},
		{"a quote within", "latency\n1\n2\"\n3\n", "bad.csv:3: a quote is not where one may be", nil},
		{"a long row", "latency\n1\n\"" + strings.Repeat("2\n", 1<<20), "bad.csv:3: the row is longer than 1048576 bytes; rows end with a newline, and quotes come in pairs", nil},
		{"backwards", "time,latency\n1,1\n3,1\n2.5,1\n", `bad.csv:4: time "2.5" is before that of the row above; sort the rows by time`, []string{"--canary", timed}},
		{"what time", "time,latency\nnoon,1\n", `bad.csv:2: time "noon" is neither a number of seconds nor like 2006-01-02T15:04:05.000Z`, []string{"--canary", timed}},
		{"time NaN", "time,latency\nNaN,1\n", `bad.csv:2: time "NaN" is neither a number of seconds nor`, []string{"--canary", timed}},
		{"time in ms", "time,latency\n1700000000000,1\n", `bad.csv:2: time "1700000000000" is too far away: a number is in seconds`, []string{"--canary", timed}},
		{"year 9999", "time,latency\n9999-12-31T00:00:00Z,1\n", `bad.csv:2: time "9999-12-31T00:00:00Z" is too far away`, []string{"--canary", timed}},
		{"time here", "time,latency\n1,1\n", "good.csv: the column time is missing, which DIR/bad.csv has; give times for both, or rename it there", nil},
		{"time there", "latency\n1\n", "bad.csv: the column time is missing, which DIR/timed.csv has", []string{"--canary", timed}},
		{"delay", "latency\n1\n", "bad.csv: --initial-delay needs the column time in both files", []string{"--initial-delay", "1m"}},
		{"reference", "latency\n1\n", "none.csv: no such file or directory", []string{"--reference", filepath.Join(dir, "none.csv")}},
		{"a folder", "latency\n1\n", "cannot be read: read DIR: is a directory", []string{"--canary", dir}},
		{"the same", "latency\n1\n", "bad.csv: it is named for both stable and canary; give a file for each", []string{"--canary", filepath.Join(dir, ".", "bad.csv")}},
		{"the same, linked", "latency\n1\n", "link.csv: it is named for both stable and reference", []string{"--reference", filepath.Join(dir, "link.csv")}},
		{"standard input twice", "latency\n1\n", "standard input: it is named for both canary and reference", []string{"--canary", "-", "--reference", "-"}},
		{"no canary", "latency\n1\n", "name both files: serin judge --stable a.csv --canary b.csv", []string{"--canary", ""}},
		{"unit", "latency\n1\n", `unit "min" is unknown: use ns, us, ms or s`, []string{"--unit", "min"}},
		{"weight", "latency\n1\n", "10%", []string{"--weight", "10"}},
		{"plan", "latency\n1\n", "alpha 2 is not between", []string{"--alpha", "2"}},
		{"output", "latency\n1\n", `output "xml" is unknown: use text (or table), json or yaml`, []string{"--output", "xml"}},
		{"an argument", "latency\n1\n", "unknown command", []string{"b.csv"}},
	}
	write(bad, "")
	if err := os.Symlink(bad, filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		write(bad, tt.text)
		code, out, errs := command(append([]string{"judge", "--stable", bad, "--canary", good}, tt.flags...)...)
		errs = strings.ReplaceAll(errs, dir, "DIR")
		if code != api.ExitUsage || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit %d, want 2 and %q\n%s%s", tt.name, code, tt.says, out, errs)
		}
		if lines := strings.Count(errs, "\n"); lines != 1 && !strings.Contains(errs, "--help") {
			t.Errorf("%s: %d lines: %s", tt.name, lines, errs)
		}
	}
}

// TestOddFiles are judged all the same.
func TestOddFiles(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"spreadsheet":   "\ufeffLatency_MS , Error\r\n1.5,FALSE\r\n,TRUE\r\n\"2\",0\r\n",
		"no newline":    "1.5\n2",
		"blank lines":   "\n\nlatency\n1.5\n2\n\n\n",
		"blank between": "latency,error\n1.5,0\n\n2,0\n",
		"zero":          "latency_ns\n0\n-0\n",
		"failed anyhow": "error,latency_s\n1,NaN\n1,-1\n0,1e-3\n0,1000\n",
		"RFC 3339":      "time,latency\n2024-02-29T12:00:00Z,1\n2024-02-29T14:00:00.5+02:00,2\n",
		"other columns": "id,latency_us,\n7,1500,x\n8,1600,\n",
	} {
		dir := t.TempDir()
		path, other := filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.csv")
		for _, p := range []string{path, other} {
			if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, out, errs := command("judge", "--stable", path, "--canary", other, "--output", "json")
		var got struct {
			Monitor struct {
				Stable struct{ Count uint64 }
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != api.ExitInconclusive || errs != "" || got.Monitor.Stable.Count != 2 {
			t.Errorf("%s: exit %d, %v\n%s%s", name, code, err, out, errs)
		}
	}
}

// TestJudgeReadsStandardInput runs the program itself.
func TestJudgeReadsStandardInput(t *testing.T) {
	t.Parallel()
	const stable, canary = "testdata/judge-stable.csv", "testdata/judge-canary.csv"
	for _, tt := range []struct {
		in, args string
		code     api.ExitCode
		says     string
	}{
		{canary, "--stable " + stable + " --canary -", api.ExitRegression, "fail: the canary is "},
		{stable, "--stable - --canary " + canary, api.ExitRegression, "standard input; rows: 1900"},
		{"testdata/judge-before.csv", "--stable " + stable + " --canary " + canary + " --unit us --reference -", api.ExitRegression, "the reference is the 592 latencies given for it"},
		{"testdata/judge-after.csv", "--stable testdata/judge-before.csv --canary - --unit us --tolerance 0.25", api.ExitOK, "pass: the canary is less than 25.7 %"},
		{"testdata/judge-after.csv", "--stable testdata/judge-before.csv --canary - --unit us", api.ExitInconclusive, "insufficient: no verdict yet"},
		{stable, "--stable " + stable + " --canary -", api.ExitUsage, "it is named for both stable and canary"},
		{os.DevNull, "--stable " + stable + " --canary -", api.ExitUsage, "standard input: the file is empty"},
	} {
		in, err := os.Open(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd := exec.CommandContext(t.Context(), selfProgram(t), append([]string{"judge"}, strings.Fields(tt.args)...)...)
		cmd.Env, cmd.Stdin = append(os.Environ(), "SERIN_TEST_AS_PROGRAM=1"), in
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || api.ExitCode(cmd.ProcessState.ExitCode()) != tt.code || !strings.Contains(string(out), tt.says) {
			t.Errorf("serin judge %s: %v, want exit %d and %q\n%s", tt.args, err, tt.code, tt.says, out)
		}
	}
}

// TestJudgeIsInterrupted while it waits for rows that do not come.
func TestJudgeIsInterrupted(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), selfProgram(t), "judge", "--stable", "testdata/judge-stable.csv", "--canary", "-")
	cmd.Env = append(os.Environ(), "SERIN_TEST_AS_PROGRAM=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said transcript
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More than a pipe holds: once it is written, the program reads.
	if _, err := io.WriteString(in, "time,latency\n"+strings.Repeat("1,1\n", 1<<18)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != int(api.ExitInterrupted) || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("%v\n%s", err, said.String())
	}
}
