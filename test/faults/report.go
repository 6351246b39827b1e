package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/anishathalye/porcupine"
)

// report is what a run has shown.
type report struct {
	Seed     uint64        `json:"seed"`
	Took     time.Duration `json:"took_ns"`
	Rounds   int           `json:"rounds"`
	Rollouts int           `json:"rollouts"`
	// Faults are how many there were of each kind, and Schedule is each of them.
	Faults   map[string]int `json:"faults"`
	Schedule []fault        `json:"schedule"`
	// Operations are, by kind and answer, how many were sent.
	Operations  map[string]int `json:"operations"`
	Predictions int            `json:"predictions"`
	// Lost are predictions that a killed replica left without an answer, and Overslept
	// those that were reset by one that was stopped until a new connection had been silent for
	// longer than it may. Unsent are those that nobody had read when they went on to another replica.
	Lost      int `json:"lost_with_a_killed_replica"`
	Overslept int `json:"reset_by_a_replica_that_was_stopped"`
	Unsent    int `json:"unsent"`
	// Healed is the longest time after a storm until every replica served what was
	// decided and could commit.
	Healed time.Duration `json:"healed_ns"`
	// Late is the longest time after which a version still answered that had been
	// replaced, at a replica that heard the store, and After how many such answers there were.
	Late     time.Duration `json:"late_ns"`
	After    int           `json:"answers_after_replacement"`
	Audits   []audit       `json:"audits"`
	Promises []promise     `json:"promises"`
	Held     bool          `json:"held"`
	// Kept is the file with all that was seen, where a promise was broken.
	Kept string `json:"kept,omitempty"`
}

// broken names the promises that were not kept, and where to read on.
func (r *report) broken() string {
	var names []string
	for _, p := range r.Promises {
		if p.Broken != "" {
			names = append(names, p.Name+": "+p.Broken)
		}
	}
	return fmt.Sprintf("seed %d: %s\nall that was seen is in %s", r.Seed, strings.Join(names, "\n"), r.Kept)
}

// promise is what must hold, and why it did not.
type promise struct {
	Name   string `json:"name"`
	N      int    `json:"n"` // what was looked at
	Broken string `json:"broken,omitempty"`
}

// checkLimit bounds the search for an order of operations.
const checkLimit = 5 * time.Minute

// judge holds all that was seen against what is promised.
func (w *world) judge(ctx context.Context) (*report, error) {
	journal, err := w.journal(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	r := &report{
		Seed: w.seed, Took: w.now(), Rounds: w.rounds, Faults: map[string]int{}, Schedule: w.faults, Operations: map[string]int{},
		Predictions: len(w.predictions), Unsent: w.unsent, Healed: slices.Max(append(w.healed, 0)), Audits: w.audits,
	}
	for _, f := range w.faults {
		r.Faults[f.Kind]++
	}
	for i := range w.operations {
		r.Operations[w.operations[i].Kind+": "+w.operations[i].code]++
	}
	rollouts := map[string]bool{}
	for i := range journal {
		rollouts[journal[i].rollout] = true
	}
	delete(rollouts, "")
	r.Rollouts = len(rollouts)
	failed := w.failures(r)
	forces := forces(journal, w.operations)
	stale, late, after := w.stale(forces, w.predictions)
	r.Late, r.After = late, after
	var unequal []string
	for _, a := range w.audits {
		if a.Broken != "" {
			unequal = append(unequal, a.Rollout+": "+a.Broken)
		}
	}
	order := ""
	if result := linearizable(w.operations, journal, checkLimit); result != porcupine.Ok {
		order = "no order was found: " + string(result)
	}
	r.Promises = []promise{
		{"no prediction fails but on connections of a replica that is killed, or stopped while a new one is silent for 5 s", len(w.predictions), short(failed)},
		{"no answer is by a version that is not in force, after the bound", len(w.predictions), short(stale)},
		{"what is acknowledged is in the journal once, what is refused is not", len(w.operations), short(lost(journal, w.operations))},
		{"operators' answers are linearizable", len(w.operations), order},
		{"one decision for each rollout, one stable version at a time", len(journal), short(walk(journal))},
		{"no replica shows an older state than before", len(w.reads), short(inTurn(w.reads))},
		{"the verdict is over what clients were answered", len(w.audits), short(unequal)},
		{"the journal's chain is whole, and no replica knows more", len(journal), short(w.doctor(ctx))},
	}
	r.Held = !slices.ContainsFunc(r.Promises, func(p promise) bool { return p.Broken != "" })
	if !r.Held {
		r.Kept, err = w.keep(r, journal)
	}
	return r, err
}

// silence is for how long a new connection may be silent before a replica ends it. One
// that was stopped meanwhile ends it all the same, and with it the request that waits there.
const silence = 5 * time.Second

// overslept says that a prediction was the first on a connection that had been silent for too
// long when the replica could answer. The client knows of the connection a little later
// than the replica. Transports open connections that they need only for the next request,
// so it may have been there before.
func (p *prediction) overslept() bool {
	const later = 100 * time.Millisecond
	return p.first && p.silent+p.got-p.sent >= silence-later
}

// failures are predictions without an answer that no kill excuses.
func (w *world) failures(r *report) (broken []string) {
	for i := range w.predictions {
		p := &w.predictions[i]
		if p.failed == "" {
			continue
		}
		if p.replica >= 0 {
			if at, ended := w.replicas[p.replica].ended[p.life]; ended && at <= p.got+time.Second {
				r.Lost++
				continue
			}
			if strings.Contains(p.failed, "reset by peer") && p.overslept() && w.stood(p.replica, p.sent, p.got) > 0 {
				r.Overslept++
				continue
			}
		}
		broken = append(broken, fmt.Sprintf("at %v, after %v: %s", p.sent, p.got-p.sent, p.failed))
	}
	return broken
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "seed %d, %v, %d rounds, %d rollouts, %d predictions\n\n", r.Seed, r.Took.Round(time.Second), r.Rounds, r.Rollouts, r.Predictions)
	count := func(title string, all map[string]int) {
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintf(table, "%s\tN\n", title)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(table, "%s\t%d\n", name, all[name])
		}
		fmt.Fprintln(table)
		_ = table.Flush() // to a terminal or a file
	}
	count("fault", r.Faults)
	count("operation", r.Operations)
	fmt.Fprintf(out, "%d predictions were lost with a killed replica, %d reset by one that was stopped while a new connection was silent for %v, %d went on to another one unread.\n", r.Lost, r.Overslept, silence, r.Unsent)
	fmt.Fprintf(out, "After a storm the fleet was whole again within %v.\n", r.Healed.Round(time.Millisecond))
	fmt.Fprintf(out, "Of replicas that heard the store, %d answers were asked for after their version was replaced, the last %v after.\n\n", r.After, r.Late.Round(time.Millisecond))
	for _, p := range r.Promises {
		if p.Broken == "" {
			fmt.Fprintf(out, "PASS  %s (N = %d)\n", p.Name, p.N)
		} else {
			fmt.Fprintf(out, "FAIL  %s (N = %d)\n      %s\n", p.Name, p.N, strings.ReplaceAll(p.Broken, "\n", "\n      "))
		}
	}
}
