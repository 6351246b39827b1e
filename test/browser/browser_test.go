// Package browser_test uses the dashboard as people do: in Chromium, against the
// built binary.
//
//	serin serve <──HTTP── headless Chromium <──DevTools── each test, in a tab of its own
//
// Every tab is watched to its end: a message on the console that is an error, a
// request that leaves the origin, or a dialog that a script opened fails the
// test. What may not happen here: a wait for time; tests wait for what the page
// says.
//
// Terms: a view is one story of /storybook.html, drawn from canned data; a
// picture is a screenshot at a quarter of its size, which is committed.
package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"serin/test/program"
)

// evil is a name that must be text everywhere.
const evil = "<img src=x onerror=alert(1)>"

// chromium starts the browser that the tests share, and skips where it is not
// asked for.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip("a browser is started with SERIN_TEST_FULL=1 alone; `make test` sets one up")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Env("TZ=UTC"), chromedp.Flag("lang", "en-GB"))
	ctx, end := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting Chromium (Debian's package chromium): %v", err)
	}
	return ctx
}

// tab is one page, and what went wrong in it.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	wrong  []string
	origin string
}

// open makes a tab that is watched, wide, in a scheme: "light" or "dark".
func open(browser context.Context, t *testing.T, width int64, scheme string) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(browser)
	ctx, late := context.WithTimeout(ctx, 5*time.Minute)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		late()
		end()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Error(w)
		}
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	})
	return b
}

