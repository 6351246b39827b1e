// Command replicas measures what several serins on one PostgreSQL do, and what the
// database has to do for them. It writes docs/scaling.md's tables:
//
//	throughput  predictions of a replica on PostgreSQL beside one on SQLite, in turns
//	traffic     bytes and statements to the store, with 1 and 10 models, idle and busy
//	arrival     how long after its acknowledgement a rollback is in force everywhere
//	failover    how long after the promotion of a standby commands are carried out
//	scale       one to ten replicas: predictions, traffic, the database's CPU and memory
//	crowd       a thousand further connections that hear of every commit
//
// All are real: PostgreSQL from the system's programs, the built binary in processes
// of their own, and in between a tap for each replica that counts what goes over the
// wire:
//
//	callers ──> serin ──> tap ──> PostgreSQL (──> its synchronous standby)
//	        ──> serin ──> tap ──┘
//
// All of them share the machine's cores with the callers. Each part begins with what
// must hold; the exit code is 1 if something does not.
//
// What may not happen here: load on any address but those that were started for it,
// a run without an end, a request that is tried again, a number of an earlier run
// beside one of this.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"serin/test/program"
)

// settings are what a run is made of.
type settings struct {
	serin     string // the binary; empty to build it
	parts     []string
	short     bool
	pairs     int           // of slices on both stores
	slice     time.Duration // how long one is
	window    time.Duration // how long traffic is counted: whole looks, which come every ten seconds, and enough of them that one more is little
	rollbacks int
	failovers int
	replicas  []int // how many there are in turn
	rate      int   // predictions/s of all of them
	listeners int   // of the crowd
	progress  io.Writer
	workplace string
}

var parts = []string{"throughput", "traffic", "arrival", "failover", "scale", "crowd"}

// limit ends a run that does not end by itself.
const limit = 10 * time.Minute

func main() { os.Exit(program.Main("replicas", run)) }

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	s, page, err := parse(args, progress)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	blocks, err := measure(ctx, s)
	for _, b := range blocks { // also of those before one that failed
		fmt.Fprintf(out, "%s\n\n%s\n", b.name, b.String())
	}
	if err == nil && page != "" {
		err = write(page, blocks)
	}
	return errors.Join(err, holds(blocks))
}

// parse reads the command line; page is the file to write into, "" for none.
func parse(args []string, progress io.Writer) (s settings, page string, err error) {
	s = settings{pairs: 20, slice: 2 * time.Second, window: 60 * time.Second, rollbacks: 100, failovers: 10, rate: 300, listeners: thousand, progress: progress}
	var only, counts string
	flags := flag.NewFlagSet("replicas", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.serin, "serin", "", "the serin binary (default: built for the run)")
	flags.StringVar(&only, "only", strings.Join(parts, ","), "which parts to run")
	flags.StringVar(&page, "write", "", "a page whose tables are written anew, between their markers")
	flags.BoolVar(&s.short, "quick", false, "a short run, to try the command")
	flags.StringVar(&counts, "counts", "1,2,5,10", "how many replicas there are in turn, each 1 to 100")
	if err := flags.Parse(args); err != nil {
		return s, "", err
	}
	s.parts = strings.Split(only, ",")
	if i := slices.IndexFunc(s.parts, func(p string) bool { return !slices.Contains(parts, p) }); i >= 0 {
		return s, "", fmt.Errorf("there is no part %q; there are %s", s.parts[i], strings.Join(parts, ", "))
	}
	if s.short {
		s.pairs, s.slice, s.window, s.rollbacks, s.failovers, s.listeners, counts = 2, 500*time.Millisecond, 3*time.Second, 3, 1, 50, "1,3"
	}
	for text := range strings.SplitSeq(counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return s, "", fmt.Errorf("%q replicas: a count is a number from 1 to 100", text)
		}
		s.replicas = append(s.replicas, n)
	}
	return s, page, nil
}

// measure runs the parts, each with processes of its own. With an error there are the
// blocks of the parts before it.
func measure(ctx context.Context, s settings) (blocks []*block, err error) {
	if s.workplace, err = os.MkdirTemp("", "serin-replicas-"); err != nil {
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
	all := map[string]func(context.Context, *block) error{
		"throughput": s.throughput, "traffic": s.traffic, "arrival": s.arrival, "failover": s.failover, "scale": s.scale, "crowd": s.crowd,
	}
	for _, part := range s.parts {
		b := &block{name: part}
		b.begin(s.short)
		began := time.Now()
		if err := all[part](ctx, b); err != nil {
			return blocks, fmt.Errorf("%s: %w", part, errors.Join(err, ctx.Err()))
		}
		fmt.Fprintf(s.progress, "%s: %.0f s\n", part, time.Since(began).Seconds())
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// until polls for what must come soon.
func until(ctx context.Context, what string, holds func() bool) error {
	const patience = 30 * time.Second
	for end := time.Now().Add(patience); !holds(); pause(ctx, 2*time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("%v have passed, and still not: %s", patience, what)
		}
	}
	return nil
}
