package infer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/model"
	"serin/internal/route"
)

// sluggish takes its time for each call.
type sluggish struct {
	scale
	takes time.Duration
	calls int
}

func (s *sluggish) Predict(in model.Rows, out model.Answers) error {
	s.calls++
	<-time.After(s.takes)
	return s.scale.Predict(in, out)
}

// protocolsOf are all ways to ask an arm, over HTTP and gRPC.
func protocolsOf(arm *route.Arm, limits Limits) (*http.ServeMux, *service, *Handler) {
	var sw route.Switch
	sw.Swap(&route.Table{Stable: arm})
	h, mux := NewHandler(&sw, limits, slog.New(slog.DiscardHandler)), http.NewServeMux()
	p := h.Protocols("churn", "0.1", func() bool { return true })
	mux.Handle("POST /predict", h)
	p.Register(mux)
	return mux, &service{Protocols: p}, h
}

const goldRow = `[60,"gold"]`

// askInTime are requests in every protocol, and how each tells that it was too late.
var askInTime = []struct{ path, body, words string }{
	{"/predict", `{"features":` + goldRow + `}`, `"code":"deadline_exceeded"`},
	{"/models/churn/predict", `{"instances":[` + goldRow + `]}`, `"code":"deadline_exceeded"`},
	{"/v2/models/churn/infer", v2Rows, `{"error":"The prediction was not ready at its deadline`},
	{"/v1/models/churn:predict", `{"instances":[` + goldRow + `]}`, `{"error":"The prediction was not ready at its deadline`},
	{"/invocations", `{"instances":[` + goldRow + `]}`, `{"error_code":"DEADLINE_EXCEEDED"`},
}

// TestAnArmThatIsLateHasFailed: it began in time, and was not ready.
func TestAnArmThatIsLateHasFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arm := armFor(&sluggish{scale: *scales(), takes: 10 * time.Millisecond}, route.Stable)
		mux, rpc, _ := protocolsOf(arm, DefaultLimits())
		failed := uint64(0)
		for _, tt := range askInTime {
			if code, body, _ := send(mux, "POST", tt.path, tt.body, askHeader, "11"); code != http.StatusOK {
				t.Errorf("%s in time: %d %s", tt.path, code, body)
			}
			code, body, header := send(mux, "POST", tt.path, tt.body, askHeader, "9")
			if code != http.StatusGatewayTimeout || !strings.Contains(body, tt.words) || header.Get("Retry-After") != "" {
				t.Errorf("%s: %d %s", tt.path, code, body)
			}
			if failed++; arm.Evidence.Snapshot().Failures != failed {
				t.Errorf("%s: the late arm has not failed", tt.path)
			}
		}
		soon, cancel := context.WithTimeout(t.Context(), 9*time.Millisecond)
		defer cancel()
		ask := &pb.ModelInferRequest{ModelName: "churn", Inputs: two()}
		if _, err := rpc.ModelInfer(soon, ask); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		ask.Parameters = map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 9_000}}}
		if _, err := rpc.ModelInfer(t.Context(), ask); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		if code, body, _ := send(mux, "POST", "/v2/models/churn/infer", `{"parameters":{"timeout":9000},`+v2Rows[1:]); code != http.StatusGatewayTimeout {
			t.Errorf("%d %s", code, body)
		}
		if s := arm.Evidence.Snapshot(); s.Failures != failed+3 || s.Count != failed || s.Unfinished() != 0 {
			t.Errorf("%d failures, %d answers", s.Failures, s.Count)
		}
	})
}

// TestALongBatchEndsAtItsDeadline and not when it is done: the server's own, too.
func TestALongBatchEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &sluggish{scale: *scales(), takes: 10 * time.Millisecond}
		arm := armFor(slow, route.Stable)
		limits := DefaultLimits()
		limits.Timeout = 25 * time.Millisecond
		mux, _, _ := protocolsOf(arm, limits)
		body := `{"instances":[` + strings.Repeat(goldRow+",", 9_999) + goldRow + `]}`
		begun := time.Now()
		if code, answer, _ := send(mux, "POST", "/predict", body); code != http.StatusGatewayTimeout {
			t.Errorf("%d %.100s", code, answer)
		}
		if took := time.Since(begun); took != 30*time.Millisecond || slow.calls != 3 {
			t.Errorf("%d blocks in %v", slow.calls, took)
		}
		if s := arm.Evidence.Snapshot(); s.Failures != 1 || s.Count != 0 {
			t.Errorf("%d failures", s.Failures)
		}
		// A drill waits no longer than anybody waits for it.
		arm.Slowdown, slow.takes = time.Second, 0
		begun = time.Now()
		if code, _, _ := send(mux, "POST", "/predict", askInTime[0].body); code != http.StatusGatewayTimeout || time.Since(begun) != limits.Timeout {
			t.Errorf("a drill: %d after %v", code, time.Since(begun))
		}
	})
}

