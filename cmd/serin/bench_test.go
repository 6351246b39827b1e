package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
)

// TestBench puts load on a real server with a canary.
func TestBench(t *testing.T) {
	t.Parallel()
	s := child(t, workplace(t)).mustBeReady()
	if code, _, errs := command("deploy", "models/model_v2.joblib", "--server", s.url); code != api.ExitOK {
		t.Fatal(errs)
	}
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(rows, []byte("[0.5, 1.2, 0.8, 0.3, 1.1]\n\n[5, 4, 3, 2, 1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bench := func(args ...string) (api.ExitCode, string, string) {
		return command(append([]string{"bench", "--server", s.url, "--warm-up", "0s", "--connections", "4"}, args...)...)
	}

	code, out, errs := bench("--data", rows, "--requests", "1000", "--output", "json", "--threshold", "errors<1", "--threshold", "p99<10s")
	var report struct {
		Requests, Failed uint64
		Arms             map[string]struct{ Count uint64 }
		Thresholds       []struct{ Met bool }
		Met              bool
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != api.ExitOK {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	// The probe before the load was one request of the first block of ten.
	if c := report.Arms["canary"].Count; report.Requests != 1000 || report.Failed != 0 || c < 99 || c > 101 || c+report.Arms["stable"].Count != 1000 || len(report.Thresholds) != 2 || !report.Met {
		t.Errorf("%+v", report)
	}

	code, out, errs = bench("--rate", "200", "--duration", "1s", "--threshold", "rate>1e6")
	if code != api.ExitRegression || !strings.Contains(out, "open loop, 200 requests/s, 4 connections") || !strings.Contains(out, "✗ rate>1e6: ") || strings.Count(out, "█") == 0 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}

	// Batches in another protocol, and a request of one's own.
	code, out, errs = bench("--protocol", "v2-binary", "--rows", "100", "--requests", "50")
	if code != api.ExitOK || !strings.Contains(out, "v2-binary, closed loop, 4 connections") || !strings.Contains(out, " requests/s of 100 rows: ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	own := filepath.Join(t.TempDir(), "own.json")
	if err := os.WriteFile(own, []byte(exampleRow), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = bench("--path", "/predict", "--body", own, "--requests", "50", "--threshold", "errors<1")
	if code != api.ExitOK || !strings.Contains(out, "/predict, closed loop") || !strings.Contains(out, "50 answered, 0 failed") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}

	for _, tt := range []struct {
		args []string
		code api.ExitCode
		want string
	}{
		{[]string{"--features", "[1]"}, api.ExitUsage, "answers the first request with 422 Unprocessable Entity: body.features: expected 5"},
		{[]string{"--features", "[1"}, api.ExitUsage, "--features: a row is a JSON array"},
		{[]string{"--protocol", "v2", "--model", "fraud"}, api.ExitUsage, `There is no model "fraud"`},
		{[]string{"--protocol", "v3"}, api.ExitUsage, "is no protocol: use one of predict, v2, v2-binary, grpc, v1, invocations"},
		{[]string{"--protocol", "v2", "--server", "http://127.0.0.1:1"}, api.ExitUnreachable, "no serin server answers"},
		{[]string{"--path", "/predict"}, api.ExitUsage, "body"},
		{[]string{"--path", "/nowhere", "--body", rows}, api.ExitUsage, "answers the first request with 404 Not Found: "},
		{[]string{"--data", rows + "x"}, api.ExitUsage, "no such file"},
		{[]string{"--threshold", "p99<10"}, api.ExitUsage, "is no latency"},
		{[]string{"--connections", "0"}, api.ExitUsage, "0 connections: use 1 to 10000"},
		{[]string{"--server", "http://127.0.0.1:1"}, api.ExitUnreachable, "no serin server answers"},
		{[]string{"--server", "127.0.0.1"}, api.ExitUsage, "is no address of a server"},
	} {
		if code, out, errs := bench(tt.args...); code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit %d\n%s%s", tt.args, code, out, errs)
		}
	}
}
