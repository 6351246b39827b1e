// Package browser_test uses the dashboard as people do: in Chromium, against the
// built binary.
//
//	serin serve <──HTTP── headless Chromium <──DevTools── each test, in a tab of its own
//
// All tests share one Chromium, one binary and, where they may, one server, in
// which each has a model of its own. Every tab is watched to its end: a message on
// the console that is an error, a request that leaves the origin, or a dialog that
// a script opened fails the test. What may not happen here: a wait for time; tests
// wait for what the page says.
//
// Terms: a view is one story of /storybook.html, drawn from canned data; a
// picture is a screenshot at a quarter of its size, which is committed.
package browser_test

import (
	"context"
	"errors"
	"flag"
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

// models are those of the server that tests share, each of one test alone.
var models = []string{"release", "upload", "forced", "share", "keys", "voice"}

// named is a model whose features have names, of the model features.
const named = "models/named.json"

// stage is what the tests share.
var stage struct {
	tab    func() (context.Context, context.CancelFunc) // a new one, in which nobody remembers another's name
	binary string
	folder string // with the example models
	server *program.Server
}

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("SERIN_TEST_FULL") != "1" {
		os.Exit(m.Run()) // every test skips
	}
	code, err := perform(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// perform sets the stage, runs the tests and clears it away.
func perform(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if stage.folder, err = os.MkdirTemp("", "serin-browser-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage.folder)) }()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Env("TZ=UTC"), chromedp.Flag("lang", "en-GB"))
	allocator, end := chromedp.NewExecAllocator(ctx, options...)
	defer end()
	chromium, quit := chromedp.NewContext(allocator)
	defer quit()
	stage.tab = func() (context.Context, context.CancelFunc) {
		return chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	}
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(chromium) }() // while the binary is built
	if stage.binary, err = program.Build(ctx, stage.folder); err != nil {
		return 1, err
	}
	if err := program.Workplace(ctx, stage.folder); err != nil {
		return 1, err
	}
	if err := <-started; err != nil {
		return 1, fmt.Errorf("starting Chromium (Debian's package chromium): %w", err)
	}
	data, err := os.ReadFile("../../internal/model/gbdt/testdata/xgboost.json")
	if err == nil {
		err = os.WriteFile(filepath.Join(stage.folder, named), data, 0o600)
	}
	if err != nil {
		return 1, err
	}
	flags := []string{"--initial-delay", "0s", "--model", "features=" + named} // the monitor judges at its first look
	for _, name := range models {
		flags = append(flags, "--model", name+"=models/model_v1.joblib")
	}
	if stage.server, err = program.Start(ctx, stage.binary, stage.folder, flags...); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, stage.server.Stop()) }()
	return m.Run(), nil
}

// ready skips where a browser is not asked for.
func ready(t testing.TB) {
	t.Helper()
	if os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip("a browser is started with SERIN_TEST_FULL=1 alone; `make test` sets one up")
	}
}

// tab is one page, and what went wrong in it.
type tab struct {
	t   testing.TB
	ctx context.Context
	end context.CancelFunc // closes it

	mu     sync.Mutex
	wrong  []string
	origin string
}

// open makes a tab that is watched, wide, in a scheme: "light" or "dark".
func open(t testing.TB, width int64, scheme string) *tab {
	t.Helper()
	ctx, end := stage.tab()
	ctx, late := context.WithTimeout(ctx, 5*time.Minute)
	b := &tab{t: t, ctx: ctx, end: end}
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
	b.do(chromedp.EmulateViewport(width, 900))
	b.prefer(scheme, "reduce")
	return b
}

// prefer is what the reader's system says of colours and of motion.
func (b *tab) prefer(scheme, motion string) {
	b.t.Helper()
	b.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return chromedp.Void{}, err
	})
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
		said := strings.Contains(e.Entry.Text, "net::ERR_") || strings.Contains(e.Entry.Text, "status of 4") && (strings.Contains(e.Entry.URL, "/admin/") || strings.HasSuffix(e.Entry.URL, "/login")) ||
			strings.Contains(e.Entry.Text, "status of 503") && strings.HasSuffix(e.Entry.URL, "/admin/replicas") // while the store is away
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

