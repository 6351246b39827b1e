package infer

import "strconv"

// scanRow reads exactly {"features": [number, ...]} with the wanted count of
// numbers and appends them to row. It accepts only what parseDocument accepts,
// with the same values; of everything else it says no, without a reason.
func scanRow(body []byte, row []float64, want int) ([]float64, bool) {
	s := scanner{body: body}
	if !s.token(`{`) || !s.token(`"features"`) || !s.token(`:`) || !s.token(`[`) {
		return row, false
	}
	for i := range want {
		if i > 0 && !s.token(`,`) {
			return row, false
		}
		value, ok := s.number()
		if !ok {
			return row, false
		}
		row = append(row, value)
	}
	return row, s.token(`]`) && s.token(`}`) && s.end()
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
	s.skip('-', '-')
	if whole := s.digits(); whole == 0 || whole > 1 && s.body[s.at-whole] == '0' {
		return 0, false
	}
	if s.skip('.', '.') && s.digits() == 0 {
		return 0, false
	}
	if s.skip('e', 'E') {
		s.skip('+', '-')
		if s.digits() == 0 {
			return 0, false
		}
	}
	value, err := strconv.ParseFloat(string(s.body[start:s.at]), 64)
	return value, err == nil
}

func (s *scanner) skip(a, b byte) bool {
	if s.at < len(s.body) && (s.body[s.at] == a || s.body[s.at] == b) {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.body) && '0' <= s.body[s.at] && s.body[s.at] <= '9' {
		s.at++
	}
	return s.at - start
}
