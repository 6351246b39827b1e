package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"serin/internal/store/line"
)

// longest is a commit, and once more to find out what became of it.
const longest = 2 * line.Patience

// shared is a store on PostgreSQL, as one replica has it open. Nothing is kept
// here of what is there: other replicas write, too.
type shared struct {
	*line.Line
	step func(string)

	mu        sync.Mutex
	closed    bool
	ready     bool // its layout was seen
	unsettled bool // a commit was sent, and its answer never came
	own       Head // the last row that was committed from here
	leases    map[string]lease
	spared    map[int64]time.Time // uploads that were not needed when they were seen last, and since when
	rows      map[string]lastRow  // of models, as they were read last

	now     func() time.Time        // monotonic
	gauged  gauged                  // gauges that the server is known to have had
	told    atomic.Int64            // beats, which may arrive in another order
	profile atomic.Pointer[profile] // that the server was told last; nil where that is not sure
}

// dial prepares for a server. It connects to none yet.
func dial(address string, step func(string)) (*shared, error) {
	l, err := line.Open(address)
	if err != nil {
		return nil, err
	}
	return &shared{Line: l, step: step, leases: map[string]lease{}, rows: map[string]lastRow{}, now: time.Now}, nil
}

// begin makes sure that the server was seen to be fit, and that the outcome of every
// earlier commit is known.
func (p *shared) begin(ctx context.Context) (tables, error) {
	t, err := p.enter(ctx)
	if err != nil {
		return tables{}, err
	}
	p.mu.Lock()
	unsettled := p.unsettled
	p.mu.Unlock()
	if unsettled {
		_, err = p.settle(ctx, 0)
	}
	return t, err
}

// enter makes sure that the server was seen to be fit.
func (p *shared) enter(ctx context.Context) (tables, error) {
	if err := ctx.Err(); err != nil {
		return tables{}, err
	}
	p.mu.Lock()
	closed, ready := p.closed, p.ready
	p.mu.Unlock()
	if closed {
		return tables{}, errClosed
	}
	if !ready {
		if err := p.prepare(ctx); err != nil {
			return tables{}, err
		}
	}
	return tables{p.Pool, line.Patience, p.Renew}, nil
}

