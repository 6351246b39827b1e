package browser_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write the pictures anew")

// pictures are the views whose look is committed, and how wide they are.
var pictures = map[string]int64{"alarm": 1280, "rolled-back": 360, "many": 1280, "passed": 2560}

// widths are those of a phone, a wall and a desk, where axe-core looks.
var widths = []int64{360, 2560, 1280}

// behind are the buttons of a view, or the beginnings of what they are called,
// behind which there is more to look at.
var behind = map[string][]string{
	"alarm":       {"^Table", "^The canary is", "^%"},
	"empty":       {"^Deploy …", "^How it"},
	"rolled-back": {"^Deploy …", "^Upload"},
	"passed":      {"^Promote …", "Cancel", "^Share …", "Cancel", "^Drill …"},
}

// TestEveryView draws each story in both schemes, from a phone's width to a wall's,
// and lets axe-core look at it.
func TestEveryView(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			ready(t)
			b := open(t, 1280, scheme)
			b.visit(stage.server.URL, "/storybook.html")
			b.accessible("the list of views", scheme)
			names := evaluate[[]string](b, "[...document.querySelectorAll('main a')].map(a => a.textContent)")
			if len(names) < 19 {
				t.Fatalf("only %d views: %v", len(names), names)
			}
			for _, name := range names {
				b.look(name, scheme)
			}
		})
	}
}

// look looks at one view, and then behind its buttons.
func (b *tab) look(name, scheme string) {
	b.t.Helper()
	b.turn(name)
	if n := evaluate[int](b, "document.images.length"); n != 0 {
		b.t.Errorf("%s has %d images: a name became markup", name, n)
	}
	for _, width := range widths {
		twice(b, chromedp.EmulateViewport(width, 900))
		b.settle()
		if wide := evaluate[int](b, "document.documentElement.scrollWidth"); wide > int(width) {
			b.t.Errorf("%s is %d pixels wide in a window of %d", name, wide, width)
		}
		if pictures[name] == width {
			b.compare(name + "-" + scheme)
		}
	}
	if *update && name == "alarm" {
		b.portray(scheme)
	}
	b.accessible(name, scheme)
	for _, more := range behind[name] {
		switch {
		case scheme == "dark": // the same colours are behind them
		default:
			evaluate[bool](b, fmt.Sprintf("([...document.querySelectorAll('button, summary')].filter(e => e.textContent.match(%q)).forEach(e => e.click()), true)", more))
			if more != "Cancel" {
				b.accessible(name+" behind "+more, scheme)
			}
		}
	}
	b.turn("")
}

// portray writes the documents' picture: what is to be seen first, as it is drawn.
func (b *tab) portray(scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(1100, 1090))
	b.settle()
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile("../../docs/dashboard-"+scheme+".png", shot, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// accessible lets axe-core look at what is shown.
func (b *tab) accessible(name, scheme string) {
	b.t.Helper()
	if !evaluate[bool](b, "'axe' in window") {
		evaluate[bool](b, accessibility(b.t))
	}
	for _, found := range evaluate[[]string](b, violations(scheme)) {
		b.t.Errorf("%s, %s: %s", name, scheme, found)
	}
}

// turn shows another view, afresh; "" is the list of them.
func (b *tab) turn(name string) {
	b.t.Helper()
	evaluate[bool](b, fmt.Sprintf("(location.hash = %q, true)", name))
	if name != "" {
		b.says(fmt.Sprintf("[data-view=%q] header", name), "serin")
	}
	b.settle()
}

// TestAddressAtOnce: who follows a link as soon as something is drawn gets there.
func TestAddressAtOnce(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "light")
	b.before(`new MutationObserver((_, look) => {
		if (!document.querySelector('main h1')) return
		look.disconnect()
		location.hash = 'healthy'
	}).observe(document, { childList: true, subtree: true })`)
	b.visit(stage.server.URL, "/storybook.html")
	b.says(`[data-view="healthy"] header`, "serin")
}

