package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"serin/cmd/serin/term"
)

// TestEveryOutputIsData runs each command that has --output for programs, and keeps
// the names that its answer has: scripts go by them. Where a command changes
// nothing, JSON and YAML must say the same.
func TestEveryOutputIsData(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	var all strings.Builder
	folder, tried := t.TempDir(), map[string]bool{}
	names := func(args ...string) string {
		t.Helper()
		code, out, errs := command(args...)
		var v any
		var err error
		if slices.Contains(args, "json") {
			err = json.Unmarshal([]byte(out), &v)
		} else {
			err = yaml.Unmarshal([]byte(out), &v)
		}
		if err != nil || v == nil {
			t.Fatalf("serin %v: exit %d, %v\n%s%s", args, code, err, out, errs)
		}
		found := map[string]bool{}
		namesIn("", v, found)
		return strings.Join(slices.Sorted(maps.Keys(found)), "\n") + "\n"
	}
	of := func(line string) string {
		t.Helper()
		args := strings.Fields(strings.NewReplacer("FOLDER", folder, "DATA", filepath.Join(dir, "serin-data")).Replace(line))
		tried[args[0]] = true
		if cmd, _, _ := newRoot(term.Console{Out: io.Discard, Err: io.Discard}).Find(args[:1]); cmd.Flags().Lookup("server") != nil {
			args = append(args, "--server", s.url)
		}
		got := names(append(args, "--output", "yaml")...)
		fmt.Fprintf(&all, "$ serin %s\n%s\n", line, got)
		return got
	}
	both := func(line string) {
		t.Helper()
		want := of(line)
		args := append(strings.Fields(line), "--output", "json")
		if cmd, _, _ := newRoot(term.Console{Out: io.Discard, Err: io.Discard}).Find(args[:1]); cmd.Flags().Lookup("server") != nil {
			args = append(args, "--server", s.url)
		}
		if got := names(args...); got != want {
			t.Errorf("serin %s: JSON has\n%s\nand YAML\n%s", line, got, want)
		}
	}
	of("deploy models/model_v2.joblib --weight 50%")
	s.traffic(60)
	for _, line := range []string{
		"status", "check", "history", "webhooks", "top --once", "report r1", "explain r1", "wait --timeout 1ms", "power",
		"inspect ../../models/model_v1.joblib", "judge --stable testdata/judge-stable.csv --canary testdata/judge-canary.csv",
		"simulate --runs 2 --period 3m", "bench --requests 3 --warm-up 0s --connections 1",
	} {
		both(line)
	}
	of("train --dir FOLDER")
	of("backup FOLDER/copy --data DATA")
	of("restore FOLDER/copy --dry-run")
	of("doctor --data DATA")
	of("weight 25%")
	of("slowdown on")
	of("rollback")
	of("promote") // which is an error
	for _, cmd := range newRoot(term.Console{Out: io.Discard, Err: io.Discard}).Commands() {
		if has(cmd) && !tried[cmd.Name()] && cmd.Name() != "watch" { // which does not end; it has a test of its own
			t.Errorf("serin %s has --output and is not tried", cmd.Name())
		}
	}
	golden(t, "output.golden", all.String())
}

func has(cmd *cobra.Command) bool { return cmd.Flags().Lookup("output") != nil }

// namesIn collects the names of an answer, with those around them.
func namesIn(at string, v any, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			found[at+name] = true
			namesIn(at+name+".", part, found)
		}
	case []any:
		for _, part := range v {
			namesIn(strings.TrimSuffix(at, ".")+"[].", part, found)
		}
	}
}
