package notify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/rollout"
)

// desk is a journal and memos in memory, which can fail.
type desk struct {
	mu     sync.Mutex
	events []Event
	memos  map[string][]byte
	broken error // of SwapMemo
}

func (d *desk) Last(context.Context) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return uint64(len(d.events)), nil
}

func (d *desk) Events(_ context.Context, after uint64, limit int) ([]Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.events[min(after, uint64(len(d.events))):]
	return all[:min(limit, len(all))], nil
}

func (d *desk) Memo(_ context.Context, name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.memos[name], nil
}

func (d *desk) SwapMemo(_ context.Context, name string, old, data []byte) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return false, d.broken
	}
	if !bytes.Equal(d.memos[name], old) {
		return false, nil
	}
	d.write(name, data)
	return true, nil
}

// write is what nobody should do: it saves whatever was there.
func (d *desk) write(name string, data []byte) {
	if d.memos == nil {
		d.memos = map[string][]byte{}
	}
	d.memos[name] = data
}

func (d *desk) breakIt(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

// commit adds an event, with whatever is odd about it.
func (d *desk) commit(kind rollout.Kind, odd ...func(*Event)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := uint64(len(d.events) + 1)
	e := Event{
		Seq: n, At: time.Date(2026, 3, 1, 12, 0, int(n), 0, time.UTC), Kind: kind, Actor: "ana", Rollout: "r1",
		State: rollout.State{Model: "churn", Generation: n, Phase: rollout.Idle, Stable: rollout.Version{Name: "model_v1", SHA256: "ab12"}},
	}
	for _, change := range odd {
		change(&e)
	}
	d.events = append(d.events, e)
}

// seen is one try, as a receiver sees it.
type seen struct {
	at     time.Duration // since the test began
	id     string
	second string
	body   string
}

// receiver answers as it is told to.
type receiver struct {
	begun time.Time
	mu    sync.Mutex
	tries []seen
	// answer gives a status and headers for the n-th try, from 0.
	answer func(n int, r *http.Request) (int, http.Header)
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	n := len(r.tries)
	r.tries = append(r.tries, seen{time.Since(r.begun), req.Header.Get("Webhook-Id"), req.Header.Get("Webhook-Timestamp"), string(body)})
	answer := r.answer
	r.mu.Unlock()
	status, header := answer(n, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("no thanks")), Request: req}, nil
}

// say is what it answers from now on.
func (r *receiver) say(answer func(int, *http.Request) (int, http.Header)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) got() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.tries...)
}

func always(status int) func(int, *http.Request) (int, http.Header) {
	return func(int, *http.Request) (int, http.Header) { return status, http.Header{} }
}

func hookAt(t *testing.T, given string) Hook {
	t.Helper()
	h, err := ParseHook(given)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// heralded starts a herald for hooks at example.com, and returns what ends it.
func heralded(t *testing.T, d *desk, r http.RoundTripper, given ...string) (*Herald, func()) {
	t.Helper()
	c := Config{Outbox: d, Log: slog.New(slog.DiscardHandler), Version: "test", Way: r, Chance: func() float64 { return 1 }}
	for _, g := range given {
		c.Hooks = append(c.Hooks, hookAt(t, g))
	}
	h := New(c)
	h.Prepare(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	return h, func() { cancel(); <-done }
}

func standing(t *testing.T, h *Herald) HookState {
	t.Helper()
	all, err := h.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all.Hooks[0]
}

// TestTriesBecomeRare: the same bytes under the same id, each pause twice the last,
// a dead letter in the end, and then the next event.
func TestTriesBecomeRare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(503)}
		h, stop := heralded(t, d, r, "ops=https://example.com/hook")
		defer stop()
		d.commit(rollout.Deploy)
		h.News()
		<-time.After(3 * time.Hour)
		synctest.Wait()
		got := r.got()
		want := []int{0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023} // seconds
		if len(got) != tries {
			t.Fatalf("%d tries: %v", len(got), got)
		}
		for i, s := range got {
			if i < len(want) && s.at != time.Duration(want[i])*time.Second {
				t.Errorf("try %d came after %v, want %d s", i+1, s.at, want[i])
			}
			if i >= len(want) && s.at-got[i-1].at != longestPause {
				t.Errorf("try %d came %v after the one before", i+1, s.at-got[i-1].at)
			}
			if s.id != got[0].id || s.body != got[0].body || i > 0 && s.second == got[0].second {
				t.Errorf("try %d is %+v and the first was %+v", i+1, s, got[0])
			}
		}
		s := standing(t, h)
		if len(s.Letters) != 1 || s.Letters[0].Tries != tries || s.Letters[0].ID != got[0].id || s.Position != 1 || !strings.Contains(s.Letters[0].Error, "503: no thanks") {
			t.Errorf("%+v", s)
		}
		r.say(always(204))
		d.commit(rollout.Loaded)
		h.News()
		synctest.Wait()
		if s := standing(t, h); s.Position != 2 || len(s.Letters) != 1 || s.Trouble != nil {
			t.Errorf("%+v", s)
		}
	})
}

