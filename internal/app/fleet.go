package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"serin/internal/control"
	"serin/internal/store"
)

// coast is the store as control's fleet knows it.
type coast struct{ *store.Store }

var _ control.Shared = coast{}

func (c coast) Beat(ctx context.Context, b control.Beat) (control.Pulse, error) {
	beat := store.Beat{
		Replica: b.Replica.Name, Address: b.Replica.Address, Version: b.Replica.Version, Status: b.Replica.Status,
		Models: b.Models, Seen: parseHead(b.Seen),
	}
	for _, r := range b.Rows {
		beat.Gauges = append(beat.Gauges, store.Gauge{Model: r.Model, Rollout: r.Rollout, Epoch: uint64(r.Epoch), Data: r.Data})
	}
	heard, err := c.Store.Beat(ctx, beat)
	if err != nil {
		return control.Pulse{}, err
	}
	pulse := control.Pulse{Head: formatHead(heard.Head), Kept: heard.Kept, Generations: map[string]uint64{}, Leaders: map[string]string{}}
	for name, standing := range heard.Models {
		pulse.Generations[name], pulse.Leaders[name] = standing.Generation, standing.Leader
	}
	return pulse, nil
}

// formatHead writes the end of a journal as one word, and parseHead reads it.
func formatHead(h store.Head) string {
	if h.Seq == 0 {
		return ""
	}
	return strconv.FormatUint(h.Seq, 10) + ":" + h.Hash
}

func parseHead(word string) store.Head {
	seq, hash, _ := strings.Cut(word, ":")
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil { // "" is none
		return store.Head{}
	}
	return store.Head{Seq: n, Hash: hash}
}

func (c coast) Rows(ctx context.Context, model, rolloutID string) ([]control.Row, error) {
	gauges, err := c.Gauges(ctx, model, rolloutID)
	if err != nil {
		return nil, err
	}
	rows := make([]control.Row, len(gauges))
	for i, g := range gauges {
		rows[i] = control.Row{Model: g.Model, Rollout: g.Rollout, Replica: g.Replica, Epoch: int(g.Epoch), Data: g.Data}
	}
	return rows, nil
}

func (c coast) Replicas(ctx context.Context) ([]control.Replica, error) {
	said, err := c.Store.Replicas(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]control.Replica, len(said))
	for i, r := range said {
		all[i] = control.Replica{Name: r.Name, Address: r.Address, Version: r.Version, Status: r.Status, Heard: r.At, Live: r.Live}
	}
	return all, nil
}

func (c coast) Listen(ctx context.Context, heard func()) {
	c.Store.Listen(ctx, func(string, uint64) { heard() })
}

// fleet is this process among those that share its store.
type fleet struct {
	control.Fleet

	known *known
	last  lastKnown // of the process before
}

// survival is how long a process must live not to count as killed by what it serves.
const survival = time.Minute

// newFleet reads what the process before knew. Without a store that is shared there
// is no fleet.
func newFleet(c *Config, memory *store.Store, address string, killed bool) (*fleet, error) {
	if c.Store == "" {
		return nil, nil
	}
	last, err := readKnown(c.Data)
	if err != nil {
		return nil, err
	}
	id := c.Replica
	if id == "" {
		if id, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("finding the host's name: %w; name this replica with --replica-id", err)
		}
	}
	f := &fleet{last: last, Fleet: control.Fleet{
		Store: coast{memory}, Isolation: c.Isolation, Seen: last.Head, Log: c.Log,
		Self: control.Replica{Name: id + "/" + strings.ToLower(rand.Text()[:8]), Address: address, Version: c.Version},
	}}
	now := last
	now.Process, now.Kills = f.Self.Name, 0
	if killed {
		now.Kills = last.Kills + 1
	}
	f.last.Kills = now.Kills
	f.known = &known{path: filepath.Join(c.Data, knownName), log: c.Log, head: f.Head, now: now}
	if len(now.Models) > 0 { // before any of them is loaded
		f.known.mu.Lock()
		f.known.write()
		f.known.mu.Unlock()
	}
	return f, nil
}

// shared is the fleet as control knows it; nil where there is none.
func (f *fleet) shared() *control.Fleet {
	if f == nil {
		return nil
	}
	return &f.Fleet
}

// start is what control must know of the process before to bring a model up.
func (f *fleet) start(model string, box control.Start) control.Start {
	box.Suspects, box.Was, box.Kills = f.last.inProgress(), f.last.Process, f.last.Kills
	if s, found := f.last.Models[model]; found {
		box.Last = &s
	}
	return box
}

// work beats until stop is called.
func (f *fleet) work(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	working.Go(func() { f.Run(ctx) })
	working.Go(func() {
		select {
		case <-time.After(survival):
			f.known.survived()
		case <-ctx.Done():
		}
	})
	return func() { cancel(); working.Wait() }
}

// stale tells control which errors of a commit are another replica's success.
func stale(err error) error {
	switch {
	case errors.Is(err, store.ErrStale):
		return errors.Join(control.ErrStale, err)
	case errors.Is(err, store.ErrUnsettled):
		return errors.Join(control.ErrUnsettled, err)
	}
	return err
}
