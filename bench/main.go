// Command bench measures POST /predict of serin beside the same service written
// in Python, as the seed describes it, and beside a floor: a net/http handler
// that answers a constant.
//
//	floor    this program again, with the argument "floor"
//	serin    bin/serin serve                                  <--- one load,
//	python   uvicorn fastapi_service.main:app                      in turns
//
// All services run at once on this machine, each with a canary live, and take
// turns under the same load: a closed loop of some keep-alive connections, each
// of which sends the next request when the last is answered. The order rotates
// from round to round, so that a machine that gets slower or busier does so for
// all of them. What is printed is the median over the rounds.
//
// Two things to know when reading the table. The load generator shares the
// machine's cores with the service, which costs the faster service more. And
// Python runs as one process, because its state lives in the process, while
// serin uses every core. A busy machine makes every number worthless, so the
// load average from before the run is printed with them.
//
// What may not happen: load on any address but loopback, a run without an end,
// or a table made from errors: a request that fails, a canary that gets no
// traffic or far more than its share ends the run with a message.
//
// bench/run.sh makes what is needed and starts this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// settings are what a run is made of.
type settings struct {
	serin       string // the built binary
	python      string // an interpreter that has fastapi_service/requirements.txt
	rounds      int
	connections int
	duration    time.Duration // of one service in one round
	warmUp      time.Duration // of each service, before the first round
}

// maxRequests bounds a round by count, beside its bound in time.
const maxRequests = 2_000_000

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 2 && args[0] == "floor" {
		return serveFloor(ctx, args[1])
	}
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.serin, "serin", "bin/serin", "the serin binary")
	flags.StringVar(&s.python, "python", "bin/bench-venv/bin/python", "a Python with bench/fastapi_service/requirements.txt")
	flags.IntVar(&s.rounds, "rounds", 5, "how often each service is measured, 1 to 100")
	flags.IntVar(&s.connections, "connections", 16, "keep-alive connections, 1 to 1000")
	flags.DurationVar(&s.duration, "duration", 5*time.Second, "how long each service is measured in a round, up to 1m")
	flags.DurationVar(&s.warmUp, "warm-up", 2*time.Second, "how long each service is warmed, up to 1m")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.rounds < 1 || s.rounds > 100 || s.connections < 1 || s.connections > 1000 ||
		min(s.duration, s.warmUp) <= 0 || max(s.duration, s.warmUp) > time.Minute {
		return errors.New("a setting is out of its range; see bench -help")
	}
	return compare(ctx, s, out, progress)
}

// compare starts the services, measures them and stops them.
func compare(ctx context.Context, s settings, out, progress io.Writer) error {
	machine := describeMachine(ctx, s)
	services, err := startAll(ctx, s, progress)
	if err == nil {
		err = takeTurns(ctx, s, machine, services, out, progress)
	}
	for _, service := range services {
		err = errors.Join(err, service.stop())
	}
	return err
}

// takeTurns measures each service once a round and prints the table.
func takeTurns(ctx context.Context, s settings, machine string, services []*service, out, progress io.Writer) error {
	measured := make([][]result, len(services))
	for round := range s.rounds {
		for turn := range services {
			i := (round + turn) % len(services)
			r, err := measure(ctx, services[i], s.connections, s.duration)
			if err != nil {
				return err
			}
			measured[i] = append(measured[i], r)
			fmt.Fprintf(progress, "round %d of %d: %-28s %8.0f requests/s\n", round+1, s.rounds, services[i].name, r.rate())
		}
	}
	printReport(out, s, machine, services, measured)
	return nil
}

// startAll starts each service, gives it its canary and warms it. It returns
// those that run even if another one fails, so that they can be stopped.
func startAll(ctx context.Context, s settings, progress io.Writer) ([]*service, error) {
	var running []*service
	for _, plan := range plans(s) {
		fmt.Fprintf(progress, "starting %s\n", plan.name)
		started, err := start(ctx, plan)
		if err != nil {
			return running, err
		}
		running = append(running, started)
		if plan.canary {
			if err := started.deployCanary(ctx); err != nil {
				return running, err
			}
		}
		if _, err := measure(ctx, started, s.connections, s.warmUp); err != nil {
			return running, fmt.Errorf("warming: %w", err)
		}
	}
	return running, nil
}

// measure puts one service under load and refuses a result that measured
// something else than predictions split between stable and canary.
func measure(ctx context.Context, s *service, connections int, duration time.Duration) (result, error) {
	l := load{addr: s.addr, request: predictRequest(s.addr), connections: connections, duration: duration, maxRequests: maxRequests}
	r, err := l.run(ctx)
	if err != nil {
		return r, fmt.Errorf("measuring %s: %w", s.name, err)
	}
	if r.errors > 0 || len(r.latencies) == 0 {
		return r, fmt.Errorf("measuring %s: %d of %d requests failed, first: %w", s.name, r.errors, r.errors+len(r.latencies), r.firstError)
	}
	if share := r.canaryShare(); s.canary && (share < 0.05 || share > 0.15) {
		return r, fmt.Errorf("measuring %s: the canary answered %.1f %% of the requests instead of about 10 %%", s.name, 100*share)
	}
	return r, nil
}
