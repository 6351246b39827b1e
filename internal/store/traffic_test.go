package store

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"serin/internal/record"
)

// hours is what one replica has counted of a rollout, as it tells it: evidence of one
// stage, with latencies as models have them, over six decades with a tail.
func hours(requests int) *record.Evidence {
	e := &record.Evidence{Stages: []record.Stage{{Share: 1000}}}
	goOn(e, rand.New(rand.NewPCG(1, 2)), requests)
	return e
}

// goOn counts further requests.
func goOn(e *record.Evidence, random *rand.Rand, requests int) {
	s := &e.Stages[0]
	for i := range requests {
		arm := &s.Stable
		if i%10 == 0 {
			arm = &s.Canary
		}
		arm.Started++
		arm.Observe(time.Duration(math.Exp(random.NormFloat64()*0.7)*250e3), random.Float64())
	}
}

// meter counts what goes over a wire.
type meter struct{ up, down, statements int }

func (m *meter) watch(w *wire) {
	*m = meter{}
	w.set(func(fromServer bool, kind byte, body []byte) fate {
		switch {
		case fromServer:
			m.down += 5 + len(body)
		default:
			m.up += 5 + len(body)
			if kind == 'E' || kind == 'Q' {
				m.statements++
			}
		}
		return pass
	})
}

// TestTraffic holds what a second costs against what docs/store.md says of it.
func TestTraffic(t *testing.T) {
	t.Parallel()
	w := through(t, shares(t))
	s := home{quickDir(t), w.url}.open(t)
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	status := json.RawMessage(`{"churn":{"generation":2}}`)
	var m meter
	told := func(replica string, e *record.Evidence) (int, meter) {
		row, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		b := Beat{
			Replica: replica, Address: "http://10.0.0.17:8000", Version: "0123456789ab", Status: status, Models: []string{"churn"},
			Gauges: []Gauge{{"churn", "r1", 1, row}}, Seen: Head{1, strings.Repeat("a", 64)},
		}
		beat(t, s, b) // the statement is known from then on
		m.watch(w)
		beat(t, s, b)
		w.set(nil)
		return len(row), m
	}
	for _, requests := range []int{0, 1000, 100_000, 3_600_000} {
		size, m := told("serin-7d9f4/x2k4j5l6", hours(requests))
		t.Logf("a replica that has seen %d requests: a row of %d bytes; a beat with it has %d bytes up, %d down, %d statement", requests, size, m.up, m.down, m.statements)
		if m.statements != 1 || m.up+m.down-size > 600 || size > 4096 {
			t.Errorf("%+v", m)
		}
	}
	save := func(what string, do func() error) {
		if err := do(); err != nil { // the statement is known from then on
			t.Fatal(err)
		}
		m.watch(w)
		if err := do(); err != nil {
			t.Fatal(err)
		}
		w.set(nil)
		t.Logf("%s: %d bytes up, %d down, %d statements", what, m.up, m.down, m.statements)
	}
	e := hours(100_000)
	save("the leader saves evidence", func() error { return s.SaveEvidence(t.Context(), "churn", "r1", e) })
	if m.statements != 1 {
		t.Errorf("evidence is saved by %d statements", m.statements)
	}
	l := lookAt(1)
	l.Evidence, l.Detail = e, aDetail(1)
	save("the leader saves a look", func() error { _, err := s.SaveLook(t.Context(), "churn", "r1", l); return err })
	generation := uint64(2)
	save("a commit", func() error { generation++; return s.Commit(t.Context(), life("churn", generation)) })
}

// TestAMinuteOfALeader is what a second costs who leads three replicas, each with a row of
// 3 kB: a beat, each ten seconds the row of its own, what the others have counted, and a
// look. It sends less than a kilobyte.
func TestAMinuteOfALeader(t *testing.T) {
	t.Parallel()
	const looks, seconds = 6, 60
	address := shares(t)
	w := through(t, address)
	s, others := home{quickDir(t), w.url}.open(t), home{quickDir(t), address}.open(t)
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	random := rand.New(rand.NewPCG(3, 4))
	e := hours(3_600_000)
	row := func() []byte {
		goOn(e, random, 2000)
		data, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	b := Beat{
		Replica: "serin-7d9f4/x2k4j5l6", Address: "http://10.0.0.17:8000", Version: "0123456789ab", Status: json.RawMessage(`{"churn":{"generation":2}}`),
		Models: []string{"churn"}, Gauges: []Gauge{{"churn", "r1", 0, row()}},
	}
	b.Seen, b.Gauges = beat(t, s, b).Head, nil
	var m, sum meter
	size := 0
	ten := func(n int) {
		for _, name := range []string{"b", "c"} {
			beat(t, others, Beat{Replica: name, Gauges: []Gauge{{"churn", "r1", 1, row()}}})
		}
		m.watch(w)
		for second := range seconds / looks {
			b.Gauges = nil
			if second == 0 {
				data := row()
				b.Gauges, size = []Gauge{{"churn", "r1", 1, data}}, len(data)
			}
			b.Seen = beat(t, s, b).Head
		}
		if rows, err := s.Gauges(t.Context(), "churn", "r1"); err != nil || len(rows) != 4 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		l := lookAt(n)
		l.Evidence, l.Detail = e, aDetail(n)
		saveLook(t, s, "r1", l)
		w.set(nil)
	}
	ten(0) // statements are known from then on
	for n := range looks {
		ten(n + 1)
		sum.up, sum.down, sum.statements = sum.up+m.up, sum.down+m.down, sum.statements+m.statements
	}
	t.Logf("with rows of %d bytes: %d bytes/s up, %d down, %.2f statements/s", size, sum.up/seconds, sum.down/seconds, float64(sum.statements)/seconds)
	if size < 3000 || sum.up/seconds >= 1000 || sum.statements >= 2*seconds {
		t.Error("too much")
	}
}
