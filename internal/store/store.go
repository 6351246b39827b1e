package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"serin/internal/record"
	"serin/internal/rollout"
)

// The names in a state directory.
const (
	databaseName    = "serin.db"
	walName         = "serin.db-wal"
	headName        = "head.json"
	artifactsName   = "artifacts"
	lockName        = "lock"
	temporarySuffix = ".tmp"
)

// Store is an open state directory, with all that is in it or with PostgreSQL
// behind it. It is safe for concurrent use; in a directory alone, one operation runs
// at a time.
type Store struct {
	dir    string
	step   func(string)
	lock   *flock.Flock
	held   os.FileInfo // of the lock's file, as it was locked
	share  int64       // see Shareable
	shared *shared     // nil: all is in the directory, and what follows is of it

	// turn is taken by whoever uses what is below; a channel, so that waiting for
	// a slow disk can be given up.
	turn    chan struct{}
	db      *database // nil once closed, or while unsettled
	closed  bool
	known   view
	headDue bool // head.json is one row behind
	alone   alone
}

// view is what is on the disk, as far as the store knows.
type view struct {
	head   head
	models map[string]model
}

// model is what is kept in memory of one model: what the last row and the
// evidence table say.
type model struct {
	generation uint64
	seq        uint64 // of its last row; not always known
	rollout    string // id of the one in progress, "" if none
	state      string // JSON
	evidence   []byte // encoded; nil if there is no rollout
}

// newModel keeps of a state what every commit and save must know.
func newModel(state rollout.State, text string) model {
	m := model{generation: state.Generation, state: text}
	if state.Rollout != nil {
		m.rollout = state.Rollout.ID
	}
	return m
}

// Options configure a Store.
type Options struct {
	// Step, if it is not nil, is called before and after each durable step with
	// the step's name. Tests end the process there.
	Step func(step string)
	// URL is where PostgreSQL is, postgres://user:password@host:5432/database; empty
	// for SQLite in the directory. Several hosts, with commas between them, are
	// tried for the one that can be written. Its search_path is the schema that the
	// tables are in, serin if it names none.
	URL string
	// Share is the size of the largest artifact that is kept in PostgreSQL, in bytes:
	// every replica fetches it from there, and it is in every backup. 0 is 64 MiB.
	Share int64
}

// Open opens a state directory, makes it if it does not exist, and checks
// everything that is in it but the artifacts. It returns ErrLocked when the
// directory is in use, and *Damage when a file in it is not what was written.
//
// With a URL the directory holds copies of artifacts, and the lock; the tables are
// made if they do not exist. A server that cannot be reached does not keep it from
// opening: every call returns ErrUnreachable until it can be.
func Open(dir string, o Options) (*Store, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the state directory %s: %w", dir, err)
	}
	s := &Store{dir: absolute, step: o.Step, turn: make(chan struct{}, 1), share: math.MaxInt64 - 1}
	if s.step == nil {
		s.step = func(string) {}
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if o.URL != "" {
		s.share = cmp.Or(o.Share, defaultShare)
		err = s.connect(context.Background(), o.URL)
	} else {
		err = s.load(context.Background())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the state directory %s: %w", absolute, err), s.lock.Unlock())
	}
	return s, nil
}

// connect is what Open does where the state is on PostgreSQL.
func (s *Store) connect(ctx context.Context, address string) error {
	for _, name := range []string{databaseName, headName} {
		if _, err := os.Lstat(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("it holds a state of its own, %s, beside which another one would go on: take that over with serin import, and give another directory with --data", name)
		}
	}
	entries, err := os.ReadDir(s.path(artifactsName))
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), fetching) {
			err = errors.Join(err, os.Remove(s.artifact(entry.Name())))
		}
	}
	if err != nil {
		return err
	}
	p, err := dial(address, s.step)
	if err != nil {
		return err
	}
	if _, err := p.begin(ctx); err != nil && !errors.Is(err, ErrUnreachable) {
		return errors.Join(err, p.close())
	}
	s.shared = p
	return nil
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// prepare makes the directory and locks it.
func (s *Store) prepare() error {
	unusable := func(err error) error {
		return fmt.Errorf("the state directory %s cannot be used: %w. Make it a directory that this user may write, or choose another one", s.dir, err)
	}
	if err := os.MkdirAll(s.path(artifactsName), 0o700); err != nil {
		return unusable(err)
	}
	if err := syncDir(filepath.Dir(s.dir)); err != nil {
		return unusable(err)
	}
	s.lock = flock.New(s.path(lockName), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	locked, err := s.lock.TryLock()
	if err != nil {
		return unusable(err)
	}
	if !locked {
		return fmt.Errorf("%w: %s is held by %s. Stop it first, or choose another directory", ErrLocked, s.dir, s.holder())
	}
	if err := os.WriteFile(s.path(lockName), fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		return errors.Join(unusable(err), s.lock.Unlock())
	}
	if s.held, err = os.Stat(s.path(lockName)); err != nil {
		return errors.Join(unusable(err), s.lock.Unlock())
	}
	return nil
}

// holder names the process that wrote its id into the lock file.
func (s *Store) holder() string {
	text, _ := os.ReadFile(s.path(lockName)) // only makes the message better
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}

// begin waits for the caller's turn and makes sure that the outcome of every
// earlier commit is known. The caller must call the returned function.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	end = func() { <-s.turn }
	switch {
	case s.closed:
		err = errClosed
	case s.db == nil:
		err = s.settle(ctx)
	}
	if err != nil {
		end()
		return nil, err
	}
	return end, nil
}

