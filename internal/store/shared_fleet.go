package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// beatStatement does all that a second needs: $1 to $4 are the replica, $5 to $9 the
// columns of its gauges, $10 its models, $11 the row that it has seen, $12 a later one that it has committed.
//
// What the last part reads is as it was before the parts above it, hence the
// coalesce. An update that finds nothing to do locks nothing, which is why a model's
// first leader is another part than the next ones.
const beatStatement = `WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true) AS off),
life AS (
	INSERT INTO replicas (replica, address, version, status, at) VALUES ($1, $2, $3, $4, clock_timestamp())
	ON CONFLICT (replica) DO UPDATE SET address = excluded.address, version = excluded.version, status = excluded.status, at = excluded.at),
observed AS (
	INSERT INTO gauges (model, rollout, replica, epoch, data, checksum)
	SELECT g.model, g.rollout, $1, g.epoch, g.data, g.checksum
	FROM unnest($5::text[], $6::text[], $7::bigint[], $8::bytea[], $9::bytea[]) AS g (model, rollout, epoch, data, checksum)
	ON CONFLICT (model, rollout, replica, epoch) DO UPDATE SET data = excluded.data, checksum = excluded.checksum),
led AS (
	UPDATE leaders l SET replica = $1, until = now() + interval '5 seconds'
	WHERE l.model = ANY ($10::text[]) AND (l.replica = $1 OR l.until < now()) RETURNING l.model),
found AS (
	INSERT INTO leaders (model, replica, until) SELECT s.model, $1, now() + interval '5 seconds' FROM unnest($10::text[]) AS s (model)
	WHERE NOT EXISTS (SELECT FROM leaders l WHERE l.model = s.model) ON CONFLICT DO NOTHING RETURNING model),
mine AS (SELECT model FROM led UNION ALL SELECT model FROM found),
standing AS (SELECT model, generation FROM models UNION ALL
	SELECT s.model, 0 FROM unnest($10::text[]) AS s (model) WHERE NOT EXISTS (SELECT FROM models m WHERE m.model = s.model))
SELECT clock_timestamp(), head.seq, head.hash,
	coalesce((SELECT hash FROM journal WHERE seq = 1), ''), coalesce((SELECT string_agg(hash, '' ORDER BY seq) FROM journal WHERE seq IN ($11, $12)), ''),
	coalesce(s.model, ''), coalesce(s.generation, 0),
	CASE WHEN mine.model IS NOT NULL THEN $1 WHEN l.until >= now() THEN l.replica ELSE '' END
FROM relaxed, head LEFT JOIN standing s ON true LEFT JOIN mine ON mine.model = s.model LEFT JOIN leaders l ON l.model = s.model`

func (p *shared) beat(ctx context.Context, b Beat) (Pulse, error) {
	t, err := p.begin(ctx)
	if err != nil {
		return Pulse{}, err
	}
	var models, rollouts []string
	var epochs []int64
	var data, sums [][]byte
	for _, g := range b.Gauges {
		row := GaugeRow{b.Replica, g}
		models, rollouts, epochs = append(models, g.Model), append(rollouts, g.Rollout), append(epochs, int64(g.Epoch))
		data, sums = append(data, g.Data), append(sums, row.sum())
	}
	var own Head // it may be lost before any beat has seen it
	p.mark(func() {
		if p.own.Seq > b.Seen.Seq {
			own = p.own
		}
	})
	pulse := Pulse{Models: map[string]Standing{}}
	args := []any{b.Replica, b.Address, b.Version, string(b.Status), models, rollouts, epochs, data, sums, b.Models, int64(b.Seen.Seq), int64(own.Seq)}
	err = t.each(ctx, beatStatement, args, func(rows *sql.Rows) (bool, error) {
		var last head
		var first, seen []byte
		var name string
		var standing Standing
		if err := rows.Scan(&pulse.Now, &last.seq, &last.hash, &first, &seen, &name, &standing.Generation, &standing.Leader); err != nil {
			return false, err
		}
		pulse.Head, pulse.Identity = headOf(last), hex.EncodeToString(first)
		pulse.Kept = (b.Seen == Head{} || b.Seen.Hash != "") && hex.EncodeToString(seen) == b.Seen.Hash+own.Hash
		if name != "" {
			pulse.Models[name] = standing
		}
		return true, nil
	})
	if err != nil {
		return Pulse{}, err
	}
	pulse.Now = pulse.Now.UTC()
	return pulse, nil
}

