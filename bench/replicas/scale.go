package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// fewer are the rollbacks that each number of replicas is measured with.
func (s *settings) fewer() int { return min(s.rollbacks, 10) }

// thousand is how many replicas the model is about.
const thousand = 1000

// load is what so many replicas were and what they cost.
type load struct {
	replicas    int
	rate        float64 // predictions/s of all
	statements  float64 // a second and replica
	up, down    float64 // bytes a second and replica
	leader      float64 // bytes a second that the leader gets
	connections float64 // of a replica
	cpu         float64 // PostgreSQL's, in seconds a second, of all
	wal         float64 // bytes a second, of all
	memory      float64 // bytes that a connection's process has for itself
	resident    float64 // bytes of a replica
	busy        float64 // CPU of a replica, in seconds a second
	arrival     []float64
}

// scale has more and more replicas, which share the same predictions.
func (s *settings) scale(ctx context.Context, b *block) error {
	var all []*load
	for _, n := range s.replicas {
		one, err := s.loadOf(ctx, n)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	b.table("replicas", "predictions/s", "statements/s a replica", "bytes/s up a replica", "bytes/s down to the leader", "connections a replica", "PostgreSQL's CPU", "its log, bytes/s", "memory of a connection", "CPU of a replica", "memory of a replica", "a rollback arrives: p50", "max")
	for _, l := range all {
		b.row(fmt.Sprint(l.replicas), number(l.rate), number(l.statements), number(l.up), number(l.leader), number(l.connections), percent(l.cpu), number(l.wal),
			megabytes(l.memory), percent(l.busy), megabytes(l.resident), milliseconds(median(l.arrival)), milliseconds(quantile(l.arrival, 1)))
	}
	b.say("One model with a canary; each row over %v, with %d rollbacks after it. 100 %% is one core; memory of a connection is what its process shares with no other.", s.window, s.fewer())
	if len(all) > 1 {
		predict1000(b, all[0], all[len(all)-1])
	}
	return nil
}

// predict1000 is what a thousand replicas would ask of the database, by the line
// through the fewest and the most that were measured.
func predict1000(b *block, few, many *load) {
	grown := func(of func(*load) float64) float64 {
		slope := (of(many) - of(few)) / float64(many.replicas-few.replicas)
		return of(many) + slope*float64(thousand-many.replicas)
	}
	sum := func(of func(*load) float64) func(*load) float64 {
		return func(l *load) float64 { return float64(l.replicas) * of(l) }
	}
	b.table(fmt.Sprintf("a thousand replicas, by the line through %d and %d", few.replicas, many.replicas), "all together")
	b.row("statements/s", number(grown(sum(func(l *load) float64 { return l.statements }))))
	b.row("bytes/s to PostgreSQL", number(grown(sum(func(l *load) float64 { return l.up }))))
	b.row("bytes/s to the leader of one model", number(grown(func(l *load) float64 { return l.leader })))
	b.row("connections", number(grown(sum(func(l *load) float64 { return l.connections }))))
	b.row("memory of their processes", megabytes(grown(sum(func(l *load) float64 { return l.connections * l.memory }))))
	b.row("PostgreSQL's cores", number(grown(func(l *load) float64 { return l.cpu })))
	b.row("its log, bytes/s", number(grown(func(l *load) float64 { return l.wal })))
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func megabytes(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/1e6) }

func (s *settings) loadOf(ctx context.Context, n int) (l *load, err error) {
	f, err := s.newFleet(ctx, n, "--weight", "50%")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	if err := f.canaries(ctx, []string{"churn"}); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, f.store.URL)
	if err != nil {
		return nil, fmt.Errorf("asking PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nobody waits for it any more
	l = &load{replicas: n}
	every := time.Duration(n) * time.Second / time.Duration(s.rate)
	if err := s.watchLoad(ctx, f, conn, l, every); err != nil {
		return nil, err
	}
	if status, text := post(ctx, f.replicas[0].URL+"/admin/rollback-canary", map[string]any{}); status != http.StatusOK {
		return nil, fmt.Errorf("rolling back: %d %s", status, text)
	}
	l.arrival, _, _, err = f.rollbacks(ctx, s.fewer(), every)
	return l, err
}

// watchLoad fills in what is seen while predictions come.
func (s *settings) watchLoad(ctx context.Context, f *fleet, conn *pgx.Conn, l *load, every time.Duration) error {
	watching, end := context.WithCancel(ctx)
	var waits sync.WaitGroup
	defer waits.Wait()
	defer end()
	var all []*watcher
	for _, r := range f.replicas {
		all = append(all, watch(watching, &waits, r, every, "churn"))
	}
	pause(ctx, s.window/3)
	before, err := f.look(ctx, conn)
	if err != nil {
		return err
	}
	began := time.Now()
	answered, _, _ := total(all)
	seen := f.counted(ctx, s.window)
	after, err := f.look(ctx, conn)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	n := float64(len(f.replicas))
	now, failed, first := total(all)
	if failed > 0 {
		return fmt.Errorf("%d predictions failed: %w", failed, first)
	}
	l.rate = float64(now-answered) / took
	for _, r := range seen {
		l.statements, l.up, l.down = l.statements+r.statements/n, l.up+r.up/n, l.down+r.down/n
	}
	l.leader = seen[0].down
	l.connections, l.memory, l.resident = after.connections/n, after.memory, after.resident/n
	l.cpu, l.wal, l.busy = (after.cpu-before.cpu)/took, (after.wal-before.wal)/took, (after.busy-before.busy)/took/n
	return nil
}

// census is how things stand in PostgreSQL and in the replicas.
type census struct{ connections, memory, cpu, wal, resident, busy float64 }

// look asks PostgreSQL for its processes and the system for what they take. The CPU
// of a process that has ended between two looks is missing in their difference.
func (f *fleet) look(ctx context.Context, conn *pgx.Conn) (c census, err error) {
	if err := conn.QueryRow(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8").Scan(&c.wal); err != nil {
		return c, fmt.Errorf("asking for the log's end: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT pid, backend_type = 'client backend' FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	if err != nil {
		return c, fmt.Errorf("asking for the processes: %w", err)
	}
	var pid int
	var client bool
	var memory []float64
	_, err = pgx.ForEachRow(rows, []any{&pid, &client}, func() error {
		c.cpu += cpuOf(pid)
		if client {
			c.connections++
			memory = append(memory, ownMemory(pid))
		}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("asking for the processes: %w", err)
	}
	c.memory = median(memory)
	for _, r := range f.replicas {
		resident, err := r.Resident()
		busy, err2 := r.Busy()
		if err := errors.Join(err, err2); err != nil {
			return c, err
		}
		c.resident, c.busy = c.resident+float64(resident), c.busy+busy.Seconds()
	}
	return c, nil
}

// cpuOf is the CPU that a process has taken, in seconds; 0 of one that has ended.
func cpuOf(pid int) float64 {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")) // it may have ended
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64) // Linux writes numbers
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100
}

// ownMemory are the bytes that a process shares with no other; 0 where it is another
// user's and we are not root.
func ownMemory(pid int) float64 {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup")) // it may be forbidden
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss_Anon:" {
			kib, _ := strconv.ParseFloat(f[1], 64) // as above
			return kib * 1024
		}
	}
	return 0
}
