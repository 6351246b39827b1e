// Command swaps deploys, rolls back and promotes under full load, and looks at
// every answer meanwhile:
//
//	HTTP/1.1 ──┐  closed loops             ┌── deploy the other version, roll it back,
//	HTTP/2   ──┼────────────> serin <──────┤   deploy it again, promote it: a round
//	gRPC     ──┘                           └── pauses as long as the rounds took
//
// What must hold: no request fails, and each answer is the one that the version
// which it names gives, from an arm that was live at some moment between the
// request and its answer. What is printed besides are latencies with and without
// swaps, taken in turns so that a machine that gets busier does so for both.
//
// The load shares the machine's cores with the server, so the server is always
// busy; on a machine with other work the latencies are worthless, and the answers
// must hold all the same. Admin calls come every 100 ms: one right after the other
// they would take a good part of a core from the server, and what was measured
// would be that.
//
// What may not happen here: load on any address but the server's that was started
// for it, a run without an end, a request that is tried again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"serin/test/program"
)

// settings are what a run is made of.
type settings struct {
	serin       string        // the binary; empty to build it
	rounds      int           // each has two deploys, a rollback and a promotion
	blocks      int           // the rounds come in so many blocks, with a pause after each
	connections int           // of each protocol
	every       time.Duration // at least, from one admin call to the next
}

func main() { os.Exit(program.Main("swaps", run)) }

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("swaps", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.serin, "serin", "", "the serin binary (default: built for the run)")
	flags.IntVar(&s.rounds, "rounds", 200, "how many rollbacks, and how many promotions, with a deploy before each; 1 to 10000")
	flags.IntVar(&s.blocks, "blocks", 10, "in how many blocks, with a pause after each; 1 to the rounds")
	flags.IntVar(&s.connections, "connections", 4, "how many requests of each protocol are under way; 1 to 100")
	flags.DurationVar(&s.every, "every", 100*time.Millisecond, "from one admin call to the next, at least; 0 is one after the other, up to 1m")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.rounds < 1 || s.rounds > 10_000 || s.blocks < 1 || s.blocks > s.rounds || s.connections < 1 || s.connections > 100 || s.every < 0 || s.every > time.Minute {
		return errors.New("a setting is out of its range; see swaps -help")
	}
	r, err := measure(ctx, s, progress)
	if err != nil {
		return err
	}
	r.print(out)
	return r.holds()
}

// measure starts a server, flies the rounds and stops it.
func measure(ctx context.Context, s settings, progress io.Writer) (r *report, err error) {
	folder, err := os.MkdirTemp("", "serin-swaps-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if s.serin == "" {
		if s.serin, err = program.Build(ctx, folder); err != nil {
			return nil, err
		}
	}
	if err := program.Workplace(ctx, folder); err != nil {
		return nil, err
	}
	server, err := program.Start(ctx, s.serin, folder, "--weight", "50%")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	f := &flight{settings: s, server: server, began: time.Now(), report: newReport()}
	return f.report, f.fly(ctx, progress)
}
