package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"serin/internal/record"
	"serin/internal/rollout"
)

// Entry is one event of a model, as the journal keeps it.
type Entry struct {
	// Seq is the row's place in the journal, from 1, without gaps over all models
	// of the directory. Commit assigns it and ignores what is here.
	Seq uint64
	// At is when it happened. It comes back as the same instant in UTC.
	At time.Time
	// Event is what happened.
	Event rollout.Kind
	// Actor is who asked; Reason is theirs, in one line.
	Actor, Reason string
	// Rollout is the id of the rollout that the event belongs to, "" if none.
	Rollout string
	// Finding is the judge's at this moment, nil if none was asked for.
	Finding *rollout.Finding
	// Detail holds the numbers of the verdict as a JSON value, nil if none.
	Detail json.RawMessage
	// Evidence is what the decision was made from, nil if none.
	Evidence *record.Evidence
	// State is the model's state after the event.
	State rollout.State
}

// maxRow bounds the contents of one row, in bytes. A state with its 100
// remembered versions and the evidence of a few stages takes less than 50 kB.
const maxRow = 1 << 20

// row is an entry as it is stored: all text but the evidence, so that any tool
// can show it. Nothing is NULL: what is absent is empty, which no JSON value
// and no encoded evidence is.
type row struct {
	seq        uint64
	model      string
	at         string
	event      string
	actor      string
	reason     string
	rollout    string
	finding    string
	detail     string
	state      string
	evidence   []byte
	prev, hash []byte
}

func (r *row) columns() []any {
	return []any{
		int64(r.seq), r.model, r.at, r.event, r.actor, r.reason, r.rollout, r.finding, r.detail, r.state, r.evidence, r.prev, r.hash,
	}
}

// texts are the columns that hold text, in their order.
func (r *row) texts() []string {
	return []string{r.model, r.at, r.event, r.actor, r.reason, r.rollout, r.finding, r.detail, r.state}
}

func (r *row) scan(scan func(...any) error) error {
	err := scan(&r.seq, &r.model, &r.at, &r.event, &r.actor, &r.reason, &r.rollout, &r.finding, &r.detail, &r.state, &r.evidence, &r.prev, &r.hash)
	if r.evidence == nil { // SQLite's way to hand out no bytes, which is PostgreSQL's for NULL
		r.evidence = []byte{}
	}
	return err
}

// digest is the row's link in the chain:
//
//	SHA-256("serin journal 1" | prev | seq | for each column: its length, its bytes)
//
// with numbers as 8 bytes, so that no two rows are hashed alike.
func (r *row) digest() []byte {
	h := sha256.New()
	var number [8]byte
	put := func(n uint64) {
		binary.BigEndian.PutUint64(number[:], n)
		h.Write(number[:])
	}
	h.Write([]byte("serin journal 1"))
	put(uint64(len(r.prev)))
	h.Write(r.prev)
	put(r.seq)
	for _, text := range r.texts() {
		put(uint64(len(text)))
		h.Write([]byte(text))
	}
	put(uint64(len(r.evidence)))
	h.Write(r.evidence)
	return h.Sum(nil)
}

// encode turns an entry into a row without a place in the chain. It refuses
// what could not be read back, for a committed row that cannot be read would
// lock its owner out.
func encode(e Entry) (*row, error) {
	if e.State.Model == "" || !utf8.ValidString(e.State.Model) {
		return nil, fmt.Errorf("%q cannot be the name of a model", e.State.Model)
	}
	state, err := json.Marshal(e.State)
	if err != nil {
		return nil, err
	}
	r := &row{
		model: e.State.Model, at: e.At.UTC().Format(time.RFC3339Nano), event: string(e.Event), actor: e.Actor, reason: e.Reason,
		rollout: e.Rollout, detail: string(e.Detail), state: string(state), evidence: []byte{},
	}
	if e.Finding != nil {
		finding, err := json.Marshal(e.Finding)
		if err != nil {
			return nil, err
		}
		r.finding = string(finding)
	}
	if e.Evidence != nil {
		if r.evidence, err = e.Evidence.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	size := len(r.evidence)
	for _, text := range r.texts() {
		size += len(text)
	}
	if size > maxRow {
		return nil, &TooLarge{"a journal entry", maxRow}
	}
	_, err = r.entry()
	return r, err
}

// entry decodes a row.
func (r *row) entry() (Entry, error) {
	e := Entry{Seq: r.seq, Event: rollout.Kind(r.event), Actor: r.actor, Reason: r.reason, Rollout: r.rollout}
	var err error
	if e.At, err = time.Parse(time.RFC3339Nano, r.at); err != nil {
		return Entry{}, fmt.Errorf("reading the time: %w", err)
	}
	if e.State, err = decodeState(r.state); err != nil {
		return Entry{}, err
	}
	if e.State.Model != r.model {
		return Entry{}, fmt.Errorf("the state is of model %q, the row of %q", e.State.Model, r.model)
	}
	if r.finding != "" {
		e.Finding = new(rollout.Finding)
		if err := decodeJSON(r.finding, e.Finding); err != nil {
			return Entry{}, fmt.Errorf("reading the finding: %w", err)
		}
	}
	if r.detail != "" {
		e.Detail = json.RawMessage(r.detail)
		if !json.Valid(e.Detail) {
			return Entry{}, errors.New("the detail is not a JSON value")
		}
	}
	if len(r.evidence) > 0 {
		e.Evidence = new(record.Evidence)
		if err := e.Evidence.UnmarshalBinary(r.evidence); err != nil {
			return Entry{}, err
		}
	}
	return e, nil
}

func decodeState(text string) (rollout.State, error) {
	var s rollout.State
	if err := decodeJSON(text, &s); err != nil {
		return rollout.State{}, fmt.Errorf("reading the state: %w", err)
	}
	return s, nil
}

// decodeJSON refuses members that it does not know: a newer serin wrote them,
// and going on without them would lose them.
func decodeJSON(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// check verifies a row by itself: its place and its hash.
func (r *row) check(seq uint64, prev []byte) error {
	switch {
	case r.seq != seq:
		return fmt.Errorf("row %d of the journal is missing", seq)
	case !bytes.Equal(r.prev, prev):
		return fmt.Errorf("row %d of the journal does not follow row %d", seq, seq-1)
	case !bytes.Equal(r.hash, r.digest()):
		return fmt.Errorf("row %d of the journal does not have the hash that it was written with", seq)
	}
	return nil
}
