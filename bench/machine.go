package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// machine is what the numbers are measured on and with.
type machine struct {
	processor string
	cores     int
	system    string // as uname says it
	memory    string
	load      float64 // the load average before anything was started; 0 where nobody tells
	date      string
	versions  []string
}

// busy says whether others had so much to do that the numbers tell of them.
func (m *machine) busy() bool { return m.load > float64(m.cores)/2 }

// loadAverage is that of the last minute; 0 where nobody tells.
func loadAverage() (load float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load)
	}
	return load
}

func describeMachine(ctx context.Context, k *kit, load float64) machine {
	m := machine{
		processor: field("/proc/cpuinfo", "model name", "a processor without a name"), cores: runtime.NumCPU(),
		system: output(ctx, runtime.GOOS, "uname", "-srm"), memory: "unknown memory", load: load,
		date: time.Now().UTC().Format(time.DateOnly),
		versions: []string{
			"serin " + strings.TrimPrefix(output(ctx, "of an unknown version", k.serin(), "--version"), "serin version "),
			strings.Replace(runtime.Version(), "go", "Go ", 1),
		},
	}
	var kilobytes float64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal", ""), &kilobytes); err == nil {
		m.memory = fmt.Sprintf("%.0f GiB", kilobytes/(1<<20))
	}
	for _, e := range environments {
		python := k.pythons[e.name]
		if python == "" {
			continue
		}
		const list = "import sys, platform; from importlib.metadata import version; print('Python', platform.python_version(), 'with', ', '.join(p + ' ' + version(p) for p in sys.argv[1:]))"
		m.versions = append(m.versions, output(ctx, e.name+": unknown versions", python, append([]string{"-c", list}, strings.Fields(e.packages)...)...))
	}
	return m
}

// output is what a program says, in one line, or otherwise.
func output(ctx context.Context, otherwise, program string, arguments ...string) string {
	said, err := exec.CommandContext(ctx, program, arguments...).Output()
	if err != nil {
		return otherwise
	}
	return strings.TrimSpace(string(said))
}

// field is the value of the first line "name : value" of a file.
func field(path, name, otherwise string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}
