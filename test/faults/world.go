package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"serin/test/faults/wire"
	"serin/test/postgres"
	"serin/test/program"
)

// patience bounds what a fleet does by itself once nothing is in its way; sooner is
// the report's business.
const patience = time.Minute

// world is a fleet, all that happens to it, and all that was seen of it. Times are
// since it began, by one clock.
type world struct {
	settings

	began    time.Time
	folder   string
	binary   string
	shop     *shop
	store    *postgres.Server
	replicas []*replica
	rounds   int
	turn     atomic.Uint64 // of the balancer

	// gate is held for reading by each prediction, and for writing by who wants none.
	gate sync.RWMutex

	mu          sync.Mutex
	faults      []fault
	operations  []operation
	predictions []prediction
	reads       []reading
	audits      []audit
	healed      []time.Duration // how long each calm took to come
	calms       []time.Duration // when it came
	unsent      int             // predictions that found no process to send them to, and went to another
}

// replica is one member of the fleet, over all its lives.
type replica struct {
	name string
	way  *wire.Proxy

	mu     sync.Mutex
	server *program.Server // nil while there is none
	client *http.Client    // for predictions of this life
	life   int
	ready  bool // as the health check found it last
	ended  map[int]time.Duration
}

// fault is something that was done to the fleet.
type fault struct {
	Kind    string        `json:"kind"`
	Replica int           `json:"replica"` // -1: all of them
	From    time.Duration `json:"from"`
	To      time.Duration `json:"to"`
}

const fleetSize = 3

func newWorld(ctx context.Context, s settings) (w *world, err error) {
	w = &world{settings: s}
	if w.folder, err = os.MkdirTemp("", "serin-faults-"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.binary = s.serin; w.binary == "" {
		if w.binary, err = program.Build(ctx, w.folder); err != nil {
			return nil, err
		}
	} else if w.binary, err = filepath.Abs(s.serin); err != nil {
		return nil, err
	}
	if err = program.Workplace(ctx, w.folder); err != nil {
		return nil, err
	}
	if w.shop, err = openShop(filepath.Join(w.folder, "models")); err != nil {
		return nil, err
	}
	if w.store, err = postgres.Start(ctx); err != nil {
		return nil, err
	}
	w.began = time.Now()
	for i := range fleetSize {
		r := &replica{name: fmt.Sprintf("replica-%c", 'a'+i), ended: map[int]time.Duration{}}
		if r.way, err = wire.New(w.store.Address); err != nil {
			return nil, err
		}
		w.replicas = append(w.replicas, r)
		if err = w.start(ctx, r); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) now() time.Duration { return time.Since(w.began) }

// start begins a life on what the ones before have left.
func (w *world) start(ctx context.Context, r *replica) error {
	server, err := program.Start(context.WithoutCancel(ctx), w.binary, w.folder,
		"--store", "postgres://postgres@"+r.way.Address()+"/postgres?sslmode=disable", "--data", r.name, "--replica-id", r.name,
		"--initial-delay", "0s", "--weight", "50%", "--isolation-timeout", w.isolation.String(), "--duration", "24h")
	if err != nil {
		return fmt.Errorf("starting %s: %w", r.name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life++
	r.server, r.ready = server, true
	r.client = &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, DisableCompression: true}, Timeout: patience}
	return nil
}

// kill ends a life as a power failure would.
func (w *world) kill(r *replica) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.server.Kill()
	r.ended[r.life] = w.now()
	r.client.CloseIdleConnections()
	r.server, r.ready = nil, false
	return err
}

// at is the life that a replica leads: nil if none.
func (r *replica) at() (server *program.Server, life int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.server, r.life
}

// signal stops a life's process, or lets it go on.
func (r *replica) signal(s syscall.Signal) error {
	server, _ := r.at()
	if server == nil {
		return nil
	}
	return server.Signal(s)
}

// close ends all that was started.
func (w *world) close() error {
	var errs []error
	for _, r := range w.replicas {
		if server, _ := r.at(); server != nil {
			_ = server.Signal(syscall.SIGCONT) // it may be stopped
			if err := server.Stop(); err != nil {
				errs = append(errs, err)
			}
		}
		r.way.Close()
	}
	if w.store != nil {
		_ = w.store.SignalAll(syscall.SIGCONT) // as well
		errs = append(errs, w.store.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(w.folder))...)
}

// note keeps a fault that has begun, and returns what ends it.
func (w *world) note(kind string, replica int) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := len(w.faults)
	w.faults = append(w.faults, fault{kind, replica, w.now(), -1})
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults[i].To = w.now()
	}
}

// calm waits until every replica serves what was decided last, without a hand. It
// returns how long that took.
func (w *world) calm(ctx context.Context) (took time.Duration, err error) {
	from := w.now()
	err = w.until(ctx, "every replica serves what was decided last", func() error {
		var of uint64
		for i, r := range w.replicas {
			generation, err := w.serves(ctx, r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if i > 0 && generation != of {
				return fmt.Errorf("%s is at generation %d, another one at %d", r.name, generation, of)
			}
			of = generation
		}
		return nil
	})
	took = w.now() - from
	w.mu.Lock()
	w.healed = append(w.healed, took)
	if err == nil {
		w.calms = append(w.calms, w.now())
	}
	w.mu.Unlock()
	return took, err
}

// serves is the decision that a replica serves, and an error while it serves other
// than was decided, or cannot commit.
func (w *world) serves(ctx context.Context, r *replica) (generation uint64, err error) {
	server, _ := r.at()
	if server == nil {
		return 0, errors.New("there is no process")
	}
	own, err := server.Standing(ctx, model)
	switch ago := time.Since(own.Heard); {
	case err != nil:
		return 0, err
	case ago > 3*time.Second: // what the store has of it is as old
		return 0, fmt.Errorf("it has not heard the store for %v", ago)
	case own.Here != "":
		return 0, errors.New(own.Here)
	}
	return own.Generation, nil
}

// until waits for something that must come by itself.
func (w *world) until(ctx context.Context, what string, holds func() error) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-poll.C:
		case <-limit.C:
			return fmt.Errorf("%v have passed, and still not: %s: %w", patience, what, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait lets time pass.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// shop makes versions: files that differ from the example model in the last digits of
// one number, so that each has a name, a SHA-256 and an answer of its own.
type shop struct {
	folder string
	text   []byte
	place  int // of the number, a float64

	mu   sync.Mutex
	made int
}

func openShop(folder string) (*shop, error) {
	text, err := os.ReadFile(filepath.Join(folder, first+".joblib"))
	if err != nil {
		return nil, fmt.Errorf("reading the example model: %w", err)
	}
	// The intercept is the last array in the file, and the version's name follows it.
	place := bytes.LastIndex(text, []byte("X\x10\x00\x00\x00_sklearn_version")) - 8
	if place < 0 {
		return nil, errors.New("the example model is not laid out as this program knows it")
	}
	return &shop{folder: folder, text: text, place: place}, nil
}

// version makes the next one, and returns its name.
func (s *shop) version() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	text := bytes.Clone(s.text)
	// The upper bytes of the mantissa are what an answer shows; 2^20 versions are enough.
	text[s.place+2], text[s.place+3], text[s.place+4] = byte(s.made), byte(s.made>>8), byte(s.made>>16)
	name := fmt.Sprintf("v%d", s.made)
	return name, os.WriteFile(filepath.Join(s.folder, name+".joblib"), text, 0o600)
}