// TestPauses: half of a pause is chance, and the receiver's wish is granted.
func TestPauses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		tried int
		r     float64
		wish  time.Duration
		want  time.Duration
	}{
		{1, 0, 0, time.Second / 2},
		{1, 1, 0, time.Second},
		{4, 0.5, 0, 6 * time.Second},
		{10, 1, 0, 512 * time.Second},
		{11, 1, 0, longestPause},
		{1 << 40, 0, 0, longestPause / 2},
		{2, 1, time.Minute, time.Minute},
		{12, 1, time.Minute, longestPause},
	} {
		if got := (&failure{wish: tt.wish}).pause(tt.tried, tt.r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestARefusalIsNotRepeatedForHours(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{400: 3, 401: 3, 404: 3, 410: 3, 302: 3, 308: 3, 408: tries, 425: tries, 429: tries, 500: tries} {
		synctest.Test(t, func(t *testing.T) {
			d, r := &desk{}, &receiver{begun: time.Now(), answer: always(status)}
			h, stop := heralded(t, d, r, "https://example.com/hook")
			defer stop()
			d.commit(rollout.Alarm)
			h.News()
			<-time.After(4 * time.Hour)
			if got := len(r.got()); got != want {
				t.Errorf("%d was tried %d times, want %d", status, got, want)
			}
		})
	}
}

func TestRetryAfterIsRespected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now()}
		r.answer = func(n int, _ *http.Request) (int, http.Header) {
			switch n {
			case 0:
				return 429, http.Header{"Retry-After": {"90"}}
			case 1:
				return 503, http.Header{"Retry-After": {time.Now().Add(5 * time.Minute).UTC().Format(http.TimeFormat)}}
			case 2:
				return 503, http.Header{"Retry-After": {"4000000000"}}
			}
			return 200, http.Header{}
		}
		h, stop := heralded(t, d, r, "https://example.com/hook")
		defer stop()
		d.commit(rollout.Alarm)
		h.News()
		<-time.After(3 * time.Hour)
		got := r.got()
		if len(got) != 4 || got[1].at != 90*time.Second || got[2].at != 390*time.Second || got[3].at != 390*time.Second+longestWish {
			t.Errorf("%+v", got)
		}
	})
}

// TestHooksDoNotWaitForEachOther: one hangs until each try is given up, and the
// other has everything at once.
func TestHooksDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now()}
		r.answer = func(_ int, req *http.Request) (int, http.Header) {
			if req.URL.Host == "slow.example" {
				<-req.Context().Done()
			}
			return 200, http.Header{}
		}
		h, stop := heralded(t, d, r, "https://slow.example/", "https://fast.example/")
		defer stop()
		for range 25 { // more than a page
			d.commit(rollout.Drill)
		}
		h.News()
		synctest.Wait()
		all, err := h.States(t.Context())
		if err != nil || all.Hooks[1].Position != 25 || all.Hooks[0].Position != 0 || all.Hooks[0].Waiting != 25 || time.Since(r.begun) != 0 {
			t.Errorf("%v after %v: %+v", err, time.Since(r.begun), all)
		}
		<-time.After(patience + time.Second/2)
		all, _ = h.States(t.Context())
		if trouble := all.Hooks[0].Trouble; trouble == nil || trouble.Tries != 1 || !strings.Contains(trouble.Error, "no answer") {
			t.Errorf("%+v", trouble)
		}
	})
}