// TestWhoWaitedInVainIsNobodysEvidence: the deadline ended in the queue.
func TestWhoWaitedInVainIsNobodysEvidence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &held{scale: *scales(), come: make(chan struct{}, 10), let: make(chan struct{})}
		arm := armFor(p, route.Stable)
		mux, rpc, h := protocolsOf(arm, Limits{Concurrency: 1, Queue: 10, Patience: time.Second})
		var others sync.WaitGroup
		others.Go(func() { send(mux, "POST", "/predict", askInTime[0].body) })
		<-p.come
		for _, tt := range askInTime {
			others.Go(func() {
				begun := time.Now()
				code, body, _ := send(mux, "POST", tt.path, tt.body, askHeader, "70")
				if took := time.Since(begun); code != http.StatusGatewayTimeout || took != 70*time.Millisecond {
					t.Errorf("%s: %d %s after %v", tt.path, code, body, took)
				}
			})
		}
		others.Go(func() {
			soon, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
			defer cancel()
			if _, err := rpc.ModelInfer(soon, &pb.ModelInferRequest{ModelName: "churn", Inputs: two()}); status.Code(err) != codes.DeadlineExceeded {
				t.Error(err)
			}
		})
		others.Go(func() { // it leaves, and nobody hears what it is told
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, leave)
			if _, err := h.gate.enter(ctx, time.Time{}); err != gone {
				t.Error(err)
			}
		})
		<-time.After(80 * time.Millisecond)
		close(p.let)
		others.Wait()
		if s := arm.Evidence.Snapshot(); s.Started != 1 || s.Failures != 0 {
			t.Errorf("%d started, %d failed", s.Started, s.Failures)
		}
		if h.gate.busy.Load() != 0 || h.gate.waiting.Load() != 0 {
			t.Error("slots are kept")
		}
	})
}

// TestTheQueueIsNotTheArmsFault: of requests that waited for 30 of their 100 ms,
// the arm has failed only where it took 100 ms by itself. What it took is observed
// in any case, and a client that left counts where the arm took longer than the queue.
func TestTheQueueIsNotTheArmsFault(t *testing.T) {
	t.Parallel()
	const waits, asks = 30 * time.Millisecond, 100 * time.Millisecond
	for _, tt := range []struct {
		name             string
		block            time.Duration // that the arm takes for 512 rows
		rows             int
		leaves           time.Duration // of the client; 0 if it stays
		code             int
		fails, abandoned uint64
		mean             time.Duration // of what is observed
	}{
		{name: "in time", block: 60 * time.Millisecond, rows: 1, code: 200, mean: 60 * time.Millisecond},
		{name: "late by the queue", block: 80 * time.Millisecond, rows: 1, code: 504, mean: 80 * time.Millisecond},
		{name: "cut off by the queue", block: 20 * time.Millisecond, rows: 512 * 10, code: 504, mean: 80 * time.Millisecond},
		{name: "late by itself", block: 100 * time.Millisecond, rows: 1, code: 504, fails: 1},
		{name: "cut off by itself", block: 50 * time.Millisecond, rows: 512 * 10, code: 504, fails: 1},
		{name: "the client leaves the arm", block: 40 * time.Millisecond, rows: 1, leaves: 60 * time.Millisecond, code: 200, abandoned: 1, mean: 40 * time.Millisecond},
		{name: "the client leaves the queue", block: 20 * time.Millisecond, rows: 1, leaves: 40 * time.Millisecond, code: 200, mean: 20 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				arm := armFor(&sluggish{scale: *scales(), takes: tt.block}, route.Stable)
				mux, _, h := protocolsOf(arm, Limits{Concurrency: 1, Queue: 10, Patience: time.Second})
				if _, no := h.gate.enter(t.Context(), time.Time{}); no != nil {
					t.Fatal(no)
				}
				time.AfterFunc(waits, h.gate.leave)
				ctx := t.Context()
				if tt.leaves > 0 {
					var leave context.CancelFunc
					ctx, leave = context.WithTimeout(ctx, tt.leaves)
					defer leave()
				}
				r := httptest.NewRequest(http.MethodPost, "/predict", strings.NewReader(`{"instances":[`+strings.Repeat(goldRow+",", tt.rows-1)+goldRow+`]}`)).WithContext(ctx)
				r.Header.Set(askHeader, strconv.FormatInt(asks.Milliseconds(), 10))
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				s := arm.Evidence.Snapshot()
				if w.Code != tt.code || s.Failures != tt.fails || s.Count != 1-tt.fails || s.Abandoned != tt.abandoned || s.Unfinished() != 0 {
					t.Errorf("%d: %d failed, %d observed, %d abandoned: %.100s", w.Code, s.Failures, s.Count, s.Abandoned, w.Body)
				}
				if _, mean, _ := s.Moments(); mean != float64(tt.mean) {
					t.Errorf("observed with %v", time.Duration(mean))
				}
			})
		})
	}
}

