package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"modernc.org/sqlite"

	"serin/internal/store/wal"
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
	if harmed, err := wal.Check(s.path(walName), pageSize); err != nil {
		return err
	} else if harmed >= 0 {
		return &Damage{s.path(walName), fmt.Sprintf("the record at byte %d was changed after it was written", harmed), restore}
	}
	db, err := openDatabase(ctx, s.path(databaseName))
	if err != nil {
		return explain(s.path(databaseName), err)
	}
	found := view{head{hash: genesis}, make(map[string]model)}
	err = s.readDatabase(ctx, db, &found, written)
	if err == nil {
		err = s.reconcile(ctx, db, found, written)
	}
	if err != nil {
		return errors.Join(explain(s.path(databaseName), err), db.close())
	}
	s.db, s.known = db, found
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

// readDatabase checks pages, layout, the chain and the evidence, and fills the
// view. It keeps one row at a time.
func (s *Store) readDatabase(ctx context.Context, db *database, found *view, written *head) error {
	for _, step := range []func(context.Context, string) error{db.checkPages, db.migrate, db.checkTables} {
		if err := step(ctx, s.path(databaseName)); err != nil {
			return err
		}
	}
	before := found.head // the row before the last one
	err := db.tables().journal(ctx, "", "", 0, everything, func(r *row) (bool, error) {
		before = found.head
		return true, found.follow(r)
	})
	if err == nil && found.head.seq < s.known.head.seq { // only while settling
		err = fmt.Errorf("its journal ends with row %d, and %d rows were committed", found.head.seq, s.known.head.seq)
	}
	if err != nil {
		return s.damaged(err)
	}
	if err := s.compare(before, found.head, written); err != nil {
		return err
	}
	return s.damaged(found.readEvidence(ctx, db.tables()))
}

// follow goes on by one row of the journal, if it is the one that must follow.
func (v *view) follow(r *row) error {
	if err := r.check(v.head.seq+1, v.head.hash); err != nil {
		return err
	}
	// The rest of the row is decoded when somebody asks for it: its hash is right,
	// and Commit let nothing in that it could not read back.
	state, err := decodeState(r.state)
	if err != nil {
		return fmt.Errorf("row %d of the journal is not understood, perhaps because a newer serin wrote it: %w", r.seq, err)
	}
	if state.Model != r.model || state.Generation != v.models[r.model].generation+1 {
		return fmt.Errorf("row %d of the journal does not follow the last one of model %q", r.seq, r.model)
	}
	m := newModel(state, r.state)
	m.seq = r.seq
	v.models[r.model] = m
	v.head = head{r.seq, r.hash}
	return nil
}

// damaged makes a complaint about the database's contents a *Damage. An error
// of SQLite is left for explain.
func (s *Store) damaged(err error) error {
	var damage *Damage
	var failure *sqlite.Error
	if err == nil || errors.As(err, &damage) || errors.As(err, &failure) {
		return explain(s.path(databaseName), err)
	}
	return &Damage{s.path(databaseName), err.Error(), restore}
}

// compare holds the journal against head.json. They may differ by the one row
// that was committed when the process ended before it wrote the head.
func (s *Store) compare(before, last head, written *head) error {
	if written == nil {
		if last.seq > 0 { // the head is first written when the database is made, before any row
			return &Damage{s.path(headName), fmt.Sprintf("it is missing, and the journal has %d rows", last.seq), restore}
		}
		return nil
	}
	switch {
	case last.seq < written.seq:
		return &Damage{s.path(databaseName), fmt.Sprintf("its journal ends with row %d, and head.json says that it had %d rows", last.seq, written.seq), restore}
	case last.seq > written.seq+1:
		return &Damage{s.path(headName), fmt.Sprintf("it ends with row %d, and the journal has %d rows", written.seq, last.seq), restore}
	case last.seq == written.seq+1 && bytes.Equal(before.hash, written.hash),
		last.seq == written.seq && bytes.Equal(last.hash, written.hash):
		return nil
	}
	return &Damage{s.path(headName), fmt.Sprintf("its hash of row %d is not the journal's: the two files are not of one directory", written.seq), restore}
}

// reconcile writes head.json if it is not there yet or one row behind. The row
// may never have been synced, for its process ended before Commit returned; so
// it is made durable before the head that insists on it.
func (s *Store) reconcile(ctx context.Context, db *database, found view, written *head) error {
	if written != nil && written.seq == found.head.seq {
		return nil
	}
	if written != nil {
		slog.Debug("the journal's last row was committed when the process ended; its head is written now", "dir", s.dir, "seq", found.head.seq)
	}
	s.step("open: checkpoint")
	if err := db.checkpoint(ctx); err != nil {
		return err
	}
	s.step("open: head")
	return s.writeHead(found)
}
