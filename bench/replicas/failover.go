package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"serin/test/postgres"
)

// backWithin bounds how long after a promotion commands are carried out again, in
// seconds.
const backWithin = 10.0

// operator deploys and rolls back one model at one replica, as fast as it is answered
// and all the time, and remembers what was acknowledged.
type operator struct {
	url, model string

	mu       sync.Mutex
	deployed []string          // rollouts whose deploy was acknowledged
	ended    map[string]string // rollouts whose rollback was, with its reason
	times    []time.Time       // when something was acknowledged
}

// work goes on until ctx ends. Other answers than 200 and 409 are tried again after a
// moment, as a person would; what became of such a call is not known.
func (o *operator) work(ctx context.Context) {
	call, body, n := "deploy-canary", map[string]any{"model_path": v2}, 0
	for ; ctx.Err() == nil; pause(ctx, 20*time.Millisecond) {
		status, text := post(context.WithoutCancel(ctx), o.url+"/admin/models/"+o.model+"/"+call, body)
		if status == http.StatusOK {
			o.acknowledge(call, text, body)
		}
		if status != http.StatusOK && status != http.StatusConflict {
			continue
		}
		if n++; call == "deploy-canary" { // a conflict is that it was done before
			call, body = "rollback-canary", map[string]any{"reason": fmt.Sprintf("rollback %d of %s", n, o.model)}
		} else {
			call, body = "deploy-canary", map[string]any{"model_path": v2}
		}
	}
}

func (o *operator) acknowledge(call, text string, body map[string]any) {
	now := time.Now()
	var said struct {
		Rollout struct {
			ID string `json:"id"`
		} `json:"rollout"`
	}
	_ = json.Unmarshal([]byte(text), &said) // what has no id is lost, as far as lost sees
	o.mu.Lock()
	defer o.mu.Unlock()
	o.times = append(o.times, now)
	if call == "deploy-canary" {
		o.deployed = append(o.deployed, said.Rollout.ID)
	} else {
		o.ended[said.Rollout.ID], _ = body["reason"].(string)
	}
}

// after is when something was acknowledged first after a moment; zero if nothing yet.
func (o *operator) after(moment time.Time) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.IndexFunc(o.times, moment.Before); i >= 0 {
		return o.times[i]
	}
	return time.Time{}
}

// lost are the acknowledged commands that the journal does not have, of how many.
func (o *operator) lost(ctx context.Context, at *replica) (lost, of int, err error) {
	var journal struct {
		Rollouts []struct{ Rollout, Outcome, Reason string }
	}
	if err := at.Admin(ctx, "models/"+o.model+"/rollouts?limit=1000", nil, &journal); err != nil {
		return 0, 0, err
	}
	outcome := map[string]string{}
	for _, r := range journal.Rollouts {
		outcome[r.Rollout] = r.Outcome + ": " + r.Reason
	}
	for _, id := range o.deployed {
		if outcome[id] == "" {
			lost++
		}
	}
	for id, reason := range o.ended {
		if outcome[id] != "rolled back: "+reason {
			lost++
		}
	}
	return lost, len(o.deployed) + len(o.ended), nil
}

// failover kills a primary under load, again and again, and promotes its synchronous
// standby; what was killed follows the new primary before the next time. Each of
// three replicas is asked for predictions, and each has an operator.
func (s *settings) failover(ctx context.Context, b *block) (err error) {
	primary, standby, err := pair(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, primary.Stop(), standby.Stop()) }()
	address := strings.Replace(primary.URL, primary.Address, primary.Address+","+standby.Address, 1) + "&target_session_attrs=read-write"
	f := &fleet{}
	models := []string{"--model", "churn=" + v1}
	for i := range 3 {
		models = append(models, "--model", fmt.Sprintf("m%d=%s", i, v1))
	}
	var all []*watcher
	var operators []*operator
	working, end := context.WithCancel(ctx)
	var waits sync.WaitGroup
	defer func() {
		end()
		waits.Wait()
		for _, r := range f.replicas {
			err = errors.Join(err, r.Stop())
		}
	}()
	for i := range 3 {
		server, err := s.start(ctx, fmt.Sprintf("failover-%d", i), append([]string{"--store", address}, models...)...)
		if err != nil {
			return err
		}
		r := &replica{Server: server}
		f.replicas = append(f.replicas, r)
		all = append(all, watch(working, &waits, r, 10*time.Millisecond, "churn", "m0", "m1", "m2"))
		o := &operator{url: r.URL, model: fmt.Sprintf("m%d", i), ended: map[string]string{}}
		operators = append(operators, o)
		waits.Go(func() { o.work(working) })
	}
	var fromPromotion, fromKill []float64
	for range s.failovers {
		promoted, killed, err := failOver(ctx, primary, standby, operators)
		if err != nil {
			return err
		}
		fromPromotion, fromKill = append(fromPromotion, promoted...), append(fromKill, killed...)
		primary, standby = standby, primary
		if err := standby.Follow(ctx, primary); err != nil {
			return err
		}
		if err := synchronous(ctx, primary); err != nil {
			return err
		}
	}
	end()
	waits.Wait()
	return s.reportFailover(ctx, b, f, operators, all, fromPromotion, fromKill)
}

