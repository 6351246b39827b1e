// Command limits takes the built binary to its limits and says whether it holds
// what is promised there:
//
//	memory     resident memory, idle and with 64 connections as fast as they can
//	crowd      10,000 idle keep-alive connections, and 1,000 requests/s beside them
//	slow       2,000 clients that send a byte a second or never read, and healthy ones
//	overload   twice as many requests as can be answered, for two minutes
//
// Each part starts a server of its own on loopback. The generator shares the
// machine's cores with it. Where the server must be the bottleneck, in the
// overload, a request is therefore cheap to send and dear to answer: 500 rows for
// a boosted forest that is made for the run, of which only the classes are asked
// back. It takes milliseconds of the server's time, nearly all of them behind the
// gate, and some fifty microseconds of the generator's. What the generator sent
// too late is printed; much of it spoils the run.
//
// Requests of an open loop are sent when they are due, whatever became of those
// before them, and their latency counts from then.
//
// What may not happen here: load on any address but that of the server that was
// started for it, a run without an end, a number that comes from another run.
//
// The exit code is 1 if something that must hold does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"serin/test/program"
)

// settings are what a run is made of.
type settings struct {
	serin     string // the binary; empty to build it
	parts     []string
	saturate  time.Duration // how long 64 connections are as fast as they can
	idle      int           // connections of the crowd
	crowd     time.Duration // how long the requests beside it go on
	slow      int           // slow clients
	peak      time.Duration // how long the peak is measured
	overload  time.Duration
	rate      float64       // requests/s of the overload; 0 for twice the peak
	patience  time.Duration // the server's --queue-timeout
	progress  io.Writer
	workplace string
}

var parts = []string{"memory", "crowd", "slow", "overload"}

func main() { os.Exit(program.Main("limits", run)) }

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s := settings{progress: progress}
	var only string
	flags := flag.NewFlagSet("limits", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.serin, "serin", "", "the serin binary (default: built for the run)")
	flags.StringVar(&only, "only", strings.Join(parts, ","), "which parts to run")
	flags.DurationVar(&s.saturate, "saturate", 15*time.Second, "how long 64 connections are as fast as they can, up to 5m")
	flags.IntVar(&s.idle, "idle", 10_000, "idle keep-alive connections, 1 to 20000")
	flags.DurationVar(&s.crowd, "crowd", 30*time.Second, "how long 1,000 requests/s go on beside them, up to 1m (then the server closes idle connections)")
	flags.IntVar(&s.slow, "slow", 2000, "slow clients, 3 to 10000")
	flags.DurationVar(&s.peak, "peak", 15*time.Second, "how long the peak is measured before the overload, up to 5m")
	flags.DurationVar(&s.overload, "overload", 2*time.Minute, "how long the overload lasts, up to 10m")
	flags.Float64Var(&s.rate, "rate", 0, "requests/s of the overload, up to 20000 (default: twice the peak, which a busy machine puts too low)")
	flags.DurationVar(&s.patience, "queue-timeout", time.Second, "the server's --queue-timeout, which bounds the latency of what is accepted")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s.parts = strings.Split(only, ",")
	unknown := slices.ContainsFunc(s.parts, func(p string) bool { return !slices.Contains(parts, p) })
	if unknown || s.idle < 1 || s.idle > 20_000 || s.slow < 3 || s.slow > 10_000 || min(s.saturate, s.crowd, s.peak, s.overload, s.patience) <= 0 ||
		max(s.saturate, s.peak) > 5*time.Minute || s.crowd > time.Minute || s.overload > 10*time.Minute ||
		!(s.rate >= 0 && s.rate <= 20_000) {
		return errors.New("a setting is out of its range; see limits -help")
	}
	r, err := measure(ctx, s)
	if err != nil {
		return err
	}
	r.print(out)
	return r.holds()
}

// measure runs the parts, each with a server of its own.
func measure(ctx context.Context, s settings) (r *report, err error) {
	if s.workplace, err = os.MkdirTemp("", "serin-limits-"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.workplace)) }()
	if s.serin == "" {
		if s.serin, err = program.Build(ctx, s.workplace); err != nil {
			return nil, err
		}
	}
	if err := program.Workplace(ctx, s.workplace); err != nil {
		return nil, err
	}
	r = &report{}
	for _, part := range s.parts {
		fmt.Fprintf(s.progress, "%s ...\n", part)
		if err := s.with(ctx, part, r); err != nil {
			return nil, fmt.Errorf("%s: %w", part, err)
		}
	}
	return r, nil
}

// with runs one part with its server.
func (s *settings) with(ctx context.Context, part string, r *report) (err error) {
	flags := []string{"--data", "data-" + part, "--queue-timeout", s.patience.String()}
	if part == "overload" {
		for seed, name := range forests {
			if err := writeForest(filepath.Join(s.workplace, name), uint64(seed)); err != nil {
				return err
			}
		}
		flags = append(flags, "--model", forests[0])
	}
	server, err := program.Start(ctx, s.serin, s.workplace, flags...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	return map[string]func(context.Context, *program.Server, *report) error{
		"memory": s.memory, "crowd": s.withCrowd, "slow": s.withSlow, "overload": s.withOverload,
	}[part](ctx, server, r)
}
