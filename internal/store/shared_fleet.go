package store

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// beatStatement does all that a second needs: $1 to $4 are the replica, $5 to $9 the
// columns of its gauges, $10 its models, $11 the row that it has seen, $12 a later one
// that it has committed, $13 the beat's number, and $14 and $15 the leases that it has
// seen run out.
//
// It goes over the wire each second for as long as a replica lives, so what is known at
// the other end is left out: of the replica ($2 to $4) what was told lately; of the
// answer the head's hash where it is the row that was seen, of which eight bytes say that
// it is there, and who leads where it is who asks.
//
// What the last part reads is as it was before the parts above it, hence the
// coalesce. An update that finds nothing to do locks nothing, which is why a model's
// first leader is another part than the next ones.
//
//go:embed layout/beat.sql
var beatStatement string

// lease is another replica's lead, as it was seen from here. Its end by the server's
// clock is a mark that changes with each beat, no time: that clock may be stepped. A lead
// has run out when its mark has stood still here for so long.
type lease struct {
	mark  time.Time
	since time.Time // by our clock, when it was seen first
}

// runOut are the leases of models that have run out, and their marks.
func (p *shared) runOut(models []string, now time.Time) (names []string, marks []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range models {
		if l, seen := p.leases[name]; seen && now.Sub(l.since) >= leaseOfModel {
			names, marks = append(names, name), append(marks, l.mark)
		}
	}
	return names, marks
}

// leads says whether somebody still does who was seen with a mark.
func (p *shared) leads(name string, mark, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leases[name]
	if !l.mark.Equal(mark) {
		l = lease{mark, now}
		p.leases[name] = l
	}
	return now.Sub(l.since) < leaseOfModel
}

// beat does not wait until an unsettled commit is settled: a replica that knows less
// than all lives all the same.
func (p *shared) beat(ctx context.Context, b Beat) (Pulse, error) {
	t, err := p.enter(ctx)
	if err != nil {
		return Pulse{}, err
	}
	var models, rollouts []string
	var epochs []int64
	var data, sums [][]byte
	var own []summed
	for _, g := range b.Gauges {
		row := GaugeRow{b.Replica, g}
		models, rollouts, epochs = append(models, g.Model), append(rollouts, g.Rollout), append(epochs, int64(g.Epoch))
		data, sums = append(data, g.Data), append(sums, row.sum())
		row.Data = bytes.Clone(g.Data)
		own = append(own, summed{row, sums[len(sums)-1]})
	}
	var committed Head // it may be lost before any beat has seen it
	p.mark(func() {
		if p.own.Seq > b.Seen.Seq {
			committed = p.own
		}
	})
	pulse := Pulse{Models: map[string]Standing{}}
	ended, marks := p.runOut(b.Models, p.now())
	number := p.told.Add(1)
	who := profile{b.Replica, b.Address, b.Version, string(b.Status)}
	args := []any{b.Replica, nil, nil, nil, models, rollouts, epochs, data, sums, b.Models, int64(b.Seen.Seq), int64(committed.Seq), number, ended, marks}
	if last := p.profile.Swap(nil); last == nil || *last != who || number%introduce == 0 {
		args[1], args[2], args[3] = who.address, who.version, who.status
	}
	err = t.each(ctx, beatStatement, args, func(rows *sql.Rows) (bool, error) {
		var last head
		var seen []byte
		var name string
		var standing Standing
		var leader sql.Null[string]
		var mark sql.Null[time.Time]
		if err := rows.Scan(&last.seq, &last.hash, &seen, &name, &standing.Generation, &leader, &mark); err != nil {
			return false, err
		}
		pulse.Head = headOf(last)
		pulse.Kept = (b.Seen == Head{} || b.Seen.Hash != "") && hex.EncodeToString(seen) == b.Seen.begins()+committed.begins()
		if last.seq == b.Seen.Seq && pulse.Kept {
			pulse.Head = b.Seen
		}
		switch {
		case !leader.Valid:
			standing.Leader = b.Replica
		case p.leads(name, mark.V, p.now()):
			standing.Leader = leader.V
		}
		if name != "" {
			pulse.Models[name] = standing
		}
		return true, nil
	})
	if err != nil {
		return Pulse{}, err
	}
	p.profile.Store(&who)
	for _, g := range own {
		p.gauged.Keep(g.Model, g.Rollout, g.whose(), g)
	}
	return pulse, nil
}

// begins is what of a hash tells a row from all others.
func (h Head) begins() string { return h.Hash[:min(len(h.Hash), 2*markBytes)] }

// profile is what a replica says of itself beside that it lives.
type profile struct{ replica, address, version, status string }

// introduce is after how many beats a replica says all of itself again: a server that
// fails may have lost it.
const introduce = 30

// forget lets go of the gauges of rollouts that ended long ago, when another begins.
func (t tables) forget(ctx context.Context, name, before, after string) error {
	if after == "" || after == before {
		return nil
	}
	err := t.exec(ctx, `DELETE FROM gauges WHERE model = $1 AND rollout NOT IN
		(SELECT rollout FROM journal WHERE model = $1 AND rollout <> '' GROUP BY rollout ORDER BY max(seq) DESC LIMIT $2)`, name, keepGauges)
	return err
}

func (p *shared) replicas(ctx context.Context) (all []Replica, err error) {
	t, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	query := "SELECT replica, address, version, status, at, clock_timestamp() FROM replicas WHERE at > now() - interval '1 day' ORDER BY at DESC"
	err = t.each(ctx, query, nil, func(rows *sql.Rows) (bool, error) {
		var b Beat
		var status string
		var at, now time.Time
		if err := rows.Scan(&b.Replica, &b.Address, &b.Version, &status, &at, &now); err != nil {
			return false, err
		}
		if status != "" {
			b.Status = json.RawMessage(status)
		}
		all = append(all, b.replica(at, now))
		return true, nil
	})
	return all, err
}

// Listen calls heard with each model and its generation that any replica commits,
// until ctx ends. It connects again by itself where the wire is cut, and what happens
// in between is not heard: it makes things faster, and nothing may depend on it. In a
// directory there is nobody else to be heard.
func (s *Store) Listen(ctx context.Context, heard func(model string, generation uint64)) {
	wait := time.Duration(0)
	for s.shared != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		_ = s.shared.Listen(ctx, func(payload string) { // whoever needs the store is told what is wrong
			number, name, _ := strings.Cut(payload, " ")
			if generation, err := strconv.ParseUint(number, 10, 64); err == nil {
				heard(name, generation)
			}
		})
		wait = time.Second + rand.N(time.Second)
	}
	<-ctx.Done()
}
