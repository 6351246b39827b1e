package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// page is everything that was measured.
type page struct {
	settings settings
	machine  machine
	absent   []absence
	repeated []string  // what was measured again, and why
	starts   []float64 // of serin, ms
	services []*series
	batches  []batch
	took     time.Duration
}

// plot is a picture and where it goes, below docs/plots.
type plot struct{ name, svg string }

// save writes the page and its plots below a folder.
func (p *page) save(docs string) error {
	var text bytes.Buffer
	p.write(&text)
	if err := os.WriteFile(filepath.Join(docs, "performance.md"), text.Bytes(), 0o600); err != nil {
		return err
	}
	for _, plot := range p.plots() {
		if err := os.WriteFile(filepath.Join(docs, "plots", plot.name), []byte(plot.svg), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// write is the page, in Markdown.
func (p *page) write(w io.Writer) {
	m, s := p.machine, p.settings
	fmt.Fprint(w, "# How fast\n\n")
	if s.short {
		fmt.Fprint(w, "**A short run, to try the command: one round of a second each. These numbers say nothing.**\n\n")
	}
	if m.busy() {
		fmt.Fprint(w, "**The machine was busy with other things before the run: these numbers tell as much of those. Run it again.**\n\n")
	}
	fmt.Fprintf(w, `Written by `+"`go run ./bench`"+` on %s, in %.0f minutes: %d cores of %s, %s, %s; load average before the run %.2f.

- %s

The services take turns under the same load, over loopback, on the processors that the load generator (`+"`serin bench`"+`) uses, too, which
costs the fastest most. Those in Python run as one process, as they start; serin and the floor use all cores. Medians over %d rounds, in each
of which serin and the floor have two slices of %v for each measurement, one after the other and then backwards; those in Python
have %v in each of %d rounds. Ratios are taken within a round. Latencies are those of all rounds together. In brackets are the ends
between which 95 %% of the numbers are that come from rounds drawn from those that were measured.
`, m.date, p.took.Minutes(), m.cores, m.processor, m.system, m.memory, m.load, strings.Join(m.versions, "\n- "), s.rounds, s.slice, s.duration, (s.rounds+sparse-1)/sparse)
	for _, a := range p.absent {
		fmt.Fprintf(w, "\nLeft out: %s (%s).\n", a.name, a.why)
	}
	for _, why := range p.repeated {
		fmt.Fprintf(w, "\nMeasured again: %s.\n", why)
	}
	p.writeClaims(w)
	p.writeServices(w)
	p.writeLatency(w)
	p.writeBatches(w)
	p.writeMethod(w)
}

func (p *page) writeClaims(w io.Writer) {
	fmt.Fprint(w, "\n## What must hold\n\n| | must be | measured | |\n|---|--:|--:|---|\n")
	for _, c := range p.claims() {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", c.what, c.wanted(), c.measured(), c.verdict())
	}
}

func (p *page) writeServices(w io.Writer) {
	fmt.Fprint(w, "\n## One row a request\n\n![requests a second](plots/performance-throughput.svg)\n\n"+
		"| | requests/s, 16 connections | 64 connections | serin over it, 16 | CPU s per million | MB, idle | MB, 64 connections | ms to first prediction |\n"+
		"|---|--:|--:|--:|--:|--:|--:|--:|\n")
	rate := func(l *loaded) float64 { return l.Rate }
	for i, s := range p.services {
		over, every, ours := "", 1, p.services[serin]
		if s.slow {
			every = sparse
		}
		if s.slow && s.canary {
			ours = p.services[withCanary]
		}
		if i != serin {
			over = spread(ratios(ours.few, s.few, every, rate), "")
		}
		took := float64(s.took.Microseconds()) / 1000
		if i == serin {
			took = median(p.starts)
		}
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %s | %s | %.0f | %.0f | %.0f |\n", s.name, median(values(s.few, rate)), median(values(s.many, rate)), over,
			digits(median(s.cpu)), megabytes(s.idle), megabytes(s.rss), took)
	}
	fmt.Fprint(w, "\n![CPU](plots/performance-cpu.svg)\n\n![memory](plots/performance-memory.svg)\n")
}

func (p *page) writeLatency(w io.Writer) {
	fmt.Fprint(w, "\n## Latency at half load\n\nEach at half of what it can do, an open loop: requests come at fixed times, and a latency is counted from when its request was due.\n\n"+
		"![latency](plots/performance-latency.svg)\n\n| | requests/s | p50 ms | p99 ms | p99.9 ms |\n|---|--:|--:|--:|--:|\n")
	row := func(name string, rate float64, runs []*loaded) {
		if len(runs) > 0 {
			p50, p99, p999 := percentiles(runs)
			fmt.Fprintf(w, "| %s | %.0f | %.2f | %.2f | %.2f |\n", name, rate, p50, p99, p999)
		}
	}
	for _, s := range p.services {
		row(s.name, s.rate, s.half)
		row("the floor at that rate", s.rate, s.floorHalf)
	}
}

// percentiles are those of all rounds together, in milliseconds.
func percentiles(runs []*loaded) (p50, p99, p999 float64) {
	if len(runs) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	all := merged(runs)
	ms := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1e6 }
	return ms(50), ms(99), ms(99.9)
}

func (p *page) writeBatches(w io.Writer) {
	if len(p.batches) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Batches of %d rows and 20 features\n\nRows a second, each side on one processor: the model alone in its own process, and serin (`GOMAXPROCS=1`) behind %d connections\n"+
		"whose client has the other processors. The model's share of serin's CPU does not depend on the client.\n", batchRows, batchConnections)
	for _, b := range p.batches {
		if b.light() {
			fmt.Fprintf(w, "\nA %s answers %d rows of 20 features in %d µs. A batch is 160 kB, and no socket hands that over in this time: so of it\n"+
				"nothing is claimed. The 0.8 is for models whose work is more than that of the transport.\n", strings.ReplaceAll(b.model, "-", " "), batchRows, b.alone().Microseconds())
		}
	}
	fmt.Fprint(w, "\n![rows a second](plots/performance-batches.svg)\n\n"+
		"| | the model alone | gRPC | of it | the model's share of serin's CPU | V2 binary | of it | the model's share of serin's CPU |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, b := range p.batches {
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %s | %s | %.0f | %s | %s |\n", b.model, median(b.bare),
			median(b.grpc), spread(quotients(b.grpc, b.bare), ""), spread(quotients(b.grpcCPU, b.bare), ""),
			median(b.plain), spread(quotients(b.plain, b.bare), ""), spread(quotients(b.plainCPU, b.bare), ""))
	}
}

