package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// load reads the whole directory, checks it, and only then lets the store use
// it. It is what happens at a start, and again after a failed commit.
func (s *Store) load(ctx context.Context) error {
	if err := syncDir(s.dir); err != nil { // a WAL that SQLite removed must not come back after a power failure
		return err
	}
	written, err := readHead(s.path(headName))
	if err != nil {
		return err
	}
	if err := s.checkPresence(written); err != nil {
		return err
	}
	if err := checkWAL(s.path(walName)); err != nil {
		return err
	}
	db, err := openDatabase(ctx, s.path(databaseName))
	if err != nil {
		return explain(s.path(databaseName), err)
	}
	s.models, s.head = make(map[string]model), head{hash: genesis}
	err = s.readDatabase(ctx, db, written)
	if err == nil {
		err = s.reconcile(ctx, db, written)
	}
	if err != nil {
		return errors.Join(explain(s.path(databaseName), err), db.close())
	}
	s.db = db
	return nil
}

// checkPresence refuses a directory in which something is missing that must be
// there if anything else is.
func (s *Store) checkPresence(written *head) error {
	database, err := size(s.path(databaseName))
	if err != nil {
		return err
	}
	wal, err := size(s.path(walName))
	if err != nil {
		return err
	}
	artifacts, err := os.ReadDir(s.path(artifactsName))
	if err != nil {
		return err
	}
	switch {
	case database == 0 && written != nil:
		return &Damage{s.path(databaseName), fmt.Sprintf("it is missing or empty, and head.json says that its journal has %d rows", written.seq), restore}
	case database == 0 && wal > 0:
		return &Damage{s.path(databaseName), "it is missing or empty, and its WAL is there", restore}
	case written == nil && len(artifacts) > 0:
		return &Damage{s.path(headName), "it is missing, and there are artifacts of an earlier run", restore}
	}
	return nil
}

// size is a file's size, 0 if there is none.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// readDatabase checks layout, pages, the chain and the evidence, and fills
// s.models and s.head. It keeps one row at a time.
func (s *Store) readDatabase(ctx context.Context, db *database, written *head) error {
	if err := db.migrate(ctx, s.path(databaseName)); err != nil {
		return err
	}
	if err := db.check(ctx, s.path(databaseName)); err != nil {
		return err
	}
	last := head{hash: genesis} // the row before the last one
	err := db.journal(ctx, "", 0, func(r *row) (bool, error) {
		if err := r.check(s.head.seq+1, s.head.hash); err != nil {
			return false, err
		}
		e, err := r.entry()
		if err != nil {
			return false, fmt.Errorf("row %d of the journal is not understood, perhaps because a newer serin wrote it: %w", r.seq, err)
		}
		if e.State.Generation != s.models[r.model].generation+1 {
			return false, fmt.Errorf("row %d of the journal skips a generation of model %q", r.seq, r.model)
		}
		m := model{generation: e.State.Generation, state: r.state}
		if e.State.Rollout != nil {
			m.rollout = e.State.Rollout.ID
		}
		s.models[r.model] = m
		last, s.head = s.head, head{r.seq, r.hash}
		return true, nil
	})
	if err != nil {
		return s.damaged(err)
	}
	if err := s.compare(last, written); err != nil {
		return err
	}
	return s.damaged(s.readEvidence(ctx, db))
}

// damaged makes a complaint about the database's contents a *Damage. An error
// of SQLite is left for explain.
func (s *Store) damaged(err error) error {
	if explained := explain(s.path(databaseName), err); err == nil || explained != err {
		return explained
	}
	return &Damage{s.path(databaseName), err.Error(), restore}
}

// compare holds the journal against head.json. They may differ by the one row
// that was committed when the process ended before it wrote the head.
func (s *Store) compare(before head, written *head) error {
	if written == nil {
		if s.head.seq > 0 { // the head is first written when the database is made, before any row
			return &Damage{s.path(headName), fmt.Sprintf("it is missing, and the journal has %d rows", s.head.seq), restore}
		}
		return nil
	}
	switch {
	case s.head.seq < written.seq:
		return &Damage{s.path(databaseName), fmt.Sprintf("its journal ends with row %d, and head.json says that it had %d rows", s.head.seq, written.seq), restore}
	case s.head.seq > written.seq+1:
		return &Damage{s.path(headName), fmt.Sprintf("it ends with row %d, and the journal has %d rows", written.seq, s.head.seq), restore}
	case s.head.seq == written.seq+1 && bytes.Equal(before.hash, written.hash),
		s.head.seq == written.seq && bytes.Equal(s.head.hash, written.hash):
		return nil
	}
	return &Damage{s.path(headName), fmt.Sprintf("its hash of row %d is not the journal's: the two files are not of one directory", written.seq), restore}
}

// reconcile writes head.json if it is not there yet or one row behind. The row
// may never have been synced, for its process ended before Commit returned; so
// it is made durable before the head that insists on it.
func (s *Store) reconcile(ctx context.Context, db *database, written *head) error {
	if written != nil && written.seq == s.head.seq {
		return nil
	}
	if written != nil {
		slog.Debug("the journal's last row was committed when the process ended; its head is written now", "dir", s.dir, "seq", s.head.seq)
	}
	s.step("open: checkpoint")
	if err := db.checkpoint(ctx); err != nil {
		return err
	}
	s.step("open: head")
	return s.writeHead()
}
