package infer

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/model"
	"serin/internal/route"
)

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{limits: Limits{Concurrency: 2, Queue: 2, Patience: time.Second}}
		for range 2 {
			if _, no := g.enter(t.Context(), time.Time{}); no != nil {
				t.Fatal("two may enter")
			}
		}
		order := make(chan int, 4)
		enter := func(n int, ctx context.Context) {
			go func() {
				if _, no := g.enter(ctx, time.Time{}); no != nil {
					n = -n
				}
				order <- n
			}()
			synctest.Wait()
		}
		enter(1, t.Context())
		gone, leave := context.WithCancel(t.Context())
		enter(2, gone)
		enter(3, t.Context()) // the queue is full
		if got := <-order; got != -3 {
			t.Fatalf("%d", got)
		}
		leave() // the second's client goes
		if got := <-order; got != -2 {
			t.Fatalf("%d", got)
		}
		enter(4, t.Context())
		g.leave()
		if got := <-order; got != 1 {
			t.Fatalf("%d: the first come is the first", got)
		}
		begun := time.Now()
		if got := <-order; got != -4 || time.Since(begun) != time.Second {
			t.Fatalf("%d after %v: nobody left", got, time.Since(begun))
		}
		g.leave()
		g.leave()
		if g.busy.Load() != 0 || g.waiting.Load() != 0 || len(g.queue) != 0 {
			t.Errorf("%d busy, %d waiting", g.busy.Load(), g.waiting.Load())
		}
	})
}

// TestGateUnderPressure: never more inside than may be, and nobody is forgotten
// in the queue.
func TestGateUnderPressure(t *testing.T) {
	t.Parallel()
	g := &gate{limits: Limits{Concurrency: 3, Queue: 1000, Patience: time.Minute}}
	var inside, tooMany, entered atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 200 {
				if _, no := g.enter(t.Context(), time.Time{}); no != nil {
					t.Error("turned away")
					return
				}
				if n := inside.Add(1); n > 3 {
					tooMany.Add(1)
				}
				entered.Add(1)
				inside.Add(-1)
				g.leave()
			}
		})
	}
	all.Wait()
	if entered.Load() != 64*200 || tooMany.Load() > 0 || g.busy.Load() != 0 || g.waiting.Load() != 0 {
		t.Errorf("%d entered, %d times too many at once, %d busy, %d waiting", entered.Load(), tooMany.Load(), g.busy.Load(), g.waiting.Load())
	}
}

func TestGateAllocatesNothing(t *testing.T) {
	g := &gate{limits: DefaultLimits()}
	if n := testing.AllocsPerRun(100, func() { _, _ = g.enter(context.Background(), time.Time{}); g.leave() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAFreeSlotIsSeen: one that was given back while somebody's vain try took it
// for a moment goes to who waits, when the trier comes to the queue, full or not.
func TestAFreeSlotIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{limits: Limits{Concurrency: 1, Queue: 1, Patience: time.Second}}
		if _, no := g.enter(t.Context(), time.Time{}); no != nil {
			t.Fatal("the first may enter")
		}
		var others sync.WaitGroup
		enter := func() {
			others.Go(func() {
				if _, no := g.enter(t.Context(), time.Time{}); no != nil {
					t.Error("turned away")
					return
				}
				g.leave()
			})
			synctest.Wait()
		}
		enter()
		g.busy.Store(0) // the first has left, and saw the slot taken by the second's try
		enter()
		others.Wait()
	})
}

// TestTheGateLetsOthersRun: who is let in does not go before those who are not in
// the queue yet.
func TestTheGateLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const waiters = 500
	g := &gate{limits: Limits{Concurrency: 1, Queue: waiters, Patience: time.Hour}}
	if _, no := g.enter(t.Context(), time.Time{}); no != nil {
		t.Fatal("the first may enter")
	}
	var passed atomic.Int64
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			if _, no := g.enter(t.Context(), time.Time{}); no != nil {
				t.Error("turned away")
				return
			}
			passed.Add(1)
			g.leave()
		})
	}
	for g.waiting.Load() < waiters {
		runtime.Gosched()
	}
	g.leave()
	runtime.Gosched() // as whoever arrives has a turn after those who are there
	if n := passed.Load(); n > 10 {
		t.Errorf("%d of %d passed before anybody else had a turn", n, waiters)
	}
	all.Wait()
}

