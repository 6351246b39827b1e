package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestALateBeat of a replica, which was on its way for long, does not put back what
// it had counted then.
func TestALateBeat(t *testing.T) {
	t.Parallel()
	s := home{quickDir(t), shares(t)}.open(t)
	say := func(number int64, text string) {
		s.shared.told.Store(number - 1)
		beat(t, s, Beat{Replica: "a", Gauges: []Gauge{{"churn", "r1", 1, []byte(text)}}})
	}
	say(1, "one")
	say(3, "three")
	say(2, "two")
	got, err := s.Gauges(t.Context(), "churn", "r1")
	if diff := cmp.Diff([]GaugeRow{{"a", Gauge{"churn", "r1", 1, []byte("three")}}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	say(4, "four")
	if got, err := s.Gauges(t.Context(), "churn", "r1"); err != nil || len(got) != 1 || string(got[0].Data) != "four" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTheServersClockIsStepped while replicas lead and die: never do two believe that
// they lead, each for four seconds after a beat as control does; and when the others fall
// silent, one that goes on leads a lease later, whatever the clock of the server did.
func TestTheServersClockIsStepped(t *testing.T) {
	t.Parallel()
	const believed = 4 * time.Second
	address := shares(t)
	ours := time.Now()
	var all []*Store
	for range 3 {
		s := home{quickDir(t), address}.open(t)
		s.shared.now = func() time.Time { return ours }
		all = append(all, s)
	}
	// The server's clock is what its functions say, and these are found first.
	schema := all[0].shared.Schema
	run := func(statement string) {
		if _, err := all[0].shared.Pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE clock AS SELECT now() AS at")
	for _, name := range []string{"now", "clock_timestamp"} {
		run("CREATE FUNCTION " + schema + "." + name + "() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM " + schema + ".clock'")
	}
	for _, s := range all {
		s.shared.Config.RuntimeParams["search_path"] = schema + ", pg_catalog"
		s.shared.Renew()
	}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		model := fmt.Sprintf("m%d", round)
		until := make([]time.Time, len(all)) // which a replica believes that it leads
		say := func(i int) {
			asked := ours
			p, err := all[i].Beat(t.Context(), Beat{Replica: fmt.Sprintf("replica %d of %d", i, round), Models: []string{model}})
			if err != nil {
				t.Fatal(err)
			}
			until[i] = time.Time{}
			if strings.HasPrefix(p.Models[model].Leader, fmt.Sprintf("replica %d ", i)) {
				until[i] = asked.Add(believed)
			}
		}
		forward := func(d time.Duration) {
			ours = ours.Add(d)
			run(fmt.Sprintf("UPDATE clock SET at = at + interval '%d milliseconds'", d.Milliseconds()))
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				run(fmt.Sprintf("UPDATE clock SET at = at + interval '%d seconds'", rapid.SampledFrom([]int{-86400, -7, -5, -1, 1, 5, 7, 86400}).Draw(t, "step")))
			case 1:
				forward(time.Duration(rapid.IntRange(1, 6000).Draw(t, "milliseconds")) * time.Millisecond)
			default:
				say(rapid.IntRange(0, len(all)-1).Draw(t, "replica"))
			}
			var leaders []int
			for i := range until {
				if ours.Before(until[i]) {
					leaders = append(leaders, i)
				}
			}
			if len(leaders) > 1 {
				t.Fatalf("%v lead", leaders)
			}
		}
		alive := rapid.IntRange(0, len(all)-1).Draw(t, "alive")
		for range 7 { // it hears of the last one's lease with its first beat
			say(alive)
			forward(time.Second)
		}
		if say(alive); until[alive].IsZero() {
			t.Fatal("nobody leads any more")
		}
	})
}

// TestASilentReplicaBesideASteppedClock is dead, also where the server's clock was set
// back since it spoke, so that its last word is yet to come.
func TestASilentReplicaBesideASteppedClock(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	beat(t, s, Beat{Replica: "a"})
	for _, step := range []string{"+ interval '12 hours'", "- interval '24 hours'"} {
		h.sql(t, "UPDATE replicas SET at = at "+step)
		all, err := s.Replicas(t.Context())
		if err != nil || len(all) != 1 || all[0].Live || all[0].Age < time.Hour {
			t.Errorf("%s: %+v, %v", step, all, err)
		}
	}
	beat(t, s, Beat{Replica: "a"})
	if all, err := s.Replicas(t.Context()); err != nil || len(all) != 1 || !all[0].Live {
		t.Errorf("it speaks again: %+v, %v", all, err)
	}
}
