package infer

import (
	"math"
	"strconv"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// scanRow reads exactly {"features": [value, ...]} or {"features": {"name":
// value, ...}} with a value for every feature, in the model's order, into an empty
// batch. It accepts only what parseDocument accepts, with the same values; of
// everything else it says no, without a reason, and the batch is of no use. Numbers
// allocate nothing, a text itself.
func scanRow(body []byte, b *rows.Batch, schema *rows.Schema) bool {
	s := scanner{body: body}
	if !s.token(`{`) || !s.token(`"features"`) || !s.token(`:`) {
		return false
	}
	keys, end := []string(nil), `]`
	if !s.token(`[`) {
		if keys, end = schema.Keys(), `}`; keys == nil || !s.token(`{`) {
			return false
		}
	}
	texts, features := schema.Texts(), schema.Signature().Features
	for i := range features {
		if i > 0 && !s.token(`,`) || keys != nil && (!s.token(keys[i]) || !s.token(`:`)) {
			return false
		}
		number, text, ok := s.value(&features[i])
		if !ok {
			return false
		}
		b.Numbers = append(b.Numbers, number)
		if texts {
			b.Texts = append(b.Texts, text)
		}
	}
	b.N = 1
	return s.token(end) && s.token(`}`) && s.end()
}

// value reads what a feature takes.
func (s *scanner) value(f *model.Feature) (number float64, text string, ok bool) {
	switch {
	case f.Kind == model.Unused:
		return 0, "", s.token(`null`) // anything else is the definition's
	case f.Missing && s.token(`null`):
		return math.NaN(), "", true
	case f.Kind == model.Number:
		number, ok = s.number()
		return number, "", ok
	case f.Kind == model.Text:
		text, ok = s.text()
		return 0, text, ok
	case s.token(`true`):
		return 1, "", true
	default:
		return 0, "", s.token(`false`)
	}
}

// text reads a string of printable ASCII without escapes.
func (s *scanner) text() (string, bool) {
	if !s.token(`"`) {
		return "", false
	}
	for start := s.at; s.at < len(s.body); s.at++ {
		switch c := s.body[s.at]; {
		case c == '"':
			s.at++
			return string(s.body[start : s.at-1]), true
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		}
	}
	return "", false
}

type scanner struct {
	body []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.body) {
		switch s.body[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.body)
}

func (s *scanner) token(t string) bool {
	s.space()
	if len(s.body)-s.at < len(t) || string(s.body[s.at:s.at+len(t)]) != t {
		return false
	}
	s.at += len(t)
	return true
}

// number reads a number by the grammar of JSON, which is narrower than that of
// strconv, and within the range of a float64.
func (s *scanner) number() (float64, bool) {
	s.space()
	start := s.at
	negative := s.skip('-', '-')
	whole, mantissa := s.digits(0)
	if whole == 0 || whole > 1 && s.body[s.at-whole] == '0' {
		return 0, false
	}
	fraction := 0
	if s.skip('.', '.') {
		if fraction, mantissa = s.digits(mantissa); fraction == 0 {
			return 0, false
		}
	}
	if s.skip('e', 'E') {
		s.skip('+', '-')
		if n, _ := s.digits(0); n == 0 {
			return 0, false
		}
	} else if whole+fraction < len(tens) { // both are floats without rounding, and so it is rounded once
		value := float64(mantissa) / tens[fraction]
		if negative {
			value = -value
		}
		return value, true
	}
	value, err := strconv.ParseFloat(string(s.body[start:s.at]), 64)
	return value, err == nil
}

// tens are the powers of ten up to the largest that all whole numbers below are
// floats.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func (s *scanner) skip(a, b byte) bool {
	if s.at < len(s.body) && (s.body[s.at] == a || s.body[s.at] == b) {
		s.at++
		return true
	}
	return false
}

// digits reads digits, and appends them to those of a number before them; of more
// than 19 that number means nothing.
func (s *scanner) digits(before uint64) (n int, number uint64) {
	start := s.at
	for s.at < len(s.body) && '0' <= s.body[s.at] && s.body[s.at] <= '9' {
		before = 10*before + uint64(s.body[s.at]-'0')
		s.at++
	}
	return s.at - start, before
}
