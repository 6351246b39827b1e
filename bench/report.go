package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// serinRow is serin's place among the plans: the others are divided by it.
const serinRow = 1

// printReport writes the table in Markdown: medians over the rounds.
func printReport(out io.Writer, s settings, machine string, services []*service, measured [][]result) {
	fmt.Fprintf(out, "| POST /predict | requests/s | p50 ms | p99 ms | serin's rate over this one |\n|---|--:|--:|--:|--:|\n")
	for i, rounds := range measured {
		fmt.Fprintf(out, "| %s | %.0f | %.2f | %.2f | %s |\n", services[i].name,
			medianOf(rounds, func(r *result) float64 { return r.rate() }),
			medianOf(rounds, func(r *result) float64 { return milliseconds(r.quantile(0.50)) }),
			medianOf(rounds, func(r *result) float64 { return milliseconds(r.quantile(0.99)) }),
			ratio(i, measured))
	}
	requests := 0
	for _, rounds := range measured {
		for i := range rounds {
			requests += len(rounds[i].latencies)
		}
	}
	fmt.Fprintf(out, "\nMedians over %d rounds of %v each, in turns; %d keep-alive connections in a closed loop, on the same cores as the\n"+
		"service; a canary with 10 %% live in serin and in Python; Python in one process, where its state is. %d requests, none failed. %s.\n",
		s.rounds, s.duration, s.connections, requests, machine)
}

// ratio says by what factor serin is faster than row i: the median over the
// rounds of the quotient within a round, so that what slows a round slows both,
// and the least and the greatest of them, which show how far to trust it.
func ratio(i int, measured [][]result) string {
	if i == serinRow {
		return ""
	}
	quotients := make([]float64, len(measured[i]))
	for round := range quotients {
		quotients[round] = measured[serinRow][round].rate() / measured[i][round].rate()
	}
	return fmt.Sprintf("%.3g (%.3g to %.3g)", median(quotients), slices.Min(quotients), slices.Max(quotients))
}

func medianOf(rounds []result, value func(*result) float64) float64 {
	values := make([]float64, len(rounds))
	for i := range rounds {
		values[i] = value(&rounds[i])
	}
	return median(values)
}

// median sorts its argument. There must be a value.
func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// describeMachine names what the numbers are measured on, and how busy it is
// with other things; call it before anything is started.
func describeMachine(ctx context.Context, s settings) string {
	const versions = `
import platform, fastapi, sklearn, uvicorn
print("Python", platform.python_version() + ", scikit-learn", sklearn.__version__ + ", FastAPI", fastapi.__version__ + ", uvicorn", uvicorn.__version__)`
	python, err := exec.CommandContext(ctx, s.python, "-c", versions).Output()
	if err != nil {
		python = []byte("Python of an unknown version")
	}
	return fmt.Sprintf("%d cores of %s, load average before the run %s; %s %s/%s; %s",
		runtime.NumCPU(), processor(), loadAverage(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.TrimSpace(string(python)))
}

// processor is the CPU's name where the kernel tells it.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "a processor without a name"
}

// loadAverage is the mean number of busy tasks of the last minute, where the
// kernel tells it.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}