// beginWrite is begin for writers: first of all head.json must have caught up,
// so that it is never more than one row behind.
func (s *Store) beginWrite(ctx context.Context) (end func(), err error) {
	if end, err = s.begin(ctx); err != nil {
		return nil, err
	}
	if err := s.stillHere(); err != nil {
		end()
		return nil, err
	}
	if !s.headDue {
		return end, nil
	}
	if err := s.writeHead(s.known); err != nil {
		end()
		return nil, fmt.Errorf("catching up after a commit whose head could not be written: %w", err)
	}
	return end, nil
}

// stillHere refuses to write where the directory was moved or deleted: SQLite
// would go on in files that nobody finds again.
func (s *Store) stillHere() error {
	named, err := os.Stat(s.path(lockName))
	if err != nil || !os.SameFile(s.held, named) {
		return fmt.Errorf("the state directory %s was moved or deleted while it is in use: put it back, or stop serin and restore it from a backup", s.dir)
	}
	return nil
}

// reading is begin for those who read tables.
func (s *Store) reading(ctx context.Context) (t tables, end func(), err error) {
	if s.shared != nil {
		t, err = s.shared.begin(ctx)
		return t, func() {}, err
	}
	if end, err = s.begin(ctx); err != nil {
		return tables{}, nil, err
	}
	return s.db.tables(), end, nil
}

// place is where the tables are, for messages.
func (s *Store) place() string {
	if s.shared != nil {
		return s.shared.Address
	}
	return s.path(databaseName)
}

// explain turns an error of the database into one for people.
func (s *Store) explain(err error) error {
	if s.shared != nil {
		return s.shared.explain(err)
	}
	return explain(s.path(databaseName), err)
}

// settle finds out what is on the disk as a restart would: it opens the
// database again and reads all of it.
func (s *Store) settle(ctx context.Context) error {
	if s.db != nil {
		_ = s.db.close() // it failed already; load looks at what is there
		s.db = nil
	}
	if err := s.load(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	return nil
}

// State returns the committed state of a model and, if a rollout is in
// progress, the last evidence that was saved or committed for it. A model that
// was never written is the zero State with its name.
func (s *Store) State(ctx context.Context, name string) (rollout.State, record.Evidence, error) {
	m, err := s.model(ctx, name)
	if err != nil {
		return rollout.State{}, record.Evidence{}, err
	}
	if m.state == "" {
		return rollout.State{Model: name}, record.Evidence{}, nil
	}
	state, err := decodeState(m.state)
	if err != nil {
		return rollout.State{}, record.Evidence{}, err
	}
	var evidence record.Evidence
	if m.evidence != nil {
		if err := evidence.UnmarshalBinary(m.evidence); err != nil {
			return rollout.State{}, record.Evidence{}, err
		}
	}
	return state, evidence, nil
}

// model is what is committed of a model; zero if nothing is.
func (s *Store) model(ctx context.Context, name string) (model, error) {
	if s.shared != nil {
		return s.shared.state(ctx, name)
	}
	end, err := s.begin(ctx)
	if err != nil {
		return model{}, err
	}
	defer end()
	return s.known.models[name], nil
}

// Models are the names of the models that have a state, sorted.
func (s *Store) Models(ctx context.Context) ([]string, error) {
	if s.shared != nil {
		names, err := s.shared.models(ctx)
		slices.Sort(names)
		return names, err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return slices.Sorted(maps.Keys(s.known.models)), nil
}

// Close waits for the operation in progress, closes the database and gives the
// lock back. It may be called again.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	switch {
	case s.shared != nil:
		err = s.shared.close()
	case s.db != nil:
		err = s.db.close()
		s.db = nil
	}
	if err := errors.Join(err, s.lock.Unlock()); err != nil {
		return fmt.Errorf("closing the state directory %s: %w", s.dir, err)
	}
	return nil
}
