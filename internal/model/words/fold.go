package words

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold puts the text into g.folded, in lower case and without accents where that
// is asked for.
func (g *Grams) fold(text string, lower bool, accents Accents) {
	g.folded = g.folded[:0]
	ascii := true
	for i := range len(text) {
		c := text[i]
		if c >= utf8.RuneSelf {
			ascii = false
			break
		}
		if lower && 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		g.folded = append(g.folded, c)
	}
	if ascii {
		return
	}
	g.folded = g.folded[:0]
	for i, r := range text {
		if !lower {
			g.folded = utf8.AppendRune(g.folded, r)
			continue
		}
		switch r {
		case 'İ': // the one letter whose lower case is two characters
			g.folded = append(g.folded, "i\u0307"...)
		case 'Σ':
			g.folded = utf8.AppendRune(g.folded, lowerSigma(text, i))
		default:
			g.folded = utf8.AppendRune(g.folded, unicode.ToLower(r))
		}
	}
	if accents != KeepAccents {
		g.dropAccents(accents)
	}
}

// dropAccents decomposes (NFKD) and leaves combining marks out. Since all marks
// go, the order in which they would stand does not matter.
func (g *Grams) dropAccents(accents Accents) {
	g.text = append(g.text[:0], g.folded...)
	g.folded = g.folded[:0]
	for rest := g.text; len(rest) > 0; {
		properties := norm.NFKD.Properties(rest)
		r, n := utf8.DecodeRune(rest)
		decomposed := properties.Decomposition()
		switch {
		case decomposed == nil && hangulFirst <= r && r <= hangulLast:
			g.addJamo(r, accents)
		case decomposed == nil:
			g.addBase(rest[:n], accents)
		}
		for len(decomposed) > 0 {
			_, n := utf8.DecodeRune(decomposed)
			g.addBase(decomposed[:n], accents)
			decomposed = decomposed[n:]
		}
		rest = rest[n:]
	}
	g.text = g.text[:0]
}

// addBase adds a decomposed character unless it is a mark, or not ASCII where
// only that is left.
func (g *Grams) addBase(character []byte, accents Accents) {
	if character[0] < utf8.RuneSelf || accents == DropMarks && norm.NFKD.Properties(character).CCC() == 0 {
		g.folded = append(g.folded, character...)
	}
}

// The syllables of Hangul decompose by arithmetic (Unicode 3.12).
const (
	hangulFirst, hangulLast      = 0xac00, 0xd7a3
	leading, vowel, trailing     = 0x1100, 0x1161, 0x11a7
	vowels, trailings        int = 21, 28
)

func (g *Grams) addJamo(r rune, accents Accents) {
	if accents == OnlyASCII {
		return
	}
	i := int(r - hangulFirst)
	g.folded = utf8.AppendRune(g.folded, rune(leading+i/(vowels*trailings)))
	g.folded = utf8.AppendRune(g.folded, rune(vowel+i%(vowels*trailings)/trailings))
	if t := i % trailings; t > 0 {
		g.folded = utf8.AppendRune(g.folded, rune(trailing+t))
	}
}

// lowerSigma is the final form at the end of a word: behind a letter that has
// case, and not before one, whatever ignorable characters stand between
// (Unicode's Final_Sigma, CPython's handle_capital_sigma).
func lowerSigma(text string, i int) rune {
	before := false
	for rest := text[:i]; len(rest) > 0; {
		r, n := utf8.DecodeLastRuneInString(rest)
		if rest = rest[:len(rest)-n]; !isCaseIgnorable(r) {
			before = isCased(r)
			break
		}
	}
	if !before {
		return 'σ'
	}
	for _, r := range text[i+len("Σ"):] {
		if !isCaseIgnorable(r) {
			if isCased(r) {
				return 'σ'
			}
			break
		}
	}
	return 'ς'
}

func isCased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) ||
		unicode.In(r, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func isCaseIgnorable(r rune) bool {
	switch r {
	case '\'', '.', ':', '·', 0x387, 0x55f, 0x5f4, 0x2018, 0x2019, 0x2024, 0x2027,
		0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a:
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

// isSpace is Python's \s and str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// isWord is Python's \w.
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}
