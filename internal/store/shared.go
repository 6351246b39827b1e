package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// How long PostgreSQL may take, or a wire to it. A commit holds the lock on the
// journal's head, so a replica that stops in the middle of one, or that nobody
// reaches any more, must lose it before others give up waiting.
const (
	patience      = 5 * time.Second // a statement, the connection included
	lockPatience  = 4 * time.Second
	idlePatience  = 2 * time.Second // between two statements of a transaction
	fewConnection = 4
)

// shared is a store on PostgreSQL, as one replica has it open. Nothing is kept
// here of what is there: other replicas write, too.
type shared struct {
	address string // for messages, without the password
	schema  string
	config  *pgx.ConnConfig
	pool    *sql.DB
	step    func(string)

	mu        sync.Mutex
	closed    bool
	ready     bool // its layout was seen
	unsettled bool // a commit was sent, and its answer never came
	own       Head // the last row that was committed from here
}

// dial prepares for a server. It connects to none yet.
func dial(address string, step func(string)) (*shared, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		return nil, errors.New("the address of the store is not of the form postgres://user@host:5432/database")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the address of the store, %s, is not understood: %w. Write it like postgres://user@host:5432/database", parsed.Redacted(), err)
	}
	if parsed.Query().Get("target_session_attrs") == "" { // of several hosts, the one that can be written
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: patience, Interval: patience, Count: 3}}).DialContext
	if schema := config.RuntimeParams["search_path"]; strings.Trim(schema, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return nil, fmt.Errorf("search_path=%s in the address of the store is not the name of one schema: write lower-case letters, digits and _", schema)
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	for name, value := range map[string]string{
		"application_name": "serin", "search_path": "serin", "statement_timeout": milliseconds(patience), "lock_timeout": milliseconds(lockPatience),
		"idle_in_transaction_session_timeout": milliseconds(idlePatience),
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	config.RuntimeParams["synchronous_commit"] = "on"
	p := &shared{address: parsed.Redacted(), schema: config.RuntimeParams["search_path"], config: config, step: step}
	p.pool = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(checkServer))
	p.pool.SetMaxOpenConns(fewConnection)
	p.pool.SetMaxIdleConns(2)
	p.pool.SetConnMaxIdleTime(5 * time.Minute)
	return p, nil
}

// checkServer reads back, of each new connection, what makes a commit durable. After
// a failover another server may be there.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var fsync, synchronous, encoding string
	err := conn.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')").Scan(&fsync, &synchronous, &encoding)
	switch {
	case err != nil:
		return err
	case fsync != "on" || synchronous != "on":
		return &unfit{fmt.Sprintf("it runs with fsync = %s and synchronous_commit = %s, so nothing that it acknowledges would be durable: set both to on", fsync, synchronous)}
	case encoding != "UTF8":
		return &unfit{"its encoding is " + encoding + ": make the database with ENCODING 'UTF8'"}
	}
	return nil
}

// begin makes sure that the server was seen to be fit, and that the outcome of every
// earlier commit is known.
func (p *shared) begin(ctx context.Context) (tables, error) {
	if err := ctx.Err(); err != nil {
		return tables{}, err
	}
	p.mu.Lock()
	closed, ready, unsettled := p.closed, p.ready, p.unsettled
	p.mu.Unlock()
	var err error
	switch {
	case closed:
		return tables{}, errClosed
	case !ready:
		err = p.prepare(ctx)
	case unsettled:
		err = p.settle(ctx)
	}
	if err != nil {
		return tables{}, err
	}
	return tables{p.pool, patience, p.renew}, nil
}

