package words

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func split(t testing.TB, o Options, text string) []string {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var g Grams
	s.Split(text, &g)
	out := []string{}
	for i := range g.Len() {
		out = append(out, string(g.At(i)))
	}
	return out
}

const usual = `(?u)\b\w\w+\b`

// TestSplit compares with what build_analyzer() of scikit-learn 1.9 gives.
func TestSplit(t *testing.T) {
	t.Parallel()
	word := Options{Least: 1, Most: 1, Lower: true, Pattern: usual}
	with := func(change func(*Options)) Options { o := word; change(&o); return o }
	tests := []struct {
		name string
		o    Options
		text string
		want string // joined by |
	}{
		{"default", word, "The quick, brown fox; a b 42!", "the|quick|brown|fox|42"},
		{"empty", word, "", ""},
		{"nothing", word, " a . ", ""},
		{"bigrams", with(func(o *Options) { o.Most = 2 }), "Not very good", "not|very|good|not very|very good"},
		{"only trigrams", with(func(o *Options) { o.Least, o.Most = 3, 3 }), "one two", ""},
		{"stop words", with(func(o *Options) { o.Most = 2; o.Stop = []string{"the"} }), "over the moon", "over|moon|over moon"},
		{"unicode", word, "Ünïcödé ŁÓDŹ 数字 ١٢ naïve_x", "ünïcödé|łódź|数字|١٢|naïve_x"},
		{"marks end words", word, "cafe\u0301s", "cafe"},
		{"case kept", with(func(o *Options) { o.Lower = false }), "The End", "The|End"},
		{"dotted I", word, "İSTANBUL", "stanbul"},
		{"final sigma", word, "ΟΔΟΣ ΣΑΣ Α.ΣΒ", "οδος|σας|σβ"},
		{"accents", with(func(o *Options) { o.Accents = DropMarks }), "Café Åsa ﬁn", "cafe|asa|fin"},
		{"ascii", with(func(o *Options) { o.Accents = OnlyASCII }), "Café 数字 ﬁn", "cafe|fin"},
		{"one letter", with(func(o *Options) { o.Pattern = `\b\w+\b` }), "a b,c", "a|b|c"},
		{"letters only, bounded", with(func(o *Options) { o.Pattern = `\b[a-z]{3,}\b` }), "abc abc1 ab xyz_ def", "abc|def"},
		{"letters only, free", with(func(o *Options) { o.Pattern = `[a-z]{3,}` }), "abc abc1 ab xyz_ def", "abc|abc|xyz|def"},
		{"pieces", with(func(o *Options) { o.Pattern = `[a-z]{2,3}` }), "abcdefg", "abc|def"},
		{"head and tail", with(func(o *Options) { o.Pattern = `[a-z]\w*` }), "1ab2 _c3 d", "ab2|c3|d"},
		{"no space", with(func(o *Options) { o.Pattern = `\S+` }), "a-b \x1cc\u00a0d", "a-b|c|d"},
		{"complement", with(func(o *Options) { o.Pattern = `[^, ]+` }), "x,y z", "x|y|z"},
		{"chars", Options{Unit: Char, Least: 2, Most: 3, Lower: true}, "Ab  ç", "ab|b | ç|ab |b ç"},
		{"tab alone stays", Options{Unit: Char, Least: 1, Most: 1}, "a\tb", "a|\t|b"},
		{"chars in words", Options{Unit: CharInWord, Least: 3, Most: 4, Lower: true}, "Hey a", " he|hey|ey | hey|hey | a "},
		{"short word once", Options{Unit: CharInWord, Least: 5, Most: 7}, "ab", " ab "},
	}
	for _, tt := range tests {
		if got := strings.Join(split(t, tt.o, tt.text), "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRefusedPatterns(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"", `\b`, `(\w+)`, `\w+|\d+`, `\w+?`, `a*`, `\w+\d`, `\b\S+\b`, `\b[^a]+\b`, `\b\w+`, `(?i)\w+`, `[a-`, `[z-a]+`, `\w{2`, `\w{x}`, `.+`, `^\w+`, `\p`, `[[:alpha:]]+`, `\w{200}`, `\Bx`,
	} {
		if _, err := New(Options{Least: 1, Most: 1, Pattern: p}); err == nil {
			t.Errorf("the pattern %q is taken", p)
		}
	}
	for _, r := range [][2]int{{0, 1}, {2, 1}, {1, 1000}} {
		if _, err := New(Options{Unit: Char, Least: r[0], Most: r[1]}); err == nil {
			t.Errorf("ngram_range %v is taken", r)
		}
	}
}

// TestHash holds the hash against sklearn.utils.murmurhash3_32.
func TestHash(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int32{"": 0, "a": 1009084850, "ab": -1681926305, "abc": -1277324294, "abcd": 1139631978, "café": 605818632, "hello world": 1586663183} {
		if got := Hash([]byte(text)); got != want {
			t.Errorf("Hash(%q) = %d, want %d", text, got, want)
		}
	}
}

// naive are the word grams as Python would make them, on strings and slices.
func naive(text string, least, most int) []string {
	isSeparator := func(r rune) bool { return !isWord(r) }
	var tokens []string
	for _, w := range strings.FieldsFunc(text, isSeparator) {
		if utf8.RuneCountInString(w) > 1 {
			tokens = append(tokens, w)
		}
	}
	out := []string{}
	for n := least; n <= most; n++ {
		for i := 0; i+n <= len(tokens); i++ {
			out = append(out, strings.Join(tokens[i:i+n], " "))
		}
	}
	return out
}

var spaces = regexp.MustCompile(`[\s\x0b\x1c-\x1f\x{85}\p{Z}]{2,}`)

func naiveChars(text string, least, most int) []string {
	characters := []rune(spaces.ReplaceAllString(text, " "))
	out := []string{}
	for n := least; n <= most; n++ {
		for i := 0; i+n <= len(characters); i++ {
			out = append(out, string(characters[i:i+n]))
		}
	}
	return out
}

func equal(a, b []string) bool { return strings.Join(a, "\x00") == strings.Join(b, "\x00") }

// TestTwin holds the buffers against plain strings.
func TestTwin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{"a", "bc", " ", "  ", "é", "\t", "数", "_", "-", "9", "\u0301", "\u2028", "x y"})).Draw(r, "text"), "")
		least := rapid.IntRange(1, 3).Draw(r, "least")
		most := least + rapid.IntRange(0, 3).Draw(r, "more")
		if got, want := split(t, Options{Least: least, Most: most, Pattern: usual}, text), naive(text, least, most); !equal(got, want) {
			r.Fatalf("words of %q: %q, want %q", text, got, want)
		}
		if got, want := split(t, Options{Unit: Char, Least: least, Most: most}, text), naiveChars(text, least, most); !equal(got, want) {
			r.Fatalf("characters of %q: %q, want %q", text, got, want)
		}
	})
}