// settle waits until the page is drawn: a chart learns its width first.
func (b *tab) settle() {
	b.t.Helper()
	evaluate[bool](b, "new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(drawn, 0, true))))")
}

// accessibility is axe-core, as npm has it; `make web` brings it up to date.
func accessibility(t testing.TB) string {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", "axe.min.js.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	script, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(script)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "; axe.configure({rules: [{id: 'target-size', enabled: true}]}), true"
}

// violations asks by every rule that axe has but those that are experiments, and
// by WCAG 2.2's of sizes, which axe does not ask by itself; in
// the dark, where nothing but colours is another, by those of colours.
func violations(scheme string) string {
	rules := "{}"
	if scheme == "dark" {
		rules = "{runOnly: ['color-contrast', 'link-in-text-block']}"
	}
	return "axe.run(document, " + rules + `).then(r => r.violations.flatMap(v =>
		v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ': ' + n.failureSummary.split('\n').slice(1).join(' '))))`
}

// scale is by how much a picture is smaller than the screen.
const scale = 4

// compare holds the page against its picture. Fonts are drawn a little
// differently here and there, so pixels may differ, and their average in no
// place by much.
func (b *tab) compare(name string) {
	b.t.Helper()
	shot := twice(b, chromedp.FullScreenshot(100))
	screen, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	got := shrink(screen)
	file := filepath.Join("testdata", name+".png")
	if *update {
		b.t.Logf("writing %s", file)
		if err := write(file, got); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatalf("%v; go test ./test/browser -update writes it", err)
	}
	want, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	if why := differ(got, want); why != "" {
		kept := filepath.Join(os.TempDir(), "serin-"+name+".png")
		b.t.Errorf("%s looks otherwise: %s. It is in %s now (%v); if it is meant so, go test ./test/browser -update", name, why, kept, write(kept, got))
	}
}

func write(file string, picture image.Image) error {
	var data bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&data, picture); err != nil {
		return err
	}
	return os.WriteFile(file, data.Bytes(), 0o600)
}

// shrink averages squares of pixels.
func shrink(p image.Image) *image.RGBA {
	size := p.Bounds().Size().Div(scale)
	small := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			var sum [3]uint32
			for i := range scale * scale {
				r, g, b, _ := p.At(x*scale+i%scale, y*scale+i/scale).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+b>>8
			}
			// Three bits less of each colour are a file of half the size.
			part := func(i int) uint8 { return uint8(sum[i]/(scale*scale)) &^ 7 }
			small.Set(x, y, color.RGBA{part(0), part(1), part(2), 255})
		}
	}
	return small
}

// differ says how two pictures differ more than fonts do; "" if they do not.
func differ(got, want image.Image) string {
	if a, b := got.Bounds().Size(), want.Bounds().Size(); abs(a.X-b.X) > 1 || abs(a.Y-b.Y) > b.Y/50 {
		return fmt.Sprintf("it has %v pixels and had %v", a, b)
	}
	const tile, most = 20, 22 // of 255, on average in one tile
	size := want.Bounds().Size()
	for y := 0; y+tile <= size.Y && y+tile <= got.Bounds().Dy(); y += tile {
		for x := 0; x+tile <= size.X; x += tile {
			sum := 0
			for i := range tile * tile {
				a, _, b, _ := got.At(x+i%tile, y+i/tile).RGBA()
				c, _, d, _ := want.At(x+i%tile, y+i/tile).RGBA()
				sum += abs(int(a>>8)-int(c>>8)) + abs(int(b>>8)-int(d>>8))
			}
			if mean := sum / (2 * tile * tile); mean > most {
				return fmt.Sprintf("around %d, %d the colours differ by %d of 255", scale*x, scale*y, mean)
			}
		}
	}
	return ""
}

func abs(n int) int { return max(n, -n) }