// TestAPauseIsNoOverload: clients that ask again as soon as they are answered, for
// whom there is room, are all served also after a time in which nothing went on.
func TestAPauseIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slots, takes, from, to = 4, 5 * time.Millisecond, 200 * time.Millisecond, 900 * time.Millisecond
		g := &gate{limits: Limits{Concurrency: slots, Queue: 1000, Patience: time.Second}}
		begun := time.Now()
		var served, turnedAway atomic.Int64
		var clients sync.WaitGroup
		for range 32 {
			clients.Go(func() {
				for time.Since(begun) < 3*time.Second {
					if _, no := g.enter(t.Context(), time.Time{}); no != nil {
						turnedAway.Add(1)
						continue
					}
					<-time.After(takes)
					if at := time.Since(begun); at > from && at < to {
						<-time.After(to - at)
					}
					g.leave()
					served.Add(1)
				}
			})
		}
		clients.Wait()
		if n := turnedAway.Load(); n > 0 || served.Load() < 1000 {
			t.Errorf("%d were turned away, %d served", n, served.Load())
		}
	})
}

// TestHalfOfADeadline: who has waited for half of a deadline of its own lets the newest
// go first, however fast the queue went by.
func TestHalfOfADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{limits: Limits{Concurrency: 1, Queue: 10, Patience: time.Second}}
		if _, no := g.enter(t.Context(), time.Time{}); no != nil {
			t.Fatal(no)
		}
		deadline := time.Now().Add(100 * time.Millisecond)
		var order []int
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, no := g.enter(t.Context(), deadline); no != nil {
					t.Error(i, no)
					return
				}
				order = append(order, i)
				if i == 5 {
					<-time.After(60 * time.Millisecond)
				}
				g.leave()
			})
			synctest.Wait()
		}
		g.leave()
		all.Wait()
		if want := []int{0, 1, 2, 3, 4, 5, 7, 6}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// held predicts when it is let.
type held struct {
	scale
	come chan struct{}
	let  chan struct{}
}

func (h *held) Predict(in model.Rows, out model.Answers) error {
	h.come <- struct{}{}
	<-h.let
	return h.scale.Predict(in, out)
}

// TestOverload: who finds the queue full, or has waited too long, is told to
// come again, in the words of its protocol, and is in no evidence.
func TestOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &held{scale: *scales(), come: make(chan struct{}, 10), let: make(chan struct{})}
		arm := armFor(p, route.Stable)
		var sw route.Switch
		sw.Swap(&route.Table{Stable: arm})
		h := NewHandler(&sw, Limits{Concurrency: 1, Queue: 1, Patience: time.Second}, slog.New(slog.DiscardHandler))
		mux := http.NewServeMux()
		mux.Handle("POST /predict", h)
		h.Protocols("churn", "0.1", func() bool { return true }).Register(mux)
		var others sync.WaitGroup
		others.Go(func() {
			if status, body, _ := send(mux, "POST", "/predict", `{"features":[60,"gold"]}`); status != http.StatusOK {
				t.Errorf("the first: %d %s", status, body)
			}
		})
		<-p.come
		others.Go(func() {
			if status, body, _ := send(mux, "POST", "/predict", `{"features":[60,"gold"]}`); status != http.StatusServiceUnavailable {
				t.Errorf("the second waits in vain: %d %s", status, body)
			}
		})
		synctest.Wait()
		for path, body := range map[string]string{
			"/predict": `{"features":[60,"gold"]}`, "/v2/models/churn/infer": v2Rows, "/v1/models/churn:predict": `{"instances":[[60,"gold"]]}`, "/invocations": `{"instances":[[60,"gold"]]}`,
		} {
			status, answer, header := send(mux, "POST", path, body, "Content-Type", "application/json")
			if status != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" || !strings.Contains(answer, "busy") {
				t.Errorf("%s: %d %v %s", path, status, header, answer)
			}
		}
		<-time.After(2 * time.Second)
		close(p.let)
		others.Wait()
		if s := arm.Evidence.Snapshot(); s.Started != 1 || s.Count != 1 {
			t.Errorf("%d started, %d ended", s.Started, s.Count)
		}
		if n := h.gate.busy.Load(); n != 0 {
			t.Errorf("%d slots are kept", n)
		}
	})
}

