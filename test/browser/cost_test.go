package browser_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"serin/test/program"
)

var (
	long   = flag.String("past", "", "state directory that BenchmarkPages serves from (default: one is made, in two to five minutes)")
	events = flag.Int("past-events", 100_000, "how many events the journal has that is made")
	window = flag.Duration("window", 30*time.Second, "how long BenchmarkPages measures each time")
)

// crowd is how many models the measured server has; four in five have a canary.
const crowd = 50

// BenchmarkPages measures what an open page costs, where much is behind it: 50
// models, a journal of 100,000 events, and for each of 40 canaries an hour of looks
// and a million requests. It prints a table; with -update it goes into docs/dashboard.md.
//
// How many pages a server has open is measured with readers of the stream, since a
// browser opens few to one server. They read all and draw nothing.
func BenchmarkPages(b *testing.B) {
	ready(b)
	s := past(b)
	stopAtEnd(b, s)
	background(b, s.URL)
	t := &table{}
	for b.Loop() {
		t.rows = t.rows[:0]
		for _, at := range []struct{ name, path, seen string }{
			{"a model's page", "/#/" + member(1), ".actions button:not([disabled]), .band, .timeline li"},
			{"the table of 50", "/", "#overview, .overview tbody tr:nth-child(50) svg, .overview tbody tr:nth-child(50) a"},
		} {
			interactive, painted := arrive(b, s.URL+at.path, at.seen)
			t.add(at.name+": first paint; interactive, the slowest of nine visits", "%.0f ms; %.0f ms", painted, interactive)
			t.add(at.name+": Chromium, all its processes", "%.1f %% of a core", 100*draw(b, s.URL+at.path, at.seen))
		}
		idle := serving(b, s, "", 0)
		t.add("server, no page open, 100 predictions/s", "%.1f %% of a core", 100*idle.share)
		for _, n := range []int{1, 10, 64} {
			cost := serving(b, s, member(1), n)
			t.add(fmt.Sprintf("server, %d open pages of a model: each", n), "%.2f %% of a core, %.0f kB/s", 100*(cost.share-idle.share)/float64(n), cost.bytes/float64(n)/1000)
		}
	}
	fmt.Print("\n", t)
	if *update {
		t.write(b)
	}
}

func member(i int) string { return fmt.Sprintf("m%02d", i) }

// past serves from a state directory that has much behind it. The test of
// internal/app that knows what is in one makes it.
func past(b *testing.B) *program.Server {
	b.Helper()
	folder := place(b)
	data := *long
	if data == "" {
		data = filepath.Join(folder, "data")
		b.Logf("writing a journal of %d events", *events)
		cmd := exec.CommandContext(b.Context(), "go", "test", "-count=1", "-timeout=30m", "-run=^TestLongPast$", "serin/internal/app")
		cmd.Env = append(os.Environ(), "SERIN_LONG_PAST="+data, fmt.Sprintf("SERIN_LONG_PAST_EVENTS=%d", *events))
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	flags := []string{"--data", data}
	for i := range crowd {
		flags = append(flags, "--model", member(i)+"=models/model_v1.joblib")
	}
	return serve(b, folder, flags...)
}

// background is a little traffic to all models, or no picture would change.
func background(b *testing.B, url string) {
	b.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(b.Context()))
	var sending sync.WaitGroup
	sending.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			predict(ctx, url, member(i%crowd), i)
		}
	})
	b.Cleanup(func() {
		end()
		sending.Wait()
	})
}

// arrive visits an address nine times with nothing kept, and tells in ms how long
// the slowest took until all that a selector names was painted and could be used,
// and the slowest first paint.
func arrive(b *testing.B, url, seen string) (interactive, painted float64) {
	b.Helper()
	for range 9 {
		one := open(b, 1280, "light")
		one.watch(seen)
		one.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
			_, err := chromedp.Call(ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
			return chromedp.Void{}, err
		}, chromedp.Navigate(url))
		one.until("the first picture", "window.usable > 0")
		interactive = max(interactive, evaluate[float64](one, "window.usable"))
		painted = max(painted, evaluate[float64](one, "performance.getEntriesByType('paint').find(p => p.name === 'first-contentful-paint').startTime"))
		one.end()
	}
	return interactive, painted
}