// reportFailover holds what became of it against the promises.
func (s *settings) reportFailover(ctx context.Context, b *block, f *fleet, operators []*operator, all []*watcher, fromPromotion, fromKill []float64) error {
	answered, failed, first := total(all)
	lost, of := 0, 0
	for i, o := range operators {
		l, n, err := o.lost(ctx, f.replicas[(i+1)%len(f.replicas)])
		if err != nil {
			return err
		}
		lost, of = lost+l, of+n
	}
	why := ""
	if first != nil {
		why = ": " + first.Error()
	}
	b.must(fmt.Sprintf("commands are carried out after a promotion, N = %d", s.failovers), "< 10 s", quantile(fromPromotion, 1) < backWithin, "at most %s", seconds(quantile(fromPromotion, 1)))
	b.must("predictions that failed", "0", failed == 0 && answered > 0, "%d of %d%s", failed, answered+failed, why)
	b.must("acknowledged deploys and rollbacks that were lost", "0", lost == 0 && of > 0, "%d of %d", lost, of)
	b.table("until a command was acknowledged, at each of three replicas", "p50", "max", "N")
	for i, took := range [][]float64{fromPromotion, fromKill} {
		b.row([...]string{"from `pg_ctl promote`", "from the primary's SIGKILL"}[i], seconds(median(took)), seconds(quantile(took, 1)), fmt.Sprint(len(took)))
	}
	return nil
}

// pair is a primary and its synchronous standby.
func pair(ctx context.Context) (primary, standby *postgres.Server, err error) {
	if primary, err = postgres.Start(ctx); err != nil {
		return nil, nil, err
	}
	if standby, err = primary.Standby(ctx); err != nil {
		return nil, nil, errors.Join(err, primary.Stop())
	}
	if err := synchronous(ctx, primary); err != nil {
		return nil, nil, errors.Join(err, primary.Stop(), standby.Stop())
	}
	return primary, standby, nil
}

// synchronous makes a primary wait for its standby, from when it follows.
func synchronous(ctx context.Context, primary *postgres.Server) error {
	conn, err := pgx.Connect(ctx, primary.URL)
	if err != nil {
		return fmt.Errorf("asking the primary: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nobody waits for it any more
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return until(ctx, "the standby is synchronous", func() bool {
		var n int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").Scan(&n)
		return err == nil && n == 1
	})
}

// failOver kills the primary, promotes the standby, and returns after how many seconds
// each operator's next command was acknowledged, from both.
func failOver(ctx context.Context, primary, standby *postgres.Server, operators []*operator) (promoted, killed []float64, err error) {
	began := time.Now()
	for _, o := range operators {
		if err := until(ctx, "commands are carried out", func() bool { return !o.after(began).IsZero() }); err != nil {
			return nil, nil, err
		}
	}
	death := time.Now()
	if err := primary.Signal(syscall.SIGKILL); err != nil {
		return nil, nil, err
	}
	pause(ctx, time.Second) // whoever promotes has to notice first
	promotion := time.Now()
	if err := standby.Promote(ctx); err != nil {
		return nil, nil, err
	}
	for _, o := range operators {
		err := until(ctx, "commands are carried out by the new primary", func() bool { return !o.after(promotion).IsZero() })
		if err != nil {
			return nil, nil, err
		}
	}
	for _, o := range operators {
		first := o.after(promotion)
		promoted, killed = append(promoted, first.Sub(promotion).Seconds()), append(killed, first.Sub(death).Seconds())
	}
	return promoted, killed, nil
}