// twice does again what harms nothing when it is done again, if it takes half a
// minute: on a machine with much else to do Chromium now and then forgets to answer
// what asks for a picture or a size.
func twice[T any](b *tab, step chromedp.Action[T]) T {
	b.t.Helper()
	ctx, late := context.WithTimeout(b.ctx, 30*time.Second)
	defer late()
	v, err := chromedp.Run(ctx, step)
	if errors.Is(err, context.DeadlineExceeded) {
		b.t.Logf("asked again, since nothing came in half a minute")
		v, err = chromedp.Run(b.ctx, step)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// visit goes to a path of a server.
func (b *tab) visit(url, path string) {
	b.t.Helper()
	b.mu.Lock()
	b.origin = url + "/"
	b.mu.Unlock()
	b.do(chromedp.Navigate(url + path))
}

// before runs a script in each page to come, before the page's own.
func (b *tab) before(script string) {
	b.t.Helper()
	b.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	})
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

// until waits for a script to become true, whenever the page has changed.
func (b *tab) until(what, script string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](script, chromedp.WithPollingMutation()))
	for tries := 0; err != nil && !errors.Is(err, chromedp.ErrPollingTimeout) && tries < 100; tries++ { // another page comes
		_, err = chromedp.Run(b.ctx, chromedp.Poll[bool](script, chromedp.WithPollingMutation()))
	}
	if err != nil {
		all := evaluate[string](b, "document.body?.innerText ?? ''")
		b.t.Fatalf("%s never comes (%v). The page says:\n%s", what, err, all)
	}
}

// says waits until an element has a text in it.
func (b *tab) says(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%q in %s", text, selector), fmt.Sprintf("[...document.querySelectorAll(%q)].some(e => e.textContent.includes(%q))", selector, text))
}

// gone waits until no element is there any more.
func (b *tab) gone(selector string) {
	b.t.Helper()
	b.until("the end of "+selector, fmt.Sprintf("!document.querySelector(%q)", selector))
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

// choose takes an entry of the list that is called so.
func (b *tab) choose(label, value string) {
	b.t.Helper()
	evaluate[bool](b, fmt.Sprintf(`(() => {
		const list = [...document.querySelectorAll('label')].find(l => l.querySelector('select') && l.textContent.startsWith(%q)).querySelector('select')
		list.value = %q
		return list.dispatchEvent(new Event('input', { bubbles: true })) && list.value === %[2]q
	})()`, label, value))
}

// serve starts a server of a test's own.
func serve(t testing.TB, folder string, flags ...string) *program.Server {
	t.Helper()
	s, err := program.Start(context.WithoutCancel(t.Context()), stage.binary, folder, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// place is a folder for a server of a test's own.
func place(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "models"), os.DirFS(filepath.Join(stage.folder, "models"))); err != nil {
		t.Fatal(err)
	}
	return folder
}

// traffic sends a model some hundred predictions a second until the test ends.
func traffic(t testing.TB, url, model string) {
	t.Helper()
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	var sending sync.WaitGroup
	sending.Go(func() {
		pace := time.NewTicker(3 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			predict(ctx, url, model, i)
			<-pace.C
		}
	})
	t.Cleanup(func() {
		end()
		sending.Wait()
	})
}

// predict asks for one prediction; what it is does not matter.
func predict(ctx context.Context, url, model string, i int) {
	row := fmt.Sprintf(`{"features": [%d, 1.2, 0.8, 0.3, 1.1]}`, i%7-3)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/models/"+model+"/predict", strings.NewReader(row))
	if err != nil {
		return
	}
	if res, err := http.DefaultClient.Do(req); err == nil {
		_ = res.Body.Close()
	}
}

// stopAtEnd ends a server after the traffic to it.
func stopAtEnd(t testing.TB, s *program.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
}
