package words

import (
	"fmt"
	"unicode/utf8"
)

// Unit is what grams are made of.
type Unit uint8

const (
	// Word makes runs of tokens (analyzer="word").
	Word Unit = iota
	// Char makes runs of characters (analyzer="char").
	Char
	// CharInWord makes runs of characters of one word with a space at both ends
	// (analyzer="char_wb").
	CharInWord
)

// Accents is what happens to accented characters.
type Accents uint8

const (
	// KeepAccents leaves them (strip_accents=None).
	KeepAccents Accents = iota
	// DropMarks leaves their base character (strip_accents="unicode").
	DropMarks
	// OnlyASCII leaves what is ASCII after decomposition (strip_accents="ascii").
	OnlyASCII
)

// Options are the parameters of a vectorizer.
type Options struct {
	Unit Unit
	// Least and Most are the sizes of grams, ngram_range.
	Least, Most int
	Lower       bool
	Accents     Accents
	// Pattern is token_pattern, and Stop the tokens that are left out; for Word.
	Pattern string
	Stop    []string
}

// maxGram bounds ngram_range: a text has as many grams of each size as it has
// characters.
const maxGram = 64

// Splitter takes texts apart. It is immutable.
type Splitter struct {
	options Options
	pattern *pattern
	stop    map[string]bool
}

// New checks the options. Its error is a clause: "the token pattern ... is not understood".
func New(o Options) (*Splitter, error) {
	if o.Least < 1 || o.Most < o.Least || o.Most > maxGram {
		return nil, fmt.Errorf("ngram_range is (%d, %d), and sizes between 1 and %d are read", o.Least, o.Most, maxGram)
	}
	s := &Splitter{options: o}
	if o.Unit != Word {
		return s, nil
	}
	var err error
	if s.pattern, err = parsePattern(o.Pattern); err != nil {
		return nil, err
	}
	if len(o.Stop) > 0 {
		s.stop = make(map[string]bool, len(o.Stop))
		for _, w := range o.Stop {
			s.stop[w] = true
		}
	}
	return s, nil
}

// Grams are the pieces of one text. The zero value is ready, and it is used
// again for the next text.
type Grams struct {
	folded, text []byte
	starts       []int32 // of tokens or characters in text, and one behind the last
	spans        []span
}

type span struct{ from, to int32 }

// Len is the number of grams.
func (g *Grams) Len() int { return len(g.spans) }

// At is gram i, valid until the next Split.
func (g *Grams) At(i int) []byte { return g.text[g.spans[i].from:g.spans[i].to] }

// Split takes a text apart into g.
func (s *Splitter) Split(text string, g *Grams) {
	g.text, g.starts, g.spans = g.text[:0], g.starts[:0], g.spans[:0]
	g.fold(text, s.options.Lower, s.options.Accents)
	switch s.options.Unit {
	case Word:
		g.words(s)
	case Char:
		g.chars(s.options)
	case CharInWord:
		g.charsInWords(s.options)
	}
}

// words puts the tokens into the buffer with a space between, so that every run
// of tokens is one piece of it.
func (g *Grams) words(s *Splitter) {
	rest := g.folded
	for {
		from, to := s.pattern.find(rest)
		if from < 0 {
			break
		}
		if token := rest[from:to]; !s.stop[string(token)] {
			if len(g.text) > 0 || len(g.starts) > 0 {
				g.text = append(g.text, ' ')
			}
			g.starts = append(g.starts, int32(len(g.text)))
			g.text = append(g.text, token...)
		}
		rest = rest[to:]
	}
	g.starts = append(g.starts, int32(len(g.text)+1))
	tokens := len(g.starts) - 1
	for n := s.options.Least; n <= min(s.options.Most, tokens); n++ {
		for i := 0; i+n <= tokens; i++ {
			g.spans = append(g.spans, span{g.starts[i], g.starts[i+n] - 1})
		}
	}
}

// chars makes runs of characters of the text, in which two or more white spaces
// are one space.
func (g *Grams) chars(o Options) {
	for i := 0; i < len(g.folded); {
		r, n := utf8.DecodeRune(g.folded[i:])
		end := i + n
		if isSpace(r) {
			end = afterSpaces(g.folded, end)
		}
		g.starts = append(g.starts, int32(len(g.text)))
		if end > i+n {
			g.text = append(g.text, ' ')
		} else {
			g.text = append(g.text, g.folded[i:end]...)
		}
		i = end
	}
	g.starts = append(g.starts, int32(len(g.text)))
	count := len(g.starts) - 1
	for n := o.Least; n <= min(o.Most, count); n++ {
		g.runs(0, count, n)
	}
}

// runs adds all runs of n characters among those from first to last.
func (g *Grams) runs(first, last, n int) {
	for i := first; i+n <= last; i++ {
		g.spans = append(g.spans, span{g.starts[i], g.starts[i+n]})
	}
}

func afterSpaces(text []byte, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRune(text[i:])
		if !isSpace(r) {
			break
		}
		i += n
	}
	return i
}

// charsInWords makes runs of characters of each word with a space before and
// behind. A word that is shorter than a run is one gram, once.
func (g *Grams) charsInWords(o Options) {
	for i := afterSpaces(g.folded, 0); i < len(g.folded); i = afterSpaces(g.folded, i) {
		g.starts = append(g.starts[:0], int32(len(g.text)))
		g.text = append(g.text, ' ')
		for i < len(g.folded) {
			r, n := utf8.DecodeRune(g.folded[i:])
			if isSpace(r) {
				break
			}
			g.starts = append(g.starts, int32(len(g.text)))
			g.text = append(g.text, g.folded[i:i+n]...)
			i += n
		}
		g.starts = append(g.starts, int32(len(g.text)), int32(len(g.text)+1))
		g.text = append(g.text, ' ')
		count := len(g.starts) - 1
		for n := o.Least; n <= o.Most; n++ {
			g.runs(0, count, min(n, count))
			if n >= count {
				break
			}
		}
	}
}