// FuzzSplit feeds every splitter anything: it may not panic, words agree with
// the naive twin, and every gram has a size of ngram_range.
func FuzzSplit(f *testing.F) {
	f.Add("The quick brown fox", `(?u)\b\w\w+\b`)
	f.Add("İΣ Σ. a\u0301  \x1c ŻÓŁW", `[a-zA-Z]\w{2,5}`)
	f.Add("\xff\xfe", `[^\s,]+`)
	f.Fuzz(func(t *testing.T, text, p string) {
		if s, err := New(Options{Least: 1, Most: 2, Lower: true, Accents: DropMarks, Pattern: p}); err == nil {
			var g Grams
			s.Split(text, &g)
			for i := range g.Len() {
				if len(g.At(i)) == 0 {
					t.Errorf("pattern %q, text %q: an empty gram", p, text)
				}
			}
		}
		for _, unit := range []Unit{Char, CharInWord} {
			for _, gram := range split(t, Options{Unit: unit, Least: 2, Most: 4}, text) {
				if n := utf8.RuneCountInString(gram); n < 2 || n > 4 {
					t.Errorf("text %q: a gram %q of %d characters", text, gram, n)
				}
			}
		}
		if got, want := split(t, Options{Least: 1, Most: 2, Pattern: usual}, text), naive(strings.ToValidUTF8(text, "\ufffd"), 1, 2); utf8.ValidString(text) && !equal(got, want) {
			t.Errorf("words of %q: %q, want %q", text, got, want)
		}
	})
}

func TestSplitAllocatesNothing(t *testing.T) {
	s, err := New(Options{Least: 1, Most: 2, Lower: true, Accents: DropMarks, Pattern: usual, Stop: English()})
	if err != nil {
		t.Fatal(err)
	}
	var g Grams
	text := strings.Repeat("The café at the corner was NOT open ", 20)
	if n := testing.AllocsPerRun(100, func() { s.Split(text, &g) }); n != 0 {
		t.Errorf("%v allocations a text", n)
	}
}

func BenchmarkSplit(b *testing.B) {
	s, err := New(Options{Least: 1, Most: 2, Lower: true, Pattern: usual})
	if err != nil {
		b.Fatal(err)
	}
	var g Grams
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 10)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s.Split(text, &g)
	}
}