func (p *page) writeMethod(w io.Writer) {
	fmt.Fprint(w, `
## What was measured

- All answer the probability of `+"`models/model_v1.joblib`"+` for one row of five numbers, as JSON: `+"`POST /predict`"+`, and MLServer its own
  protocol (V2). ONNX Runtime has it converted to float32.
- The floor is net/http with serin's limits and serin's room between two garbage collections: it reads the body and answers a constant.
- serin with a canary: a tenth of the requests goes to another version, the monitor looks every ten seconds, `+"`/metrics`"+` is read every
  second. FastAPI is the service that the seed of this project describes, with its canary, in one process, since its state is there.
- MLServer has no worker process, which is its faster way for a small model; BentoML has one worker and no access log. BentoML was taken
  and not LitServe because it is the one that is asked about more often.
- ONNX Runtime stands behind one ASGI function without a framework, on uvicorn with uvloop and httptools.
- CPU is that of the service and its descendants in /proc, while 16 connections ask as fast as they are answered; memory is resident, the
  largest seen ten times a second, and what processes share is counted for each. A start is from exec to the first answer, with a new state
  directory; of serin the median of several.
- No request that is counted here failed: a measurement with an error is made again, which is told above, and a second error ends the run.
`)
}

// plots are the page's pictures.
func (p *page) plots() []plot {
	rate := func(l *loaded) float64 { return l.Rate }
	throughput := chart{title: "Requests a second", marks: []string{"16 connections", "64 connections"}}
	latency := chart{title: "Latency at half load, ms", logarithmic: true, marks: []string{"p50", "p99", "p99.9"}}
	cpu := chart{title: "CPU seconds per million predictions", logarithmic: true, marks: []string{"16 connections"}}
	memory := chart{title: "Resident memory, MB", marks: []string{"idle", "64 connections"}}
	for _, s := range p.services {
		p50, p99, p999 := percentiles(s.half)
		throughput.add(s.name, median(values(s.few, rate)), median(values(s.many, rate)))
		latency.add(s.name, p50, p99, p999)
		cpu.add(s.name, median(s.cpu))
		memory.add(s.name, megabytes(s.idle), megabytes(s.rss))
	}
	all := []plot{
		{"performance-throughput.svg", throughput.svg()}, {"performance-latency.svg", latency.svg()},
		{"performance-cpu.svg", cpu.svg()}, {"performance-memory.svg", memory.svg()},
	}
	if len(p.batches) > 0 {
		batches := chart{title: "Rows a second, batches of 1,000", logarithmic: true, marks: []string{"alone", "gRPC", "V2 binary"}}
		for _, b := range p.batches {
			batches.add(b.model, median(b.bare), median(b.grpc), median(b.plain))
		}
		all = append(all, plot{"performance-batches.svg", batches.svg()})
	}
	return all
}
