package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// keep writes the report and all that was seen, in the order of time, into a file that
// stays, so that a run which cannot be had again can be explained. It returns its path.
func (w *world) keep(r *report, journal []entry) (path string, err error) {
	f, err := os.CreateTemp("", fmt.Sprintf("serin-faults-seed-%d-*.txt", w.seed))
	if err != nil {
		return "", fmt.Errorf("keeping what was seen: %w", err)
	}
	out := bufio.NewWriter(f)
	r.print(out)
	fmt.Fprintf(out, "\nsettings: %+v\n", w.settings)
	for i := range w.audits {
		fmt.Fprintf(out, "audit: %s\n", &w.audits[i])
	}
	w.timeline(out, journal)
	return f.Name(), errors.Join(out.Flush(), f.Close())
}

// happening is one line of a timeline.
type happening struct {
	at   time.Duration
	text string
}

// timeline tells of faults, commands, rows of the journal, predictions, and of what
// replicas showed where it was something else than before.
func (w *world) timeline(out io.Writer, journal []entry) {
	var all []happening
	add := func(at time.Duration, format string, args ...any) {
		all = append(all, happening{at, fmt.Sprintf(format, args...)})
	}
	for _, f := range w.faults {
		add(f.From, "fault begins at replica %d: %s", f.Replica, f.Kind)
		add(f.To, "fault is over at replica %d: %s", f.Replica, f.Kind)
	}
	for i := range w.operations {
		o := &w.operations[i]
		add(o.call, "%s asks replica %d to %s %s", o.Actor, o.replica, o.Kind, o.Version)
		add(o.ret, "%s is answered %s after %v: %s %s; stable %q, canary %q, rollout %q", o.Actor, o.outcome, o.ret-o.call, o.code, o.detail, o.stable, o.canary, o.rollout)
	}
	for i := range journal {
		e := &journal[i]
		add(e.at, "journal row %d: %s by %s, rollout %q; generation %d, %s, stable %q, canary %q", e.seq, e.event, e.actor, e.rollout, e.state.Generation, e.state.Phase, e.state.Stable.Name, e.canary())
	}
	for i := range w.predictions {
		p := &w.predictions[i]
		add(p.sent, "prediction at replica %d, life %d: after %v %s, canary %v, %d ns %s; first on its connection %v, open for %v", p.replica, p.life, p.got-p.sent, p.version, p.canary, p.latency, p.failed, p.first, p.silent)
	}
	shown := map[[2]int]uint64{}
	for _, r := range w.reads {
		if key := [2]int{r.replica, r.life}; shown[key] != r.generation {
			shown[key] = r.generation
			add(r.got, "replica %d, life %d, shows generation %d, asked at %v", r.replica, r.life, r.generation, r.asked)
		}
	}
	slices.SortStableFunc(all, func(a, b happening) int { return int(a.at - b.at) })
	for _, h := range all {
		fmt.Fprintf(out, "%12.6f s  %s\n", h.at.Seconds(), h.text)
	}
}