func (p *shared) gauges(ctx context.Context, name, rolloutID string) (found []GaugeRow, err error) {
	t, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	var damage error
	query := "SELECT replica, epoch, data, checksum FROM gauges WHERE model = $1 AND rollout = $2 ORDER BY replica, epoch"
	err = t.each(ctx, query, []any{name, rolloutID}, func(rows *sql.Rows) (bool, error) {
		g := GaugeRow{Gauge: Gauge{Model: name, Rollout: rolloutID}}
		var sum []byte
		if err := rows.Scan(&g.Replica, &g.Epoch, &g.Data, &sum); err != nil {
			return false, err
		}
		if string(sum) != string(g.sum()) {
			damage = flaw("the gauge of replica %q in rollout %s of model %q does not have the checksum that it was written with", g.Replica, rolloutID, name)
			return true, nil
		}
		found = append(found, g)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return found, damage
}

// forget lets go of the gauges of rollouts that ended long ago, when another begins.
func (t tables) forget(ctx context.Context, name, before, after string) error {
	if after == "" || after == before {
		return nil
	}
	err := t.exec(ctx, `DELETE FROM gauges WHERE model = $1 AND rollout NOT IN
		(SELECT rollout FROM journal WHERE model = $1 AND rollout <> '' GROUP BY rollout ORDER BY max(seq) DESC LIMIT $2)`, name, keepGauges)
	return err
}

func (p *shared) replicas(ctx context.Context) (all []Replica, err error) {
	t, err := p.begin(ctx)
	if err != nil {
		return nil, err
	}
	query := "SELECT replica, address, version, status, at, clock_timestamp() FROM replicas WHERE at > now() - interval '1 day' ORDER BY at DESC"
	err = t.each(ctx, query, nil, func(rows *sql.Rows) (bool, error) {
		var b Beat
		var status string
		var at, now time.Time
		if err := rows.Scan(&b.Replica, &b.Address, &b.Version, &status, &at, &now); err != nil {
			return false, err
		}
		if status != "" {
			b.Status = json.RawMessage(status)
		}
		all = append(all, b.replica(at, now))
		return true, nil
	})
	return all, err
}

// Listen calls heard with each model and its generation that any replica commits,
// until ctx ends. It connects again by itself where the wire is cut, and what happens
// in between is not heard: it makes things faster, and nothing may depend on it. In a
// directory there is nobody else to be heard.
func (s *Store) Listen(ctx context.Context, heard func(model string, generation uint64)) {
	wait := time.Duration(0)
	for s.shared != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		_ = s.shared.listen(ctx, heard) // whoever needs the store is told what is wrong
		wait = time.Second + rand.N(time.Second)
	}
	<-ctx.Done()
}

// silence is for how long nothing is heard before the wire is tried.
const silence = 15 * time.Second

func (p *shared) listen(ctx context.Context, heard func(string, uint64)) error {
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		_ = conn.Close(ending)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{p.schema}.Sanitize()); err != nil {
		return err
	}
	for {
		quiet, cancel := context.WithTimeout(ctx, silence)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			if err := p.still(ctx, conn); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			number, name, _ := strings.Cut(n.Payload, " ")
			if generation, err := strconv.ParseUint(number, 10, 64); err == nil {
				heard(name, generation)
			}
		}
	}
}

// still tries whether somebody is at the other end.
func (p *shared) still(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return conn.Ping(ctx)
}
