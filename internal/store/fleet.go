package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Beat is what a replica says once a second: that it lives, and what it observed.
type Beat struct {
	// Replica is its name, another one after each start. At most 200 bytes.
	Replica string
	// Address is where it answers, Version its serin.
	Address, Version string
	// Status is what others may want to know of it, a JSON value; nil for nothing. At
	// most 16 KiB.
	Status json.RawMessage
	// Models are the names of those that it serves, and whose leader it can be.
	Models []string
	// Gauges are what it observed in rollouts. Each replaces the one before of the
	// same model, rollout and epoch; those of earlier epochs stay.
	Gauges []Gauge
	// Seen is a Head of an earlier Pulse, zero before the first: see Pulse.Kept.
	Seen Head
}

// Gauge is what one replica observed in one epoch of a rollout: cumulative, so that
// one that is lost or written twice does no harm.
type Gauge struct {
	Model, Rollout string
	// Epoch tells the parts of a rollout apart that must not be pooled.
	Epoch uint64
	// Data is the replica's encoding, at most 64 KiB.
	Data []byte
}

// GaugeRow is a Gauge and the replica whose it is.
type GaugeRow struct {
	Replica string
	Gauge
}

// Head is the end of the journal: how many rows there are, and the hash of the last
// one, which covers all of them, in hexadecimal. The zero value is no journal.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// Pulse is what a replica hears when it says that it lives.
type Pulse struct {
	// Head is the end of the journal.
	Head Head
	// Kept is true if the journal still has the row that the beat has seen, and what was
	// committed through this Store after it. A journal without them is not the one that
	// the replica knows: it was emptied, or restored to an older moment and perhaps went
	// on from there, or is another fleet's.
	Kept bool
	// Models are all that were ever committed, by name.
	Models map[string]Standing
}

// Standing is where a model stands.
type Standing struct {
	// Generation is the committed one, 0 if none.
	Generation uint64
	// Leader is the replica that leads the model; "" if none does. Two may take
	// themselves for it for a moment, so it is for sparing work, and what they decide
	// is kept apart by Commit alone.
	Leader string
}

// Replica is one that said that it lives, within the last day.
type Replica struct {
	Name, Address, Version string
	Status                 json.RawMessage
	// At is when it last did, Age how long ago that is, by the store's clock.
	At  time.Time
	Age time.Duration
	// Live is true if that was within the last 10 seconds.
	Live bool
}

// How long what was said holds. A second that is late is nobody's death.
const (
	leaseOfLife  = 10 * time.Second
	leaseOfModel = 5 * time.Second

	keepGauges = 3 // rollouts of one model: the one in progress, and two that have ended

	maxReplica = 200
	maxStatus  = 16 << 10
	maxGauge   = 64 << 10
)

// Beat says that a replica lives, keeps what it observed, makes it the leader of
// those of its models that have none, and returns where the models stand. It is one
// statement, and the only one of its kind that is not synced: a failing server may
// forget the last second of it, and the next beat says it again.
//
// In a directory, where there is one replica, it writes nothing: gauges are kept
// until the store is closed.
func (s *Store) Beat(ctx context.Context, b Beat) (Pulse, error) {
	if err := b.check(); err != nil {
		return Pulse{}, err
	}
	if s.shared != nil {
		p, err := s.shared.beat(ctx, b)
		return p, s.explain(err)
	}
	t, end, err := s.reading(ctx)
	if err != nil {
		return Pulse{}, err
	}
	defer end()
	p := Pulse{Head: headOf(s.known.head), Kept: b.Seen == Head{}, Models: map[string]Standing{}}
	var seen []byte
	err = t.one(ctx, "SELECT coalesce((SELECT hash FROM journal WHERE seq = $1), '')", []any{int64(b.Seen.Seq)}, &seen)
	if err != nil {
		return Pulse{}, s.explain(err)
	}
	p.Kept = p.Kept || hex.EncodeToString(seen) == b.Seen.Hash && b.Seen.Hash != ""
	for name, m := range s.known.models {
		p.Models[name] = Standing{Generation: m.generation}
	}
	for _, name := range b.Models {
		p.Models[name] = Standing{p.Models[name].Generation, b.Replica}
	}
	s.alone.keep(b, time.Now().UTC())
	return p, nil
}

func headOf(h head) Head {
	if h.seq == 0 {
		return Head{}
	}
	return Head{h.seq, hex.EncodeToString(h.hash)}
}

