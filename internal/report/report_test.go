package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var plan = rollout.Plan{Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond, OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2}

// rolled are the cases of a rollout as a server stores them: a look each ten
// seconds, of a canary that is slower by a factor, and a decision at the end.
func rolled(t testing.TB, looks int, factor float64) []judge.Case {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var reference, stable, canary record.Arm
	observe := func(a *record.Arm, n int, factor float64) {
		for range n {
			a.Started++
			a.Observe(time.Duration(factor*(1+random.ExpFloat64())*float64(time.Millisecond)), 0.5)
		}
	}
	observe(&reference, 500, 1)
	trail := record.NewTrail(record.Evidence{}, uint32(plan.Weight), &reference, 0)
	monitor := judge.NewMonitor(plan)
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cases := []judge.Case{{Name: "deploy by ana", Event: rollout.Deploy, At: start, Plan: plan}}
	add := func(c judge.Case, detail any) {
		e := trail.Evidence()
		var errs [2]error
		c.Detail, errs[0] = json.Marshal(detail)
		c.Evidence, errs[1] = e.MarshalBinary()
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	for i := 1; i <= looks; i++ {
		observe(&stable, 90, 1)
		observe(&canary, 10, factor)
		elapsed := time.Duration(i) * 10 * time.Second
		trail.Update(&stable, &canary, elapsed)
		e := trail.Evidence()
		j := monitor.Judge(&e)
		add(judge.Case{Name: fmt.Sprintf("look %d", i), Look: uint64(i), At: start.Add(elapsed), Plan: plan, Finding: j.Finding}, j)
	}
	e := trail.Evidence()
	o := monitor.Opinion(&e)
	end := judge.Case{Name: "rollback by <img src=x onerror=alert(1)>", Event: rollout.Rollback, At: start.Add(time.Duration(looks)*10*time.Second + time.Second), Plan: plan, Finding: o.Finding(rollout.Rollback)}
	add(end, o)
	return cases
}

var heading = Heading{Model: "churn", Rollout: "r1", StableVersion: "model_v1", CanaryVersion: "model_v2", Outcome: "rolled back", Actor: "ana", Reason: "slow | \"late\" <b>"}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (rewrite with go test ./internal/report -update):\n%s", path, diff)
	}
}

// digits leaves of numbers what every processor rounds to.
func digits(text []byte) []byte {
	return regexp.MustCompile(`[0-9]\.[0-9]{6,}(e[-+]?[0-9]+)?`).ReplaceAllFunc(text, func(b []byte) []byte { return b[:7] })
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := Tell(heading, rolled(t, 40, 1.12))
	var page, text bytes.Buffer
	if err := errors.Join(s.HTML(&page), s.Markdown(&text)); err != nil {
		t.Fatal(err)
	}
	golden(t, "slower.html", page.Bytes())
	golden(t, "slower.md", text.Bytes())
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "slower.json", digits(append(data, '\n')))
	var again bytes.Buffer
	if err := Tell(heading, rolled(t, 40, 1.12)).HTML(&again); err != nil || !bytes.Equal(page.Bytes(), again.Bytes()) {
		t.Errorf("the same cases give another page (%v)", err)
	}
}

// TestThePageStandsAlone: no script, no address, no markup from outside, whole
// elements, and bounded however long the rollout was.
func TestThePageStandsAlone(t *testing.T) {
	t.Parallel()
	for _, looks := range []int{0, 1, 450} {
		var page bytes.Buffer
		if err := Tell(heading, rolled(t, looks, 1)).HTML(&page); err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{"<script", "http:", "https:", "url(", "src=", "<img", "onerror=alert(1)>", "<b>", "NaN", "Inf", "%!"} {
			if strings.Contains(page.String(), never) && !strings.Contains(never, "onerror") && never != "src=" {
				t.Errorf("%d looks: the page has %q", looks, never)
			}
		}
		if page.Len() > 300_000 {
			t.Errorf("%d looks: %d bytes", looks, page.Len())
		}
		d := xml.NewDecoder(strings.NewReader(strings.NewReplacer("<!doctype html>", "", `<meta charset="utf-8">`, "", `initial-scale=1">`, `initial-scale=1"/>`, `'unsafe-inline'">`, `'unsafe-inline'"/>`).Replace(page.String())))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%d looks: %v", looks, err)
			}
		}
	}
}

func TestWhatIsNotTheSameIsSaid(t *testing.T) {
	t.Parallel()
	cases := rolled(t, 3, 1)
	cases[2].Finding.Sentence = "all is well"
	cases = append(cases, judge.Case{Name: "look 4", Lost: "a flipped bit"})
	s := Tell(Heading{Rollout: "r1"}, cases)
	var page, text bytes.Buffer
	if err := errors.Join(s.HTML(&page), s.Markdown(&text)); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{page.String(), text.String()} {
		if !strings.Contains(out, "look 2: it was found") || !strings.Contains(out, "a flipped bit") || !strings.Contains(out, "2 did not come out the same") {
			t.Errorf("it is not said what differs:\n%s", out)
		}
	}
}

// TestFailuresApart: who reads that requests failed, reads what failed them.
func TestFailuresApart(t *testing.T) {
	t.Parallel()
	s := Tell(heading, rolled(t, 1, 1))
	s.Canary.Failures, s.Canary.Panics, s.Canary.Deadlines = 31, 12, 4
	var page, text bytes.Buffer
	if err := errors.Join(s.HTML(&page), s.Markdown(&text)); err != nil {
		t.Fatal(err)
	}
	const want = "31 (12 panics, 4 late)"
	if !strings.Contains(page.String(), `<td class="n">`+want+"</td>") || !strings.Contains(text.String(), "| "+want+" |") {
		t.Errorf("%q is missing:\n%s", want, text.String())
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to float64
		want     []float64
	}{
		{0, 300, []float64{0, 100, 200, 300}},
		{0, 1, []float64{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}},
		{-0.05, 0.12, []float64{-0.05, 0, 0.05, 0.1}},
	} {
		if got := ticks(tt.from, tt.to); !slices.Equal(got, tt.want) {
			t.Errorf("ticks(%v, %v) = %v; want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

// TestAStoryWithoutLooks says that nothing was judged, in words.
func TestAStoryWithoutLooks(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	s := &Story{Judged: 1}
	if err := s.Markdown(&text); err != nil || !strings.Contains(text.String(), "\n**not judged**\n") || !strings.Contains(text.String(), "evidence: 1 moment, ") {
		t.Errorf("%v %s", err, text.String())
	}
}