// hear keeps what must not be.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	complain := func(format string, args ...any) { b.wrong = append(b.wrong, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			complain("the console has an error: %v", e.Args[0])
		}
	case *runtime.EventExceptionThrown:
		complain("a script failed: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		// That a server is gone, or refuses a command, is what the page is there to say.
		said := strings.Contains(e.Entry.Text, "net::ERR_") || strings.Contains(e.Entry.Text, "status of 4") && strings.Contains(e.Entry.URL, "/admin/")
		if e.Entry.Level == log.EntryLevelError && !said {
			complain("the browser reports: %s %s", e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if b.origin != "" && !strings.HasPrefix(e.Request.URL, b.origin) && !strings.HasPrefix(e.Request.URL, "data:") { // which is in the page
			complain("a request leaves the origin: %s", e.Request.URL)
		}
	case *page.EventJavascriptDialogOpening:
		complain("a script opened a dialog: %s", e.Message)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// visit goes to a path of a server.
func (b *tab) visit(url, path string) {
	b.t.Helper()
	b.mu.Lock()
	b.origin = url + "/"
	b.mu.Unlock()
	b.do(chromedp.Navigate(url + path))
}

// evaluate runs a script in the page.
func evaluate[T any](b *tab, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// says waits until an element has a text in it.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	script := fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", selector, text)
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](script, chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		all := evaluate[string](b, "document.body.innerText")
		b.t.Fatalf("%s never says %q (%v). The page says:\n%s", selector, text, err, all)
	}
}

// press clicks the button that is called so.
func (b *tab) press(name string) {
	b.t.Helper()
	b.do(chromedp.Click(fmt.Sprintf(`//button[normalize-space()=%q]`, name), chromedp.NodeVisible))
}

// fill types into the field that is called so.
func (b *tab) fill(label, text string) {
	b.t.Helper()
	field := fmt.Sprintf(`//label[span[starts-with(normalize-space(),%q)]]/input`, label)
	b.do(chromedp.Focus(field, chromedp.NodeVisible))
	evaluate[bool](b, "(document.activeElement.select(), true)")
	b.do(chromedp.SendKeys(field, text))
}

// place is a built serin and a folder for its servers.
func place(t *testing.T) (binary, folder string) {
	t.Helper()
	folder = t.TempDir()
	binary, err := program.Build(t.Context(), folder)
	if err == nil {
		err = program.Workplace(t.Context(), folder)
	}
	if err != nil {
		t.Fatal(err)
	}
	return binary, folder
}

func serve(t *testing.T, binary, folder string, flags ...string) *program.Server {
	t.Helper()
	s, err := program.Start(context.WithoutCancel(t.Context()), binary, folder, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// traffic sends predictions until the test ends.
func traffic(t *testing.T, url string) {
	t.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			row := fmt.Sprintf(`{"features": [%d, 1.2, 0.8, 0.3, 1.1]}`, i%7-3)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/predict", strings.NewReader(row))
			if err != nil {
				return
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
	})
	t.Cleanup(func() {
		end()
		sending.Wait()
	})
}

// stopAtEnd ends a server after the traffic to it.
func stopAtEnd(t *testing.T, s *program.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestRelease walks a bad release to its end, with names that try to be markup:
// deploy, drill, alert, rollback.
func TestRelease(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	binary, folder := place(t)
	file := filepath.Join("models", evil+".joblib")
	data, err := os.ReadFile(filepath.Join(folder, "models", "model_v2.joblib"))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, file), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, binary, folder)
	stopAtEnd(t, s)
	traffic(t, s.URL)
	b := open(browser, t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("h1", "churn")
	b.says("h2", "No canary is on trial")
	b.press("Deploy …")
	b.says("dialog .happens", "10 % of the requests for 1h")
	b.fill("Path", file)
	b.fill("Share", "50")
	b.fill("Why", "because "+evil)
	b.fill("Your name", evil)
	b.press("Deploy")
	b.says(".banner", "is live with 50%")
	b.says(".facts", evil)
	b.says(".timeline", "By "+evil)
	b.says(".timeline", "because "+evil)
	b.press("Drill …")
	b.says("dialog .happens", "slowed down on purpose")
	b.press("Start it")
	b.says(".eyebrow", "a drill is on")
	b.says(".eyebrow", "Alert")
	b.says(".sentence", "slower")
	// One press, by the keyboard, and nobody is asked.
	b.do(chromedp.Focus(chromedp.CSS(".actions button.danger")), chromedp.KeyEvent("\r"))
	b.says("h2", evil+" was rolled back by "+evil)
	b.says(".timeline .what", evil+" was rolled back.")
	if n := evaluate[int](b, "document.querySelectorAll('img, dialog').length"); n != 0 {
		t.Errorf("%d elements that nobody made", n)
	}
}

// TestUploadAndPromote: a file from the reader's machine, a refusal in the
// server's words, and a promotion.
func TestUploadAndPromote(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	binary, folder := place(t)
	s := serve(t, binary, folder)
	stopAtEnd(t, s)
	b := open(browser, t, 390, "dark")
	b.visit(s.URL, "/")
	b.press("Deploy …")
	b.fill("Path", "models/nothing.joblib")
	b.press("Deploy")
	b.says("dialog [role=alert]", "models/nothing.joblib")
	b.press("Upload")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("dialog input[type=file]"), []string{filepath.Join(folder, "models", "model_v2.joblib")}))
	b.fill("Share", "50")
	b.press("Deploy")
	b.says(".banner", "model_v2 is live with 50%")
	b.says(".eyebrow", "Waiting for data")
	b.press("Promote …")
	b.says("dialog .happens", "becomes stable")
	b.press("Promote")
	b.says("dialog [role=alert]", "not enough data")
	b.press("Cancel")
	traffic(t, s.URL)
	b.says(".eyebrow", "Healthy so far")
	b.press("Promote …")
	b.press("Promote")
	b.says("h2", "model_v2 was promoted by dashboard")
	b.says(".facts", "model_v2")
}

// TestStale: a page whose server has gone says so, and finds it again by itself.
func TestStale(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	binary, folder := place(t)
	s := serve(t, binary, folder)
	b := open(browser, t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("h2", "No canary")
	b.says(".pulse", "live")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	b.says(".banner", "Not live.")
	b.says(".pulse", "not live")
	again := serve(t, binary, folder, "--listen", strings.TrimPrefix(s.URL, "http://"))
	stopAtEnd(t, again)
	b.do(chromedp.WaitNotPresent(chromedp.CSS(".banner")))
	b.says("h2", "No canary")
}
