// Command faults runs three serins on one PostgreSQL, lets everything fail that can,
// and then holds all that was answered against what is promised.
//
//	predictions ──> balancer ──> serin ──> wire ──┐
//	                         ──> serin ──> wire ──┼──> PostgreSQL
//	commands ──────────────────> serin ──> wire ──┘
//	                              ^         ^             ^
//	                              └─ faults ┴─────────────┘
//
// A run is made of rounds. In a storm several operators deploy, promote and roll
// back at once, at any replica, while replicas are killed and stopped, wires are
// late, cut, held, half open or reset, and PostgreSQL is killed, crashed or frozen. Then
// all is healed, the fleet must find itself again without a hand, and one rollout is
// audited: every prediction of it is recorded, faults come in between, and the verdict
// must be what the recorded latencies give.
//
// Which faults come, in which order and for how long, follows from the seed. What
// they meet does not: processes are scheduled by the system.
//
// At the end the journal is read and held against what clients were answered; the
// operators' history is checked for linearizability by porcupine, as the journal tells what
// became of operations without an answer; each prediction
// must be of a version that was in force, up to the bound; serin doctor must find the
// chain whole.
//
// What may not happen here: an import of a room of the product, an address that is
// not loopback, a process that outlives the run, a request that is tried again, a
// promise that is checked by what the product says of itself where clients know it.
//
// Terms: a life is one process of a replica, from its start to its end. A replica is
// deaf while a fault keeps the store from it, and a little longer. An operation is
// unknown if its answer does not say whether it was carried out.
package main

import (
	"context"
	"encoding/json"
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
	serin     string        // the binary; empty to build it
	duration  time.Duration // rounds begin until then
	storm     time.Duration // how long a storm lasts
	seed      uint64
	rate      int           // predictions a second, together
	bound     time.Duration // after which what was decided is in force at who hears the store
	isolation time.Duration // --isolation-timeout
}

// errBroken is the end of a run in which a promise was broken; the report says which.
var errBroken = errors.New("a promise was broken")

func main() { os.Exit(program.Main("faults", run)) }

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	var s settings
	var format string
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.serin, "serin", "", "the serin binary (default: built for the run)")
	flags.DurationVar(&s.duration, "duration", 2*time.Minute, "rounds begin until then; 1s to 24h")
	flags.DurationVar(&s.storm, "storm", 20*time.Second, "how long each storm lasts; 1s to 10m")
	flags.Uint64Var(&s.seed, "seed", uint64(time.Now().Unix()), "what the faults follow from")
	flags.IntVar(&s.rate, "rate", 100, "predictions a second, together; 1 to 5000")
	flags.DurationVar(&s.bound, "bound", time.Second, "after which a decision must be in force; 100ms to 1m")
	flags.DurationVar(&s.isolation, "isolation", 10*time.Second, "the replicas' --isolation-timeout; 1s to 10m")
	flags.StringVar(&format, "o", "text", "text or json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	within := func(d, least, most time.Duration) bool { return d >= least && d <= most }
	if !within(s.duration, time.Second, 24*time.Hour) || !within(s.storm, time.Second, 10*time.Minute) || s.rate < 1 || s.rate > 5000 ||
		!within(s.bound, 100*time.Millisecond, time.Minute) || !within(s.isolation, time.Second, 10*time.Minute) || format != "text" && format != "json" {
		return errors.New("a setting is out of its range; see faults -help")
	}
	r, err := fly(ctx, s, progress)
	if err != nil {
		return err
	}
	if format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		r.print(out)
	}
	if err == nil && !r.Held {
		err = fmt.Errorf("%w: %s", errBroken, r.broken())
	}
	return err
}

// fly starts a fleet, plays the rounds, and judges what was seen.
func fly(ctx context.Context, s settings, progress io.Writer) (r *report, err error) {
	w, err := newWorld(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	fmt.Fprintf(progress, "seed %d\n", s.seed)
	load := w.predictAll(ctx)
	faults := newSchedule(s.seed)
	for w.now() < s.duration && ctx.Err() == nil && err == nil {
		err = w.round(ctx, faults, progress)
	}
	load()
	if ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	if err != nil { // a round that does not come to its end is a broken promise, too
		path, failed := w.keep(&report{Seed: w.seed, Took: w.now(), Rounds: w.rounds, Predictions: len(w.predictions)}, nil)
		return nil, errors.Join(fmt.Errorf("seed %d, round %d: %w; all that was seen is in %s", w.seed, w.rounds, err, path), failed)
	}
	return w.judge(ctx)
}

// round is a storm, the calm after it, and an audited rollout.
func (w *world) round(ctx context.Context, faults *schedule, progress io.Writer) error {
	w.rounds++
	if err := w.weather(ctx, faults); err != nil {
		return err
	}
	took, err := w.calm(ctx)
	if err != nil {
		return err
	}
	audited, err := w.audit(ctx, faults)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "%v: round %d, whole again %v after the storm; %s\n", w.now().Round(time.Second), w.rounds, took.Round(time.Millisecond), audited)
	return nil
}