// TestNothingIsLeftUntold: what was committed is told by the next process, what
// arrived and could not be remembered again under the same id, and what was there
// before the hook is not.
func TestNothingIsLeftUntold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(200)}
		d.commit(rollout.Install)
		const ops = "ops=https://example.com/"
		_, stop := heralded(t, d, r, ops)
		stop()
		d.commit(rollout.Deploy) // and the process is gone before it hears of it
		h, stop := heralded(t, d, r, ops)
		synctest.Wait()
		if got := r.got(); len(got) != 1 || !strings.Contains(got[0].body, `"event":"deploy"`) {
			t.Fatalf("%+v", got)
		}
		d.breakIt(errors.New("the disk is full"))
		d.commit(rollout.Loaded)
		h.News()
		synctest.Wait()
		<-time.After(time.Minute) // it is not told twice by the same process
		stop()
		if got := r.got(); len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		d.breakIt(nil)
		_, stop = heralded(t, d, r, ops)
		synctest.Wait()
		stop()
		if got := r.got(); len(got) != 3 || got[2].id != got[1].id || got[2].body != got[1].body || got[1].id == got[0].id {
			t.Fatalf("%+v", got)
		}
	})
}

// TestSeveralProcessesTellOnce: the one whose turn it is goes on where the other has
// stopped, also in the middle of its tries, and knows what was asked of the other.
func TestSeveralProcessesTellOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(200)}
		var turn atomic.Int32
		var both [2]*Herald
		for i := range both {
			both[i] = New(Config{
				Hooks: []Hook{hookAt(t, "ops=https://example.com/")}, Outbox: d, Log: slog.New(slog.DiscardHandler), Way: r,
				Turn: func() bool { return turn.Load() == int32(i) },
			})
			both[i].Prepare(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); both[i].Run(ctx) }()
			defer func() { cancel(); <-done }()
		}
		commit := func(kind rollout.Kind) { // only one of them hears of it
			d.commit(kind)
			both[0].News()
			<-time.After(2 * poll)
		}
		commit(rollout.Deploy)
		turn.Store(1)
		commit(rollout.Loaded)
		if got := r.got(); len(got) != 2 || got[0].id == got[1].id {
			t.Fatalf("%+v", got)
		}
		r.say(always(503))
		commit(rollout.Alarm)
		turn.Store(0)
		<-time.After(time.Minute)
		r.say(always(404))
		<-time.After(time.Hour) // the other has given it up
		for i, h := range both {
			if s := standing(t, h); s.Position != 3 || len(s.Letters) != 1 || s.Letters[0].Tries < triesRefused {
				t.Errorf("%d: %+v", i, s)
			}
		}
		r.say(always(200))
		if n, err := both[1].tellers[0].replay(t.Context(), ""); n != 1 || err != nil {
			t.Fatalf("%d %v", n, err)
		}
		before := len(r.got())
		<-time.After(2 * poll)
		if s, n := standing(t, both[0]), len(r.got())-before; len(s.Letters) != 0 || s.Position != 3 || n != 1 {
			t.Errorf("told %d times: %+v", n, s)
		}
	})
}

// TestAHookKeepsNoServerFromStarting: what cannot be read now is read later.
func TestAHookKeepsNoServerFromStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{memos: map[string][]byte{"ops": []byte("{")}}, &receiver{begun: time.Now(), answer: always(200)}
		d.commit(rollout.Deploy)
		h, stop := heralded(t, d, r, "ops=https://example.com/")
		defer stop()
		<-time.After(time.Minute)
		if _, err := h.States(t.Context()); err == nil || len(r.got()) != 0 {
			t.Errorf("%v %+v", err, r.got())
		}
		if _, err := h.tellers[0].replay(t.Context(), ""); err == nil {
			t.Error("replayed")
		}
		d.mu.Lock()
		d.write("ops", []byte(`{"position":0}`))
		d.mu.Unlock()
		<-time.After(2 * poll)
		if s := standing(t, h); s.Position != 1 || len(r.got()) != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestDeadLettersAreToldAgain, and what waits is tried at once.
func TestDeadLettersAreToldAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(404)}
		h, stop := heralded(t, d, r, "ops=https://example.com/")
		defer stop()
		d.commit(rollout.Deploy)
		d.commit(rollout.Loaded)
		h.News()
		<-time.After(time.Minute)
		r.say(always(500))
		d.commit(rollout.Promote)
		h.News()
		<-time.After(30 * time.Minute)
		s := standing(t, h)
		if len(s.Letters) != 2 || s.Trouble == nil {
			t.Fatalf("%+v", s)
		}
		before := len(r.got())
		if m := h.Meters()[0]; m.Sent != 0 || int(m.Failed) != before || m.Again != m.Failed-3 || m.Letters != 2 || !m.Arrived.IsZero() {
			t.Errorf("%d tries, and it is metered as %+v", before, m)
		}
		r.say(always(200))
		if n, err := h.tellers[0].replay(t.Context(), ""); n != 2 || err != nil {
			t.Fatalf("%d %v", n, err)
		}
		synctest.Wait()
		got := r.got()[before:]
		if s = standing(t, h); len(s.Letters) != 0 || s.Position != 3 || len(got) != 3 {
			t.Fatalf("%+v %+v", s, got)
		}
		if m := h.Meters()[0]; m.Name != "ops" || m.Sent != 3 || int(m.Failed) != before || m.Letters != 0 || !m.Arrived.Equal(time.Now()) {
			t.Errorf("all has arrived, and it is metered as %+v", m)
		}
		for i, event := range []string{"promote", "deploy", "loaded"} {
			if !strings.Contains(got[i].body, `"event":"`+event+`"`) {
				t.Errorf("%d is %s, want %s", i, got[i].body, event)
			}
		}
		if got[1].id != r.got()[0].id {
			t.Errorf("the id was %s and is %s", r.got()[0].id, got[1].id)
		}
	})
}

// TestWhatCannotBeRead is a dead letter and stops nobody.
func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(200)}
		h, stop := heralded(t, d, r, "https://example.com/")
		defer stop()
		d.commit(rollout.Deploy, func(e *Event) { *e = Event{Seq: 1, Lost: "row 1 is damaged"} })
		d.commit(rollout.Loaded, func(e *Event) { e.Detail = []byte("{") }) // nobody writes it
		d.commit(rollout.Alarm)
		h.News()
		synctest.Wait()
		s := standing(t, h)
		if len(r.got()) != 1 || s.Position != 3 || len(s.Letters) != 2 || s.Letters[0].Error != "row 1 is damaged" || !strings.Contains(s.Letters[1].Error, "encoding event 2") {
			t.Errorf("%+v", s)
		}
	})
}

// TestMemory: letters have a bound, and the oldest go first.
func TestMemory(t *testing.T) {
	t.Parallel()
	m := memo{}
	for i := range uint64(mostLetters + 5) {
		m = m.bury(Letter{Seq: i})
		m = m.bury(Letter{Seq: i}) // again
	}
	if len(m.Letters) != mostLetters || m.Dropped != 5 || m.Letters[0].Seq != 5 || m.due() != nil {
		t.Errorf("%+v", m)
	}
	other, n := m.revive("")
	if n != mostLetters || other.due() == nil || m.due() != nil {
		t.Errorf("%d revived", n)
	}
	if text := printable("a\x1b[2J\n" + strings.Repeat("ü", 1000)); strings.ContainsAny(text, "\x1b\n") || len([]rune(text)) != 301 {
		t.Errorf("%q", text)
	}
}

// TestAddressesAreNotLogged, nor told by the calls, for they may be secrets.
func TestAddressesAreNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d, secret := &desk{}, "T00SECRET"
		way := failing{}
		h := New(Config{Outbox: d, Hooks: []Hook{hookAt(t, "https://user:"+secret+"@example.com/"+secret+"?key="+secret)}, Log: slog.New(slog.NewTextHandler(&log, nil)), Way: way})
		h.Prepare(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); h.Run(ctx) }()
		d.commit(rollout.Alarm)
		h.News()
		<-time.After(5 * time.Hour)
		s := standing(t, h)
		cancel()
		<-done
		if len(s.Letters) != 1 || !strings.Contains(s.Letters[0].Error, "connection refused") || s.Address != "https://example.com" {
			t.Errorf("%+v", s)
		}
		if text := log.String() + s.Letters[0].Error; strings.Contains(text, secret) || !strings.Contains(text, "dead letter") {
			t.Errorf("%s", text)
		}
	})
}

// failing says what net/http says.
type failing struct{}

func (failing) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: errors.New("connection refused")}
}