// TestADrillKeepsNoSlot: what a drill adds is no work.
func TestADrillKeepsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arm := armFor(scales(), route.Canary)
		arm.Slowdown = 20 * time.Millisecond
		var sw route.Switch
		sw.Swap(&route.Table{Stable: arm})
		h := NewHandler(&sw, Limits{Concurrency: 1, Queue: 100, Patience: time.Millisecond}, slog.New(slog.DiscardHandler))
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if w := post(h, `{"features":[60,"gold"]}`); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
	})
}

// slowReader takes its answer only after it has looked at the gate.
type slowReader struct {
	http.ResponseWriter
	look func()
}

func (s *slowReader) Write(b []byte) (int, error) {
	s.look()
	return s.ResponseWriter.Write(b)
}

// TestASlowReaderKeepsNoSlot: what is sent has been predicted.
func TestASlowReaderKeepsNoSlot(t *testing.T) {
	t.Parallel()
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
	h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("POST /predict", h)
	h.Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	for path, body := range map[string]string{
		"/predict": `{"features":[60,"gold"]}`, "/v2/models/churn/infer": v2Rows, "/v1/models/churn:predict": `{"instances":[[60,"gold"]]}`,
	} {
		looked := 0
		w := &slowReader{httptest.NewRecorder(), func() {
			looked++
			if n := h.gate.busy.Load(); n != 0 {
				t.Errorf("%s: %d slots are kept while the answer is sent", path, n)
			}
		}}
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
		if looked != 1 {
			t.Errorf("%s: written %d times", path, looked)
		}
	}
}

// TestASlowReaderHoldsItsAnswerAlone: while a huge answer is being sent, nothing
// else of its request is held; a small one's memory is kept for the next.
func TestASlowReaderHoldsItsAnswerAlone(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1 << 10, 2 * keep} {
		req := &request{body: make([]byte, size)}
		req.batch.Numbers = make([]float64, size/8)
		written := false
		if t := req.send(writerFunc(func(b []byte) (int, error) {
			written = string(b) == "answer"
			if huge := size > keep; huge != (req.body == nil) || huge != (req.batch.Held() == 0) {
				t.Errorf("of a body of %d bytes %d are held, and %d of its rows", size, cap(req.body), req.batch.Held())
			}
			return len(b), nil
		}), []byte("answer"), &gate{}); t != nil {
			panic(t)
		}
		if !written {
			t.Error("the answer was not sent")
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestBodiesTogetherAreBounded: who has begun goes on, who would need more than
// there is comes again, and small requests are not concerned.
func TestBodiesTogetherAreBounded(t *testing.T) {
	t.Parallel()
	limits := DefaultLimits()
	limits.Bodies = 2_400_000 // for two of them, however their memory grew
	mux, _, h := protocolsOf(armFor(scales(), route.Stable), limits)
	large := `{"instances":[[60,"gold"]` + strings.Repeat(" ", 900<<10)
	var others sync.WaitGroup
	var ends []*io.PipeWriter
	for range 2 {
		body, client := io.Pipe()
		ends = append(ends, client)
		others.Go(func() {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/predict", body))
			if w.Code != http.StatusOK {
				t.Errorf("who had begun: %d %s", w.Code, w.Body)
			}
		})
		if _, err := io.WriteString(client, large); err != nil { // it has been read
			t.Fatal(err)
		}
	}
	for path, body := range map[string]string{"/predict": large + "]}", "/v2/models/churn/infer": strings.Repeat(" ", 900<<10) + v2Rows} {
		if code, answer, header := send(mux, "POST", path, body); code != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" {
			t.Errorf("one more to %s: %d %.200s", path, code, answer)
		}
	}
	if code, answer, _ := send(mux, "POST", "/predict", askInTime[0].body); code != http.StatusOK {
		t.Errorf("a small one: %d %s", code, answer)
	}
	for _, client := range ends {
		_, _ = io.WriteString(client, "]}")
		_ = client.Close()
	}
	others.Wait()
	if code, answer, _ := send(mux, "POST", "/predict", large+"]}"); code != http.StatusOK {
		t.Errorf("afterwards: %d %.200s", code, answer)
	}
	if n := h.gate.lent.Load(); n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
}

// TestBodiesAskBeforeTheyGrow: memory that the gate does not lend is not taken first.
func TestBodiesAskBeforeTheyGrow(t *testing.T) {
	req := &request{}
	if refused := req.readAll(strings.NewReader(strings.Repeat(" ", 2*smallBody)), &gate{limits: Limits{Bodies: 1}}); refused != overloaded || cap(req.body) > smallBody {
		t.Errorf("%v, with %d bytes taken", refused, cap(req.body))
	}
}
