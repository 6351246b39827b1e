package control

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sync"

	"serin/internal/record"
	"serin/internal/rollout"
)

// tally is what this replica has counted of a rollout, in rows for the others. A
// row is encoded as evidence of one stage. It runs through all epochs up to its
// own, as gauges do, so that it is evidence that could have been observed.
type tally struct {
	model, replica string
	engines        Engines

	mu    sync.Mutex
	of    string // the rollout; "" before the first
	epoch int
	share rollout.Weight
	looks uint64
	rows  map[int]*counted // by epoch
	rest  map[int]int      // for how many calm beats a row is not told again, by epoch
}

// rowBytes is how much of a row is told in a second, on average, as long as that is not
// more seldom than each mostRest+1 beats: those who judge look each ten seconds. One of
// 900 bytes is told each fifth second.
const (
	rowBytes = 200
	mostRest = 9
)

// counted is a row, and how often the store has answered that it has it. A server that
// fails may lose what it was told in its last second. So what has not changed is told
// once more, later than that; and twice is often enough, since what it then had before it
// cannot lose.
type counted struct {
	data []byte
	kept int
}

// turn counts up to now by what was in force, and lets swap put something else in
// force: what is served of this rollout from here on, if it is one.
func (t *tally) turn(r *rollout.Rollout, swap func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count()
	swap()
	if r == nil {
		return
	}
	if t.of != r.ID {
		t.of, t.looks, t.rows, t.rest = r.ID, 0, map[int]*counted{}, map[int]int{}
	}
	t.epoch, t.share = r.Reweighed+1, r.Weight
}

// look counts looks that somebody asked for here; n is -1 for one that came to
// nothing. It returns their number.
func (t *tally) look(n int) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looks += uint64(n)
	return t.looks
}

// count brings the row in progress up to now.
func (t *tally) count() {
	now := t.engines.Gauges()
	if now.Rollout == "" || now.Rollout != t.of {
		return
	}
	if t.rows[0] == nil {
		t.put(0, &record.Evidence{Stages: []record.Stage{{Share: uint32(t.share), Stable: now.Baseline}}})
	}
	t.put(t.epoch, &record.Evidence{Stages: []record.Stage{{Share: uint32(t.share), Stable: now.Stable, Canary: now.Canary}}, Looks: t.looks})
}

func (t *tally) put(epoch int, e *record.Evidence) {
	data, _ := e.MarshalBinary() // it never fails
	if old := t.rows[epoch]; old == nil || !bytes.Equal(old.data, data) {
		t.rows[epoch] = &counted{data: data}
	}
}

// news are the rows that the store does not have; where it may have lost some, all; and
// from time to time those that it was told once. A calm caller waits for large ones.
func (t *tally) news(all, again, calm bool) []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count()
	var rows []Row
	for epoch, c := range t.rows {
		t.rest[epoch]--
		if all || again && c.kept == 1 || c.kept == 0 && !(calm && t.rest[epoch] >= 0) {
			t.rest[epoch] = min(len(c.data)/rowBytes, mostRest)
			rows = append(rows, Row{t.model, t.of, t.replica, epoch, c.data})
		}
	}
	return rows
}

// kept says that the store has these rows.
func (t *tally) kept(rows []Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range rows {
		if c := t.rows[r.Epoch]; r.Rollout == t.of && c != nil && bytes.Equal(c.data, r.Data) {
			c.kept++
		}
	}
}

// sum is what all replicas have counted.
type sum struct {
	reference record.Arm
	epochs    []record.Epoch
	looks     map[string]uint64 // by replica
}

// add adds up the rows of a rollout that has had these planned shares. A replica
// that knows of more shares is heard up to those that are known here.
func add(rows []Row, shares []rollout.Weight) (*sum, error) {
	all := &sum{epochs: make([]record.Epoch, len(shares)), looks: map[string]uint64{}}
	for i, share := range shares {
		all.epochs[i].Share = uint32(share)
	}
	rows = slices.SortedFunc(slices.Values(rows), func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.Epoch, b.Epoch))
	})
	var before, now record.Evidence // of the same replica
	for i, r := range rows {
		if r.Epoch > len(shares) {
			continue
		}
		if err := now.UnmarshalBinary(r.Data); err != nil {
			return nil, fmt.Errorf("what replica %s has counted in epoch %d: %w", r.Replica, r.Epoch, err)
		}
		if i == 0 || rows[i-1].Replica != r.Replica {
			before = record.Evidence{}
		}
		if len(now.Stages) != 1 || r.Epoch < 0 || len(before.Stages) > 0 && runsBack(&before, &now) {
			return nil, fmt.Errorf("what replica %s has counted in epoch %d does not go on from what it had counted before", r.Replica, r.Epoch)
		}
		seen := now.Stages[0]
		if r.Epoch == 0 {
			all.reference.Add(&seen.Stable)
			continue
		}
		if len(before.Stages) > 0 {
			seen.Stable.Sub(&before.Stages[0].Stable)
			seen.Canary.Sub(&before.Stages[0].Canary)
		}
		epoch := &all.epochs[r.Epoch-1]
		epoch.Stable.Add(&seen.Stable)
		epoch.Canary.Add(&seen.Canary)
		all.looks[r.Replica] = now.Looks
		before, now = now, record.Evidence{}
	}
	return all, nil
}

// runsBack says whether a row has fewer of something than an earlier one of its
// replica.
func runsBack(before, now *record.Evidence) bool {
	was, is := &before.Stages[0], &now.Stages[0]
	return now.Looks < before.Looks || is.Stable.Fewer(&was.Stable) || is.Canary.Fewer(&was.Canary)
}
