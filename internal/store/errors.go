package store

import (
	"errors"
	"fmt"
)

var (
	// ErrStale means that the caller decided from a state that is no longer the
	// committed one. Nothing was written; read the state again.
	ErrStale = errors.New("the decision was made from an outdated state")
	// ErrLocked means that another process, or another Store of this one, has the
	// directory open.
	ErrLocked = errors.New("the state directory is in use")
	// ErrUnsettled means that the disk failed in the middle of a commit, and
	// failed again when the store looked whether the commit is there. It may be.
	// Every call looks again; the first one that succeeds knows: the generation
	// that State returns says whether the commit happened.
	ErrUnsettled = errors.New("the disk failed in the middle of a commit, and whether it happened is not known yet")

	errClosed = errors.New("the store is closed")
)

// Damage says that a file is not what the store wrote. The store never goes on
// with such a file, and never starts empty in its place.
type Damage struct {
	// Path is the file.
	Path string
	// What is wrong with it, and where, in one sentence.
	What string
	// Next says what to do about it.
	Next string
}

func (d *Damage) Error() string { return fmt.Sprintf("%s is damaged: %s. %s", d.Path, d.What, d.Next) }

// restore is the way out of damage to the state itself.
const restore = "Restore the whole directory from a backup; or move it away and start anew with the model file that was stable: head.json, " +
	"where it can still be read, names its digest, and artifacts/ has it under that name."

// flaw is damage to what is in the tables; explain says whose they are, and what to
// do about it.
func flaw(format string, args ...any) error {
	return &Damage{What: fmt.Errorf(format, args...).Error()}
}

func (s *Store) restore() string {
	if s.shared != nil {
		return restoreShared
	}
	return restore
}

// TooLarge refuses something bigger than it may be. Nothing was kept of it.
type TooLarge struct {
	// What it is.
	What string
	// Limit is the greatest size allowed, in bytes.
	Limit int64
}

func (t *TooLarge) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes, the most that is allowed", t.What, t.Limit)
}
