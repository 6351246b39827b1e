package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// entry is a row of the journal, as far as it is looked at.
type entry struct {
	seq                   int64
	at                    time.Duration
	event, actor, rollout string
	state                 struct {
		Generation uint64  `json:"generation"`
		Phase      string  `json:"phase"`
		Stable     release `json:"stable"`
		Rollout    *struct {
			ID     string  `json:"id"`
			Canary release `json:"canary"`
		} `json:"rollout"`
	}
}

type release struct {
	Name string `json:"name"`
}

// canary is the version on trial; "" if none.
func (e *entry) canary() string {
	if e.state.Rollout == nil {
		return ""
	}
	return e.state.Rollout.Canary.Name
}

// journal reads all rows.
func (w *world) journal(ctx context.Context) (all []entry, err error) {
	conn, err := pgx.Connect(ctx, w.store.URL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT seq, at, event, actor, rollout, state FROM serin.journal ORDER BY seq")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		var at, state string
		if err := rows.Scan(&e.seq, &at, &e.event, &e.actor, &e.rollout, &state); err != nil {
			return nil, err
		}
		when, err := time.Parse(time.RFC3339Nano, at)
		if err = errors.Join(err, json.Unmarshal([]byte(state), &e.state)); err != nil {
			return nil, fmt.Errorf("reading row %d of the journal: %w", e.seq, err)
		}
		e.at = when.Sub(w.began)
		all = append(all, e)
	}
	return all, rows.Err()
}

// doctor has the chain verified, and what each replica knows against it.
func (w *world) doctor(ctx context.Context) (broken []string) {
	for _, r := range w.replicas {
		text, err := exec.CommandContext(ctx, w.binary, "doctor", "--store", w.store.URL, "--data", filepath.Join(w.folder, r.name)).CombinedOutput()
		if err != nil {
			broken = append(broken, fmt.Sprintf("serin doctor for %s: %v: %s", r.name, err, text))
		}
	}
	return broken
}

// walk holds the journal against itself: each generation once, each stable version
// the canary that was promoted, each rollout with one beginning and at most one end.
func walk(journal []entry) (broken []string) {
	complain := func(e *entry, format string, args ...any) {
		broken = append(broken, fmt.Sprintf("row %d (%s by %s): ", e.seq, e.event, e.actor)+fmt.Sprintf(format, args...))
	}
	begun, over := map[string]bool{}, map[string]bool{}
	before := &entry{}
	for i := range journal {
		e := &journal[i]
		if e.state.Generation != before.state.Generation+1 {
			complain(e, "generation %d follows %d", e.state.Generation, before.state.Generation)
		}
		promoted := e.event == "promote" && before.canary() != "" && e.state.Stable.Name == before.canary()
		if e.event != "install" && !promoted && e.state.Stable != before.state.Stable {
			complain(e, "stable %s follows %s", e.state.Stable.Name, before.state.Stable.Name)
		}
		if e.event == "deploy" {
			if begun[e.rollout] || before.state.Rollout != nil {
				complain(e, "rollout %s begins twice, or within another", e.rollout)
			}
			begun[e.rollout] = true
		}
		if e.rollout != "" && (!begun[e.rollout] || over[e.rollout]) {
			complain(e, "rollout %s has not begun, or is over", e.rollout)
		}
		if e.rollout != "" && e.state.Rollout == nil {
			over[e.rollout] = true
		}
		before = e
	}
	return broken
}

// lost holds the journal against what operators were answered: what was carried out is
// there once and in its order, what was refused is not there.
func lost(journal []entry, operations []operation) (broken []string) {
	rows := map[string][]*entry{}
	for i := range journal {
		rows[journal[i].actor] = append(rows[journal[i].actor], &journal[i])
	}
	for i := range operations {
		o := &operations[i]
		found := rows[o.Actor]
		switch {
		case o.outcome == carried && o.rollout == "": // a deploy was called off that had read its file only
		case o.outcome == carried && (len(found) != 1 || found[0].event != o.Kind || found[0].rollout != o.rollout):
			broken = append(broken, fmt.Sprintf("a %s of %s (%s) was acknowledged, and the journal has %d rows of it", o.Kind, o.rollout, o.Actor, len(found)))
		case (o.outcome == refused && o.code != "rolled_back_while_loading" || o.outcome == unstored) && len(found) != 0:
			broken = append(broken, fmt.Sprintf("a %s (%s) was refused (%s %s), and the journal has it as row %d", o.Kind, o.Actor, o.code, o.detail, found[0].seq))
		case o.outcome == unknown && len(found) > 1:
			broken = append(broken, fmt.Sprintf("a %s (%s) is in the journal %d times", o.Kind, o.Actor, len(found)))
		}
	}
	return append(broken, outOfTurn(rows, operations)...)
}

// outOfTurn are operations that were sent after another one was acknowledged, and come
// before it in the journal.
func outOfTurn(rows map[string][]*entry, operations []operation) (broken []string) {
	written := slices.DeleteFunc(slices.Clone(operations), func(o operation) bool { return len(rows[o.Actor]) == 0 })
	slices.SortFunc(written, func(a, b operation) int { return cmp.Compare(rows[a.Actor][0].seq, rows[b.Actor][0].seq) })
	var latest *operation // of those before in the journal, by when it was sent
	for i := range written {
		o := &written[i]
		if latest != nil && o.outcome == carried && o.ret < latest.call {
			broken = append(broken, fmt.Sprintf("a %s (%s) was acknowledged before a %s (%s) was sent, and comes after it in the journal", o.Kind, o.Actor, latest.Kind, latest.Actor))
		}
		if latest == nil || o.call > latest.call {
			latest = o
		}
	}
	return broken
}

// inTurn holds what replicas showed against time: no life of one goes back to an
// earlier decision.
func inTurn(reads []reading) (broken []string) {
	type life struct{ replica, life int }
	last := map[life]reading{}
	for _, r := range reads { // each life is read by one goroutine
		key := life{r.replica, r.life}
		if before := last[key]; r.generation < before.generation {
			broken = append(broken, fmt.Sprintf("replica %d showed generation %d at %v and %d at %v", r.replica, before.generation, before.got, r.generation, r.got))
		}
		last[key] = r
	}
	return broken
}

// short joins complaints, the first of many.
func short(broken []string) string {
	const most = 5
	if len(broken) > most {
		broken = append(broken[:most:most], fmt.Sprintf("and %d more", len(broken)-most))
	}
	return strings.Join(broken, "\n")
}
