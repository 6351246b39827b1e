// Command bench measures serin beside what one would otherwise run, on this
// machine, and writes docs/performance.md.
//
//	floor              this program again: net/http with a constant answer
//	serin              bin/serin serve, alone and with a canary      <--- bin/serin bench,
//	FastAPI            the same service in Python, in two ways             in turns
//	MLServer, BentoML  model servers in Python
//	ONNX Runtime       behind a bare ASGI function
//
// All services run at once on this machine and take turns under the same load.
// A round has three phases: as much as 16 connections get, as much as 64 get, and
// half of the former at fixed times. In each phase serin and the floor are measured
// in slices of a second, in an order that rotates and then backwards, so that a
// machine that gets slower or busier does so for all of them:
//
//	floor  serin  canary | canary  serin  floor       the next round begins with serin
//
// What is told is the median over the rounds, of values and of the ratios within a
// round, and of latencies the quantiles of all rounds together, each with how far
// it goes when rounds are drawn again and again from those that were measured. The
// slow services, whose numbers need less care, take part in every fifth round.
//
// After that come batches: serin on one processor, over gRPC and in binary tensors,
// beside the model alone on one processor.
//
// Two things to know when reading the page. The load generator shares the machine's
// processors with the service, which costs the faster service more. And the services
// in Python run as one process, since that is how they start, while serin uses every
// core; the CPU time per prediction does not depend on that.
//
// What may not happen: load on any address but loopback, a run without an end, a
// service that outlives this program, or a number made from errors: a measurement
// with one is made again, and a second one ends the run. A service that cannot be
// installed or started is left out, and the page says so.
//
// Use: go run ./bench, in the repository's root; -short tries it in two minutes
// and writes nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are what a run is made of.
type settings struct {
	rounds   int
	slice    time.Duration // how long a fast service is measured at a time, twice a round
	duration time.Duration // and a slow one, once
	starts   int           // of serin, to see how long they take
	short    bool
}

// sparse is how often the slow services are measured: in every fifth round.
const sparse = 5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		err = errors.New("called off, and everything that was started has ended")
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 2 && args[0] == "floor" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", args[1])
		if err != nil {
			return err
		}
		return serveFloor(ctx, l)
	}
	s := settings{starts: 9, slice: time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.BoolVar(&s.short, "short", false, "try it: one round of a second each; print the page and write nothing")
	flags.IntVar(&s.rounds, "rounds", 15, "how often the fast services are measured, twice a second each, 1 to 100; the slow ones in every fifth round")
	flags.DurationVar(&s.duration, "duration", 2*time.Second, "how long a measurement of the slow ones and of batches takes, 1s to 1m")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.short {
		s.rounds, s.duration, s.starts = 1, time.Second, 3
	}
	if s.rounds < 1 || s.rounds > 100 || s.duration < time.Second || s.duration > time.Minute || flags.NArg() > 0 {
		return errors.New("a setting is out of its range; see bench -help")
	}
	p, err := measureAll(ctx, s, &reporter{out: progress, begun: time.Now()})
	if err != nil {
		return err
	}
	if s.short {
		p.write(out)
		return nil
	}
	return p.save("docs")
}

// measureAll sets everything up, measures it and takes it down.
func measureAll(ctx context.Context, s settings, tell *reporter) (p *page, err error) {
	load := loadAverage() // before setting up, which makes a load of its own
	kit, err := setUp(ctx, tell)
	if err != nil {
		return nil, err
	}
	p = &page{settings: s, machine: describeMachine(ctx, kit, load), absent: kit.absent}
	plans := kit.plans()
	if p.starts, err = measureStarts(ctx, plans[serin], s.starts, tell); err != nil {
		return nil, err
	}
	services, err := startAll(ctx, plans, kit, tell)
	defer func() { err = errors.Join(err, stopAll(services)) }()
	if err != nil {
		return nil, err
	}
	p.absent = kit.absent
	if p.services, err = takeTurns(ctx, s, kit, services, tell); err != nil {
		return nil, err
	}
	if err := stopAll(services); err != nil { // batches have the machine for themselves
		return nil, err
	}
	p.batches, err = measureBatches(ctx, s, kit, tell)
	p.repeated, p.took = kit.repeated, time.Since(tell.begun)
	return p, err
}

// reporter tells how far the run is.
type reporter struct {
	out   io.Writer
	begun time.Time
}

func (r *reporter) say(format string, args ...any) {
	fmt.Fprintf(r.out, "%5.0fs  %s\n", time.Since(r.begun).Seconds(), fmt.Sprintf(format, args...))
}