func TestWhatIsNoTimeout(t *testing.T) {
	t.Parallel()
	mux, rpc, _ := protocolsOf(armFor(scales(), route.Stable), DefaultLimits())
	for _, value := range []string{"", "0", "-1", "1.5", "1s", "99999999999", strings.Repeat("9", 1000)} {
		code, body, _ := send(mux, "POST", "/predict", askInTime[0].body, askHeader, value)
		if code != http.StatusBadRequest || !strings.Contains(body, "whole number of milliseconds") || len(body) > 500 {
			t.Errorf("%.20q: %d %s", value, code, body)
		}
	}
	for _, value := range []string{`"5"`, "-1", "1.5", "true", "1e3", "99999999999999999999"} {
		code, body, _ := send(mux, "POST", "/v2/models/churn/infer", `{"parameters":{"timeout":`+value+`},`+v2Rows[1:])
		if code != http.StatusBadRequest || !strings.Contains(body, "timeout is") {
			t.Errorf("%s: %d %s", value, code, body)
		}
	}
	for _, value := range []*pb.InferParameter{{ParameterChoice: &pb.InferParameter_StringParam{StringParam: strings.Repeat("x", 1000)}}, {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: -1}}} {
		_, err := rpc.ModelInfer(t.Context(), &pb.ModelInferRequest{ModelName: "churn", Inputs: two(), Parameters: map[string]*pb.InferParameter{"timeout": value}})
		if status.Code(err) != codes.InvalidArgument || len(err.Error()) > 300 {
			t.Error(err)
		}
	}
	for _, value := range []string{"0", "9223372036854775807"} { // none, and longer than anybody waits
		if code, body, _ := send(mux, "POST", "/v2/models/churn/infer", `{"parameters":{"timeout":`+value+`},`+v2Rows[1:]); code != http.StatusOK {
			t.Errorf("%s: %d %s", value, code, body)
		}
	}
}

// TestGoodputUnderOverload: twice as much comes as can be answered, and each
// request waits for a fifth of a second. Nearly every slot's work is for an answer
// in time; served in order, none would be.
func TestGoodputUnderOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slots, takes, seconds = 4, 50 * time.Millisecond, 20
		g := &gate{limits: Limits{Concurrency: slots, Queue: 1000, Patience: time.Second}}
		var inTime, tooLate, shed int
		var mu sync.Mutex
		var all sync.WaitGroup
		capacity := seconds * slots * int(time.Second/takes)
		for range 2 * capacity {
			<-time.After(takes / slots / 2)
			all.Go(func() {
				until := time.Now().Add(200 * time.Millisecond)
				_, tt := g.enter(t.Context(), until)
				if tt == nil {
					<-time.After(takes)
					g.leave()
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case tt != nil:
					shed++
				case passed(until, time.Now()):
					tooLate++
				default:
					inTime++
				}
			})
		}
		all.Wait()
		if inTime < capacity*9/10 || tooLate > capacity/20 {
			t.Errorf("of %d that could be answered %d were in time, %d too late, %d shed", capacity, inTime, tooLate, shed)
		}
	})
}

// TestGateKeepsItsRules, whatever comes, leaves and goes by.
func TestGateKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(0, 0)
		g := &gate{limits: Limits{Concurrency: rapid.IntRange(1, 3).Draw(t, "slots"), Queue: rapid.IntRange(0, 5).Draw(t, "queue"), Patience: time.Second}}
		inside, waiting := 0, []*waiter(nil)
		look := func(what string) {
			still := []*waiter(nil)
			var left *waiter // that has been let in, with the others still there
			for _, w := range waiting {
				select {
				case <-w.told:
					if w.in {
						inside, left = inside+1, w
						if !now.Before(w.until) {
							t.Fatalf("%s: let in after its deadline", what)
						}
					}
				default:
					still = append(still, w)
				}
			}
			for _, w := range still { // of the living the first, or where some are overdue the last
				if left != nil && now.Before(w.until) && w.since.Before(left.since) && now.Sub(still[0].since) < still[0].until.Sub(now) {
					t.Fatalf("%s: one that came later was let in, and no one is overdue", what)
				}
			}
			waiting = still
			if inside > g.limits.Concurrency || int64(inside) != g.busy.Load() || len(waiting) > g.limits.Queue || len(waiting) != len(g.queue) || int64(len(waiting)) != g.waiting.Load() {
				t.Fatalf("%s: %d inside, %d busy, %d wait, %d in the queue", what, inside, g.busy.Load(), len(waiting), len(g.queue))
			}
			if inside < g.limits.Concurrency && len(waiting) > 0 {
				t.Fatalf("%s: a slot is free, and %d wait", what, len(waiting))
			}
		}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch what := rapid.SampledFrom([]string{"comes", "comes", "leaves", "time", "gone"}).Draw(t, fmt.Sprint(i)); {
			case what == "comes" && g.waiting.Load() == 0 && g.take():
				inside++
			case what == "comes":
				w := &waiter{since: now, until: now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(t, "deadline")) * time.Millisecond), told: make(chan struct{})}
				if g.join(w) {
					waiting = append(waiting, w)
				}
				look(what)
			case what == "leaves" && inside > 0:
				inside--
				g.busy.Add(-1)
				g.admit(now)
				look(what)
			case what == "time":
				now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "ms")) * time.Millisecond)
			case what == "gone" && len(waiting) > 0:
				if !g.quit(waiting[0]) {
					t.Fatal("who waits could not go")
				}
				waiting = waiting[1:]
			}
		}
	})
}