// transaction runs do between BEGIN and COMMIT. An error of COMMIT is errInDoubt,
// whatever it says: it may be of the answer alone.
func (p *shared) transaction(ctx context.Context, do func(tables) error) error {
	conn, t, err := p.start(ctx)
	if cut(err) {
		p.renew()
		conn, t, err = p.start(ctx)
	}
	if err != nil {
		return p.explain(err)
	}
	defer conn.Close() // gives it back to the pool
	if err = do(t); err != nil {
		err = p.explain(err)
	} else if err = t.exec(ctx, "COMMIT"); err != nil {
		err = fmt.Errorf("%w: %w", errInDoubt, p.explain(err))
	}
	if err != nil && t.exec(ctx, "ROLLBACK") != nil { // then the server does it when the connection ends
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

// start begins a transaction on a connection that is its own.
func (p *shared) start(ctx context.Context) (*sql.Conn, tables, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := p.pool.Conn(waiting)
	if err != nil {
		return nil, tables{}, err
	}
	t := tables{run: conn, patience: patience}
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

// settle waits until no commit is under way any more. One of our own, of which
// we have heard nothing, holds the lock until it is decided: there after it, or
// never.
func (p *shared) settle(ctx context.Context) error {
	err := p.transaction(context.WithoutCancel(ctx), func(t tables) error {
		if _, err := t.lockHead(ctx); err != nil {
			return err
		}
		return errSettled // nothing to commit
	})
	if !errors.Is(err, errSettled) {
		return fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	p.mark(func() { p.unsettled = false })
	return nil
}

var errSettled = errors.New("settled")

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
	pool, err := p.begin(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	p.step("commit: begin")
	err = p.transaction(ctx, func(t tables) error {
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
		err = t.exec(ctx, "SELECT pg_notify($1, $2)", p.schema, notice(r.model, next.generation))
		return err
	})
	if errors.Is(err, errInDoubt) {
		p.mark(func() { p.unsettled = true })
		if unsettled := p.settle(ctx); unsettled != nil {
			return errors.Join(unsettled, err)
		}
		var hash []byte
		if found := pool.one(ctx, "SELECT hash FROM journal WHERE seq = $1", []any{int64(r.seq)}, &hash); found != nil && !errors.Is(found, sql.ErrNoRows) {
			p.mark(func() { p.unsettled = true })
			return errors.Join(ErrUnsettled, p.explain(found), err)
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
	return p.pool.Close()
}

// state reads the last row of a model and its evidence, as they were at one moment.
func (p *shared) state(ctx context.Context, name string) (model, error) {
	t, err := p.begin(ctx)
	if err != nil {
		return model{}, err
	}
	m, err := t.lastRow(ctx, name)
	if err != nil {
		return model{}, p.explain(err)
	}
	return m, nil
}

func (t tables) lastRow(ctx context.Context, name string) (model, error) {
	var r row
	var rolloutID string
	var generation uint64
	var data, sum []byte
	err := t.one(ctx, `SELECT j.seq, j.model, j.at, j.event, j.actor, j.reason, j.rollout, j.finding, j.detail, j.state, j.evidence, j.prev, j.hash,
		m.generation, coalesce(e.rollout, ''), coalesce(e.data, ''), coalesce(e.checksum, '')
		FROM models m JOIN journal j ON j.seq = m.seq LEFT JOIN evidence e ON e.model = m.model WHERE m.model = $1`, []any{name},
		&r.seq, &r.model, &r.at, &r.event, &r.actor, &r.reason, &r.rollout, &r.finding, &r.detail, &r.state, &r.evidence, &r.prev, &r.hash,
		&generation, &rolloutID, &data, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return model{}, nil
	}
	if err != nil {
		return model{}, err
	}
	if err := r.check(r.seq, r.prev); err != nil {
		return model{}, flaw("%w", err)
	}
	state, err := decodeState(r.state)
	if err != nil {
		return model{}, fmt.Errorf("row %d of the journal is not understood, perhaps because a newer serin wrote it: %w", r.seq, err)
	}
	m := newModel(state, r.state)
	switch {
	case r.model != name || m.generation != generation:
		return model{}, flaw("row %d of the journal is not the last of model %q", r.seq, name)
	case m.rollout == "":
		return m, nil
	case m.rollout != rolloutID || string(sum) != string(checksum([]byte(name), []byte(rolloutID), data)):
		return model{}, flaw("the evidence of rollout %q of model %q does not have the checksum that it was written with", m.rollout, name)
	}
	m.evidence = data
	return m, nil
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
