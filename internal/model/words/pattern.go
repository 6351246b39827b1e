package words

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is a token pattern: some classes of characters one after another, the
// last of them several times, and word boundaries at both ends or none.
//
//	(?u)\b\w\w+\b    head \w, tail \w at least once, bounded
//	[a-z]{3,}        tail a-z at least three times
//
// With boundaries all classes are parts of \w. A token is then a whole run of \w,
// for inside of it there is no boundary at which it could begin or end.
type pattern struct {
	head    []class
	tail    class
	least   int // of the tail
	most    int // of the tail; -1 where there is no limit
	bounded bool
}

// class is a set of characters.
type class struct {
	ascii  [utf8.RuneSelf]bool
	ranges []rune // pairs of first and last
	sets   []func(rune) bool
	negate bool
}

func (c *class) has(r rune) bool {
	if r < utf8.RuneSelf {
		return c.ascii[r]
	}
	return c.search(r)
}

func (c *class) search(r rune) bool {
	for i := 0; i < len(c.ranges); i += 2 {
		if c.ranges[i] <= r && r <= c.ranges[i+1] {
			return !c.negate
		}
	}
	for _, in := range c.sets {
		if in(r) {
			return !c.negate
		}
	}
	return c.negate
}

// find returns the first token's place in text, or -1.
func (p *pattern) find(text []byte) (from, to int) {
	if p.bounded {
		return p.findBounded(text)
	}
	for i := 0; i < len(text); {
		if end := p.match(text, i); end >= 0 {
			return i, end
		}
		_, n := utf8.DecodeRune(text[i:])
		i += n
	}
	return -1, -1
}

// findBounded looks for a whole run of word characters that matches.
func (p *pattern) findBounded(text []byte) (from, to int) {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if !isWord(r) {
			i += n
			continue
		}
		end := i + n
		for end < len(text) {
			r, n := utf8.DecodeRune(text[end:])
			if !isWord(r) {
				break
			}
			end += n
		}
		if p.match(text[:end], i) == end {
			return i, end
		}
		i = end
	}
	return -1, -1
}

// match returns where a token that begins at i ends, or -1.
func (p *pattern) match(text []byte, i int) int {
	for k := range p.head {
		r, n := utf8.DecodeRune(text[i:])
		if n == 0 || !p.head[k].has(r) {
			return -1
		}
		i += n
	}
	count := 0
	for ; i < len(text) && count != p.most; count++ {
		r, n := utf8.DecodeRune(text[i:])
		if !p.tail.has(r) {
			break
		}
		i += n
	}
	if count < p.least {
		return -1
	}
	return i
}

// parsePattern understands a token pattern, or says that it does not.
func parsePattern(text string) (*pattern, error) {
	p, ok := parse(text)
	if !ok {
		return nil, fmt.Errorf("the token pattern %q is not one of the forms that are read", text)
	}
	return p, nil
}