// transaction runs do between BEGIN and COMMIT. An error of COMMIT is errInDoubt,
// whatever it says: it may be of the answer alone. So is a warning: it is how a server
// says that it has committed without waiting for the standby.
func (p *shared) transaction(ctx context.Context, do func(tables) error) error {
	conn, t, err := p.start(ctx)
	if line.Cut(err) {
		p.Renew()
		conn, t, err = p.start(ctx)
	}
	if err != nil {
		return p.explain(err)
	}
	defer conn.Close() // gives it back to the pool
	if err = do(t); err != nil {
		err = p.explain(err)
	} else {
		_ = line.Warned(conn) // of what was before
		if err = t.exec(ctx, "COMMIT"); err == nil {
			err = line.Warned(conn)
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", errInDoubt, p.explain(err))
		}
	}
	if err != nil && t.exec(ctx, "ROLLBACK") != nil { // then the server does it when the connection ends
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

// start begins a transaction on a connection that is its own.
func (p *shared) start(ctx context.Context) (*sql.Conn, tables, error) {
	waiting, cancel := context.WithTimeout(ctx, line.Patience)
	defer cancel()
	conn, err := p.Pool.Conn(waiting)
	if err != nil {
		return nil, tables{}, err
	}
	t := tables{run: conn, patience: line.Patience}
	if err := t.exec(ctx, "BEGIN"); err != nil {
		return nil, tables{}, errors.Join(err, conn.Close())
	}
	return conn, t, nil
}

// lockHead waits for its turn at the end of the journal, which lasts until the
// transaction ends.
func (t tables) lockHead(ctx context.Context) (head, error) {
	var last head
	err := t.one(ctx, "SELECT seq, hash FROM head FOR UPDATE", nil, &last.seq, &last.hash)
	return last, err
}

// settle waits until no commit is under way any more, and returns the hash of a row,
// nil if there is none. A commit of our own, of which we have heard nothing, holds the
// lock until it is decided: there after it, or never. What is there may not be on the
// standby yet; a commit after it is not answered before it is.
func (p *shared) settle(ctx context.Context, seq uint64) (hash []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	err = p.transaction(ctx, func(t tables) error {
		if _, err := t.lockHead(ctx); err != nil {
			return err
		}
		if err := t.one(ctx, "SELECT hash FROM journal WHERE seq = $1", []any{int64(seq)}, &hash); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return t.exec(ctx, "UPDATE head SET seq = seq")
	})
	p.mark(func() { p.unsettled = err != nil })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	return hash, nil
}

func (p *shared) mark(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// commit is Commit. Who has the lock on the head sees what was committed last, and
// nobody commits beside.
func (p *shared) commit(ctx context.Context, r *row, next model) error {
	for _, text := range r.texts() {
		if !plain(text) {
			return fmt.Errorf("%q is not text, which is all that PostgreSQL keeps", text)
		}
	}
	if _, err := p.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	p.step("commit: begin")
	err := p.transaction(ctx, func(t tables) error {
		last, err := t.lockHead(ctx)
		if err != nil {
			return err
		}
		current, err := t.model(ctx, r.model)
		if err != nil {
			return err
		}
		if err := r.place(last, current, &next); err != nil {
			return err
		}
		if err := t.append(ctx, r, next); err != nil {
			return err
		}
		if err := t.forget(ctx, r.model, current.rollout, next.rollout); err != nil {
			return err
		}
		if err := t.move(ctx, r, next); err != nil {
			return err
		}
		p.step("commit: written")
		err = t.exec(ctx, "SELECT pg_notify($1, $2)", p.Schema, notice(r.model, next.generation))
		return err
	})
	if errors.Is(err, errInDoubt) {
		hash, unsettled := p.settle(ctx, r.seq)
		if unsettled != nil {
			return errors.Join(unsettled, err)
		}
		if string(hash) == string(r.hash) {
			err = nil
		}
	}
	if err == nil {
		p.mark(func() {
			if r.seq > p.own.Seq {
				p.own = headOf(head{r.seq, r.hash})
			}
		})
		p.step("commit: durable")
	}
	return err
}

// model is what is committed of a model, with its evidence; zero if nothing is. The
// lock on its row is taken before any on its evidence, as by who saves that: else the
// two would wait for each other.
func (t tables) model(ctx context.Context, name string) (model, error) {
	var m model
	err := t.one(ctx, "SELECT m.generation, m.rollout, coalesce(e.data, '') FROM models m LEFT JOIN evidence e ON e.model = m.model WHERE m.model = $1 FOR UPDATE OF m",
		[]any{name}, &m.generation, &m.rollout, &m.evidence)
	if errors.Is(err, sql.ErrNoRows) {
		return model{}, nil
	}
	return m, err
}

// move makes a row the last of the journal and of its model.
func (t tables) move(ctx context.Context, r *row, next model) error {
	err := t.exec(ctx, `INSERT INTO models (model, generation, rollout, seq) VALUES ($1, $2, $3, $4)
		ON CONFLICT (model) DO UPDATE SET generation = excluded.generation, rollout = excluded.rollout, seq = excluded.seq`,
		r.model, int64(next.generation), next.rollout, int64(r.seq))
	if err == nil {
		err = t.exec(ctx, "UPDATE head SET seq = $1, hash = $2", int64(r.seq), r.hash)
	}
	return err
}

// save is what SaveEvidence and SaveLook have in common. Evidence alone, which is
// saved each second, is one statement.
func (p *shared) save(ctx context.Context, what, name, rolloutID string, data []byte, more func(context.Context, tables) error) error {
	t, err := p.begin(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	p.step(what + ": begin")
	if more == nil {
		err = p.explain(t.replaceEvidence(ctx, name, rolloutID, data))
	} else {
		err = p.transaction(ctx, func(t tables) error {
			if err := t.replaceEvidence(ctx, name, rolloutID, data); err != nil {
				return err
			}
			return more(ctx, t)
		})
	}
	if err == nil {
		p.step(what + ": durable")
	}
	return err
}

// replaceEvidence replaces the evidence of a rollout that is in progress. The lock on
// the model's row keeps the rollout from ending in the middle.
func (t tables) replaceEvidence(ctx context.Context, name, rolloutID string, data []byte) error {
	var done bool
	err := t.one(ctx, `INSERT INTO evidence (model, rollout, data, checksum)
		SELECT model, rollout, $3, $4 FROM (SELECT model, rollout FROM models WHERE model = $1 AND rollout = $2 AND rollout <> '' FOR UPDATE) m
		ON CONFLICT (model) DO UPDATE SET rollout = excluded.rollout, data = excluded.data, checksum = excluded.checksum RETURNING true`,
		[]any{name, rolloutID, data, checksum([]byte(name), []byte(rolloutID), data)}, &done)
	if errors.Is(err, sql.ErrNoRows) {
		return notInProgress(name, rolloutID)
	}
	return err
}

// close waits for what is under way.
func (p *shared) close() error {
	p.mark(func() { p.closed = true })
	return p.Pool.Close()
}

// state reads the last row of a model and its evidence, as they were at one moment.
func (p *shared) state(ctx context.Context, name string) (model, error) {
	t, err := p.begin(ctx)
	if err != nil {
		return model{}, err
	}
	var known lastRow
	p.mark(func() { known = p.rows[name] })
	now, err := t.lastRow(ctx, name, known)
	if err != nil {
		return model{}, p.explain(err)
	}
	p.mark(func() { p.rows[name] = now })
	return now.model, nil
}

// lastRow is the last row of a model, by its place in the chain, and what it says. Who
// knows a row need not have it sent again: it is what its hash says.
type lastRow struct {
	head
	model model
}

func (t tables) lastRow(ctx context.Context, name string, known lastRow) (lastRow, error) {
	var r row
	var rolloutID string
	var seq, generation uint64
	var data, sum []byte
	err := t.one(ctx, `SELECT coalesce(j.seq, 0), coalesce(j.model, ''), coalesce(j.at, ''), coalesce(j.event, ''), coalesce(j.actor, ''), coalesce(j.reason, ''), coalesce(j.rollout, ''),
		coalesce(j.finding, ''), coalesce(j.detail, ''), coalesce(j.state, ''), coalesce(j.evidence, ''), coalesce(j.prev, ''), coalesce(j.hash, ''),
		m.seq, m.generation, coalesce(e.rollout, ''), coalesce(e.data, ''), coalesce(e.checksum, '')
		FROM models m LEFT JOIN journal j ON j.seq = m.seq AND (j.seq <> $2 OR j.hash <> $3) LEFT JOIN evidence e ON e.model = m.model WHERE m.model = $1`,
		[]any{name, int64(known.seq), known.hash},
		&r.seq, &r.model, &r.at, &r.event, &r.actor, &r.reason, &r.rollout, &r.finding, &r.detail, &r.state, &r.evidence, &r.prev, &r.hash,
		&seq, &generation, &rolloutID, &data, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return lastRow{}, nil
	}
	if err != nil {
		return lastRow{}, err
	}
	last := known
	if r.seq != 0 || seq != known.seq {
		if err := r.check(seq, r.prev); err != nil {
			return lastRow{}, flaw("%w", err)
		}
		state, err := decodeState(r.state)
		if err != nil {
			return lastRow{}, fmt.Errorf("row %d of the journal is not understood, perhaps because a newer serin wrote it: %w", r.seq, err)
		}
		if r.model != name {
			return lastRow{}, flaw("row %d of the journal is not the last of model %q", seq, name)
		}
		last = lastRow{head{r.seq, r.hash}, newModel(state, r.state)}
	}
	m := &last.model
	m.evidence = nil
	switch {
	case m.generation != generation:
		return lastRow{}, flaw("row %d of the journal is not the last of model %q", seq, name)
	case m.rollout == "":
		return last, nil
	case m.rollout != rolloutID || string(sum) != string(checksum([]byte(name), []byte(rolloutID), data)):
		return lastRow{}, flaw("the evidence of rollout %q of model %q does not have the checksum that it was written with", m.rollout, name)
	}
	m.evidence = data
	return last, nil
}

func (p *shared) models(ctx context.Context) (names []string, err error) {
	t, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	err = t.each(ctx, "SELECT model FROM models", nil, func(rows *sql.Rows) (bool, error) {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return true, err
	})
	return names, p.explain(err)
}