// watch notes in the page when all that the selectors name has been painted.
func (b *tab) watch(seen string) {
	b.t.Helper()
	script := fmt.Sprintf(`{
		const all = %q.split(', ')
		const look = new MutationObserver(() => {
			if (window.usable || !all.every(s => document.querySelector(s))) return
			look.disconnect()
			requestAnimationFrame(() => setTimeout(() => { window.usable = performance.now(); document.body.dataset.usable = '' }))
		})
		look.observe(document, { childList: true, subtree: true })
	}`, seen)
	b.before(script)
}

// draw is the share of a core that Chromium takes with one page open, beyond what it
// takes with none.
func draw(b *testing.B, url, seen string) float64 {
	b.Helper()
	one := open(b, 1280, "light")
	one.watch(seen)
	<-time.After(5 * time.Second) // what was before has an end, too
	before := one.chromiumTime()
	<-time.After(*window / 3)
	idle := (one.chromiumTime() - before) / (*window / 3).Seconds()
	one.do(chromedp.Navigate(url))
	one.until("the first picture", "window.usable > 0")
	before = one.chromiumTime()
	<-time.After(*window)
	busy := (one.chromiumTime() - before) / window.Seconds()
	one.end()
	return busy - idle
}

// chromiumTime is how many seconds all processes of Chromium have taken.
func (b *tab) chromiumTime() (sum float64) {
	b.t.Helper()
	info, err := chromedp.CallBrowser(b.ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range info.ProcessInfo {
		sum += p.CPUTime
	}
	return sum
}

// load is what pages cost a server.
type load struct {
	share float64 // of a core
	bytes float64 // a second, to all of them
}

// serving is what n open pages of a model cost.
func serving(b *testing.B, s *program.Server, model string, n int) load {
	b.Helper()
	ctx, end := context.WithCancel(b.Context())
	var reading sync.WaitGroup
	var read, told atomic.Int64
	for range n {
		reading.Go(func() {
			if err := follow(ctx, s.URL+"/admin/models/"+model+"/live", &read, &told); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		})
	}
	for pace := time.NewTicker(10 * time.Millisecond); told.Load() < int64(n); <-pace.C { // all have been told the beginning
		if b.Failed() {
			break
		}
	}
	<-time.After(3 * time.Second)
	from, err := s.Busy()
	began, bytes := time.Now(), read.Load()
	<-time.After(*window)
	to, err2 := s.Busy()
	passed := time.Since(began).Seconds()
	cost := load{(to - from).Seconds() / passed, float64(read.Load()-bytes) / passed}
	end()
	reading.Wait()
	if err := errors.Join(err, err2); err != nil {
		b.Fatal(err)
	}
	return cost
}

// follow reads a stream to its end.
func follow(ctx context.Context, url string, read, told *atomic.Int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream is answered with %s", res.Status)
	}
	buffer := make([]byte, 64<<10)
	for first := true; ; first = false {
		n, err := res.Body.Read(buffer)
		read.Add(int64(n))
		if first {
			told.Add(1)
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the server ended a stream")
		}
		if err != nil {
			return err
		}
	}
}

// table is what was measured, in Markdown.
type table struct{ rows [][2]string }

func (t *table) add(what, format string, numbers ...any) {
	t.rows = append(t.rows, [2]string{what, fmt.Sprintf(format, numbers...)})
}

func (t *table) String() string {
	var out strings.Builder
	out.WriteString("| | |\n|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&out, "| %s | %s |\n", r[0], r[1])
	}
	return out.String()
}

// write puts the table between the marks in the document.
func (t *table) write(b *testing.B) {
	b.Helper()
	const name, from, to = "../../docs/dashboard.md", "<!-- make pages -->\n", "<!-- end -->"
	text, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), from)
	_, after, ended := strings.Cut(rest, to)
	if !begun || !ended {
		b.Fatalf("%s has no %q and %q", name, from, to)
	}
	if err := os.WriteFile(name, slices.Concat([]byte(before+from), []byte(t.String()), []byte(to+after)), 0o600); err != nil {
		b.Fatal(err)
	}
}