func parse(text string) (*pattern, bool) {
	rest := strings.TrimPrefix(text, "(?u)")
	p := &pattern{}
	rest, begins := strings.CutPrefix(rest, `\b`)
	rest, ends := strings.CutSuffix(rest, `\b`)
	if ends && strings.HasSuffix(rest, `\`) || begins != ends || rest == "" {
		return nil, false
	}
	p.bounded = begins
	for rest != "" {
		c, left, ok := parseClass(rest)
		if !ok || p.bounded && !c.within(isWord) {
			return nil, false
		}
		least, most, left, ok := parseCount(left)
		if !ok || len(p.head)+least > 100 {
			return nil, false
		}
		rest = left
		if rest == "" {
			p.tail, p.least, p.most = c, least, most
			break
		}
		if least != most {
			return nil, false // would have to give characters back to what follows
		}
		for range least {
			p.head = append(p.head, c)
		}
	}
	return p, len(p.head)+p.least > 0
}

// parseCount reads how often a class stands: nothing, +, *, ?, {m}, {m,} or {m,n}.
func parseCount(text string) (least, most int, rest string, ok bool) {
	if text == "" {
		return 1, 1, text, true
	}
	switch text[0] {
	case '+':
		least, most, rest = 1, -1, text[1:]
	case '*':
		least, most, rest = 0, -1, text[1:]
	case '?':
		least, most, rest = 0, 1, text[1:]
	case '{':
		inside, after, closed := strings.Cut(text[1:], "}")
		low, high, isRange := strings.Cut(inside, ",")
		var err1, err2 error
		least, err1 = strconv.Atoi(low)
		switch {
		case !isRange:
			most = least
		case high == "":
			most = -1
		default:
			most, err2 = strconv.Atoi(high)
		}
		if !closed || err1 != nil || err2 != nil || least < 0 || least > 100 || most != -1 && most < max(least, 1) {
			return 0, 0, "", false
		}
		rest = after
	default:
		return 1, 1, text, true
	}
	// A second mark would make it lazy or possessive.
	return least, most, rest, rest == "" || !strings.ContainsRune("+*?{", rune(rest[0]))
}

// parseClass reads one character, escape or bracket.
func parseClass(text string) (c class, rest string, ok bool) {
	if text[0] != '[' {
		rest, ok = c.item(text, false)
		c.fill()
		return c, rest, ok
	}
	rest = text[1:]
	rest, c.negate = strings.CutPrefix(rest, "^")
	for first := true; ; first = false {
		if rest == "" {
			return c, "", false
		}
		if rest[0] == ']' && !first {
			c.fill()
			return c, rest[1:], true
		}
		if rest, ok = c.item(rest, true); !ok {
			return c, "", false
		}
	}
}

// item reads one character, range or escape into the class. Outside of brackets
// a character that means something else in a regular expression is refused.
func (c *class) item(text string, inBrackets bool) (rest string, ok bool) {
	low, rest, set, ok := character(text, inBrackets)
	if !ok {
		return "", false
	}
	if set != nil {
		c.sets = append(c.sets, set)
		return rest, true
	}
	high := low
	if inBrackets && len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
		high, rest, set, ok = character(rest[1:], true)
		if !ok || set != nil || high < low {
			return "", false
		}
	}
	c.ranges = append(c.ranges, low, high)
	return rest, true
}

// character reads a character, or an escape that stands for a set of them.
func character(text string, inBrackets bool) (r rune, rest string, set func(rune) bool, ok bool) {
	r, n := utf8.DecodeRuneInString(text)
	rest = text[n:]
	if r != '\\' {
		special := `.^$*+?{}()|[]`
		if inBrackets {
			special = `[` // Python warns of a set inside a set
		}
		return r, rest, nil, r != utf8.RuneError && !strings.ContainsRune(special, r) && !(inBrackets && strings.HasPrefix(rest, string(r)) && strings.ContainsRune("-&~|", r))
	}
	r, n = utf8.DecodeRuneInString(rest)
	if n == 0 {
		return 0, "", nil, false
	}
	rest = rest[n:]
	switch r {
	case 'w':
		return 0, rest, isWord, true
	case 'W':
		return 0, rest, func(r rune) bool { return !isWord(r) }, true
	case 'd':
		return 0, rest, isDigit, true
	case 'D':
		return 0, rest, func(r rune) bool { return !isDigit(r) }, true
	case 's':
		return 0, rest, isSpace, true
	case 'S':
		return 0, rest, func(r rune) bool { return !isSpace(r) }, true
	case 'n':
		return '\n', rest, nil, true
	case 't':
		return '\t', rest, nil, true
	}
	return r, rest, nil, r < utf8.RuneSelf && !isWord(r)
}

func isDigit(r rune) bool { return unicode.Is(unicode.Nd, r) }

// fill looks ASCII up ahead.
func (c *class) fill() {
	for r := range c.ascii {
		c.ascii[r] = c.search(rune(r))
	}
}

// within tells whether all characters of a class are in a set. It looks at the
// few that a range has; a large range or a complement counts as not within.
func (c *class) within(set func(rune) bool) bool {
	for r, in := range c.ascii {
		if in && !set(rune(r)) {
			return false
		}
	}
	if c.negate {
		return false
	}
	for i := 0; i < len(c.ranges); i += 2 {
		if c.ranges[i+1]-c.ranges[i] > 0x1000 {
			return false
		}
		for r := c.ranges[i]; r <= c.ranges[i+1]; r++ {
			if !set(r) {
				return false
			}
		}
	}
	// Of the sets only those whose ASCII part is within the set are whole parts of it.
	for _, s := range c.sets {
		if s('-') || s(' ') {
			return false
		}
	}
	return true
}
