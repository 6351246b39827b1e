package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestTheSeedsCurlLines builds the program, starts it in a folder that holds
// the two models, with no flags where its port is free, and runs the curl lines
// of the seed's scenarios as they stand, by bash.
func TestTheSeedsCurlLines(t *testing.T) {
	needs(t, "bash", "curl")
	dir := workplace(t)
	program := build(t)
	var flags []string
	if l, err := net.Listen("tcp", "127.0.0.1:8000"); err != nil {
		flags = []string{"--listen", "127.0.0.1:0"} // somebody else has the seed's port
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := start(t, program, dir, nil, flags...).mustBeReady()
	lines, err := os.ReadFile("testdata/seed.sh")
	if err != nil {
		t.Fatal(err)
	}
	script := string(lines)
	if flags != nil {
		script = strings.ReplaceAll(script, "http://localhost:8000", s.url)
	}
	// The answers are written one after the other; a marker ends each step.
	bash := exec.Command("bash", "-euo", "pipefail", "-c", script)
	bash.Dir = dir
	out, err := bash.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	steps := strings.Split(string(out), "--- ")[1:]
	answers := map[string][]map[string]any{}
	for _, step := range steps {
		name, body, _ := strings.Cut(step, "\n")
		decoder := json.NewDecoder(strings.NewReader(body))
		for decoder.More() {
			var answer map[string]any
			if err := decoder.Decode(&answer); err != nil {
				t.Fatalf("step %s: %v\n%s", name, err, body)
			}
			answers[name] = append(answers[name], answer)
		}
	}
	seedHolds(t, answers)
}

// seedHolds checks what the seed says about each answer.
func seedHolds(t *testing.T, answers map[string][]map[string]any) {
	t.Helper()
	one := func(step, key string, want any) {
		t.Helper()
		got := answers[step]
		if len(got) != 1 || got[0][key] != want {
			t.Errorf("step %s: %s is not %v in %v", step, key, want, got)
		}
	}
	split := func(step string, stable, canary int) {
		t.Helper()
		count := map[any]int{}
		for _, a := range answers[step] {
			if p, ok := a["probability"].(float64); !ok || p <= 0 || p >= 1 {
				t.Errorf("step %s: %v", step, a)
			}
			count[a["model_used"]]++
		}
		if count["stable"] != stable || count["canary"] != canary {
			t.Errorf("step %s: %v, want %d stable and %d canary", step, count, stable, canary)
		}
	}
	one("1.2 deploy", "phase", "canary")
	split("1.3 traffic", 180, 20)
	one("1.4 check", "alert_triggered", false)
	one("1.5 slowdown", "simulate_slowdown", true)
	split("1.6 traffic", 180, 20)
	one("1.7 check", "alert_triggered", true)
	if p := answers["1.7 check"][0]["p_value"].(float64); p >= 0.05 {
		t.Errorf("p_value is %v", p)
	}
	if a := answers["1.7 check"][0]; a["canary_avg_latency_ms"].(float64) < a["stable_avg_latency_ms"].(float64)+9 {
		t.Errorf("the averages do not show 20 ms in half of the canary's requests: %v", a)
	}
	one("1.8 rollback", "phase", "idle")
	split("1.9 confirm", 1, 0)
	one("1.9 confirm", "model_version", "model_v1")
	one("2.1 deploy", "phase", "canary")
	split("2.2 traffic", 180, 20)
	one("2.3 check", "alert_triggered", false)
	one("2.4 promote", "phase", "idle")
	split("2.5 confirm", 1, 0)
	one("2.5 confirm", "model_version", "model_v2")
}

// TestDemo, like the others that judge real latencies, runs alone.
func TestDemo(t *testing.T) {
	begun := time.Now()
	code, out, errs := command("demo")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	for _, want := range []string{"alert_triggered true", "180 answered by stable, 20 by the canary", "answered by model_v2 as stable", "Both scenarios ended as they should."} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
