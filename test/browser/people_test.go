package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestByKeyboardAlone deploys and rolls back without a pointer: what can be done
// is reached by Tab, is seen to have the focus, and a question gives it back.
func TestByKeyboardAlone(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "light")
	b.visit(stage.server.URL, "/#/keys")
	b.says("h2", "No canary is on trial")
	b.tabTo("Deploy …")
	if width := evaluate[string](b, "getComputedStyle(document.activeElement).outlineWidth"); width != "2px" {
		t.Errorf("what has the focus has an outline of %s", width)
	}
	b.keys("\r")
	b.says("dialog h2", "Deploy a canary")
	if outside := evaluate[bool](b, "!document.activeElement.closest('dialog')"); outside {
		t.Error("the question does not have the focus")
	}
	b.keys("\x1b") // Escape
	b.gone("dialog")
	b.focused("Deploy …")
	b.keys("\r")
	b.tabTo("Path, as the server sees it")
	b.keys("models/model_v2.joblib\r")
	b.says(".banner", "model_v2 is live")
	b.tabTo("Close")
	b.keys(" ")
	b.gone(".banner")
	b.tabTo("Drill …")
	b.keys(" ")
	b.says("dialog h2", "Start a drill")
	b.tabTo("Cancel")
	b.keys(" ")
	b.gone("dialog")
	b.focused("Drill …")
	b.tabTo("Table")
	b.keys(" ")
	b.says(".card table", "Observed")
	b.tabTo("Roll back")
	b.keys("\r")
	b.says("h2", "model_v2 was rolled back by dashboard")
}

func (b *tab) keys(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
}

// focusName is what a reader is told of the element that has the focus.
const focusName = `(() => {
	const e = document.activeElement
	return (e.closest('label')?.querySelector('span') ?? e).textContent.trim()
})()`

// tabTo presses Tab until the element that is called so has the focus.
func (b *tab) tabTo(name string) {
	b.t.Helper()
	var met []string
	for range 60 {
		b.keys("\t")
		got := evaluate[string](b, focusName)
		if got == name {
			return
		}
		met = append(met, strings.Join(strings.Fields(got), " "))
	}
	b.t.Fatalf("Tab never gets to %q, but to %q", name, slices.Compact(met))
}

func (b *tab) focused(name string) {
	b.t.Helper()
	if got := evaluate[string](b, focusName); got != name {
		b.t.Errorf("%q has the focus, want %q", got, name)
	}
}

// TestVoice: a screen reader is told of a verdict when it changes, and not each
// second.
func TestVoice(t *testing.T) {
	t.Parallel()
	ready(t)
	url := stage.server.URL
	b := open(t, 1280, "light")
	b.visit(url, "/#/voice")
	b.says("h2", "No canary is on trial")
	evaluate[bool](b, `(() => {
		const said = window.said = []
		window.told = 0
		new MutationObserver(() => said.push(document.querySelector('[aria-live]').textContent))
			.observe(document.querySelector('[aria-live]'), { childList: true, characterData: true, subtree: true })
		new MutationObserver(() => window.told++).observe(document.querySelector('main'), { childList: true, characterData: true, subtree: true })
		return true
	})()`)
	b.deploy("50")
	b.says(".eyebrow", "Waiting for data")
	traffic(t, url, "voice")
	b.says(".eyebrow", "Healthy so far")
	b.until("twenty changes of what is drawn", "window.told > 20")
	b.press("Roll back")
	b.says("h2", "was rolled back")
	b.until("the last word", "window.said.at(-1).startsWith('Rolled back')")
	said := evaluate[[]string](b, "window.said")
	if regions := evaluate[int](b, "document.querySelectorAll('[aria-live]').length"); regions != 1 {
		t.Errorf("%d regions speak", regions)
	}
	for i, word := range said {
		if i > 0 && word == said[i-1] {
			t.Errorf("said twice: %q", word)
		}
	}
	if len(said) < 3 {
		t.Errorf("said were %q", said)
	}
}

// TestMotion: what turns stands still for who asks for that.
func TestMotion(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "light")
	b.visit(stage.server.URL, "/storybook.html")
	for motion, moving := range map[string]bool{"reduce": false, "no-preference": true} {
		b.prefer("light", motion)
		b.turn("deploying")
		if n := evaluate[int](b, "document.getAnimations().length"); n > 0 != moving {
			t.Errorf("%s: %d animations", motion, n)
		}
		b.turn("")
	}
}

// TestEveryChartHasItsNumbers: behind each drawing is a table with the same to
// read, and the drawing says in words what is to be seen.
func TestEveryChartHasItsNumbers(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "light")
	b.visit(stage.server.URL, "/storybook.html")
	charts := map[string]int{}
	for _, name := range []string{"healthy", "alarm", "errors", "rolled-back", "empty"} {
		b.turn(name)
		type card struct {
			Title, Says string
			Drawings    int
			Rows, Cells int
		}
		cards := evaluate[[]card](b, `Promise.all([...document.querySelectorAll('.card')].filter(c => c.querySelector('svg[role=img]')).map(async card => {
			const svg = [...card.querySelectorAll('.plot svg')]
			const button = [...card.querySelectorAll('button')].find(b => b.textContent === 'Table')
			button?.click()
			await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 20)))
			return {
				title: card.querySelector('h3').textContent, drawings: svg.length, says: svg.map(s => s.getAttribute('aria-label')).join(),
				rows: card.querySelectorAll('tbody tr').length, cells: card.querySelectorAll('tbody td').length,
			}
		}))`)
		for _, c := range cards {
			if charts[c.Title]++; c.Drawings != 1 || len(c.Says) < 20 || c.Rows == 0 || c.Cells == 0 {
				t.Errorf("%s: %s has %d drawings that say %q, and a table of %d rows with %d numbers", name, c.Title, c.Drawings, c.Says, c.Rows, c.Cells)
			}
		}
		b.turn("")
	}
	if len(charts) < 5 {
		t.Errorf("only these were looked at: %s", fmt.Sprint(charts))
	}
}