func (b *Beat) check() error {
	for _, text := range append([]string{b.Replica, b.Address, b.Version, string(b.Status)}, b.Models...) {
		if !plain(text) {
			return fmt.Errorf("%q cannot be stored: it is not text", text)
		}
	}
	switch {
	case b.Replica == "" || len(b.Replica) > maxReplica:
		return fmt.Errorf("a replica's name has 1 to %d bytes, and this one %d", maxReplica, len(b.Replica))
	case len(b.Status) > maxStatus:
		return &TooLarge{"a replica's status", maxStatus}
	case b.Status != nil && !json.Valid(b.Status):
		return errors.New("a replica's status is not a JSON value")
	}
	for _, g := range b.Gauges {
		switch {
		case g.Model == "" || g.Rollout == "" || !plain(g.Model) || !plain(g.Rollout) || int64(g.Epoch) < 0:
			return fmt.Errorf("a gauge of model %q, rollout %q and epoch %d is of nothing", g.Model, g.Rollout, g.Epoch)
		case len(g.Data) > maxGauge:
			return &TooLarge{"a gauge", maxGauge}
		}
	}
	return nil
}

// plain is text that both databases can hold.
func plain(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// sum is the checksum that a gauge is stored with.
func (g *GaugeRow) sum() []byte {
	epoch := binary.BigEndian.AppendUint64(nil, g.Epoch)
	return checksum([]byte(g.Model), []byte(g.Rollout), []byte(g.Replica), epoch, g.Data)
}

// Gauges are those of all replicas in one rollout, also of replicas that are dead.
// They are there until the second rollout after it has ended. Rows that are not what
// was written are left out, and told by a *Damage beside the others.
func (s *Store) Gauges(ctx context.Context, name, rolloutID string) ([]GaugeRow, error) {
	if s.shared != nil {
		rows, err := s.shared.gauges(ctx, name, rolloutID)
		return rows, s.explain(err)
	}
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var found []GaugeRow
	for _, g := range s.alone.gauges {
		if g.Model == name && g.Rollout == rolloutID {
			found = append(found, g)
		}
	}
	return found, nil
}

// Replicas are those that live and those that did within the last day, the latest
// first.
func (s *Store) Replicas(ctx context.Context) ([]Replica, error) {
	if s.shared != nil {
		all, err := s.shared.replicas(ctx)
		return all, s.explain(err)
	}
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if s.alone.beat.Replica == "" {
		return nil, nil
	}
	return []Replica{s.alone.beat.replica(s.alone.at, time.Now())}, nil
}

func (b *Beat) replica(at, now time.Time) Replica {
	age := now.Sub(at).Abs() // below 0 if the clock was set back since: then nobody knows, and it was not just now
	return Replica{b.Replica, b.Address, b.Version, b.Status, at.UTC(), age, age < leaseOfLife}
}

// alone is a fleet of one.
type alone struct {
	beat   Beat
	at     time.Time
	gauges []GaugeRow
}

// keep remembers a beat, and of its gauges the latest of each epoch of the rollouts
// in progress and before.
func (a *alone) keep(b Beat, now time.Time) {
	for _, g := range b.Gauges {
		g.Data = bytes.Clone(g.Data)
		a.put(GaugeRow{b.Replica, g})
	}
	a.beat, a.at = b, now
	a.beat.Gauges, a.beat.Status = nil, bytes.Clone(b.Status)
}

func (a *alone) put(row GaugeRow) {
	for i := range a.gauges {
		if g := &a.gauges[i]; g.Replica == row.Replica && g.Model == row.Model && g.Rollout == row.Rollout && g.Epoch == row.Epoch {
			*g = row
			return
		}
	}
	a.gauges = append(a.gauges, row)
	var rollouts []string // of this model, the oldest first
	for _, g := range a.gauges {
		if g.Model == row.Model && !slices.Contains(rollouts, g.Rollout) {
			rollouts = append(rollouts, g.Rollout)
		}
	}
	if len(rollouts) > keepGauges {
		a.gauges = slices.DeleteFunc(a.gauges, func(g GaugeRow) bool { return g.Model == row.Model && g.Rollout == rollouts[0] })
	}
}

// notice is what Listen hears of a commit.
func notice(name string, generation uint64) string { return fmt.Sprintf("%d %s", generation, name) }
