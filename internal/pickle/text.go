package pickle

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Protocol 0 writes its fields as lines of text.

// mostDigits is how many digits Python itself converts (sys.int_info): the
// conversion takes time that grows with their square.
const mostDigits = 4300

func (m *machine) memoLine() (uint64, error) {
	line, err := m.src.line()
	if err != nil {
		return 0, err
	}
	i, err := strconv.ParseUint(string(line), 10, 64)
	if err != nil {
		return 0, m.refuse("%s is no memo number", shown(string(line)))
	}
	return i, nil
}

func opInt(m *machine) error {
	line, err := m.src.line()
	if err != nil {
		return err
	}
	switch string(line) {
	case "00":
		return m.push(false)
	case "01":
		return m.push(true)
	}
	return m.decimal(line)
}

func opLong(m *machine) error {
	line, err := m.src.line()
	if err != nil {
		return err
	}
	return m.decimal(bytes.TrimSuffix(line, []byte("L")))
}

func (m *machine) decimal(text []byte) error {
	digits := bytes.TrimPrefix(text, []byte("-"))
	if len(digits) == 0 || len(digits) > mostDigits || len(bytes.Trim(digits, "0123456789")) > 0 {
		return m.refuse("%s is no whole number", shown(string(text)))
	}
	v, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		return m.refuse("%s is no whole number", shown(string(text)))
	}
	return m.push(smallest(v))
}

func opFloat(m *machine) error {
	line, err := m.src.line()
	if err != nil {
		return err
	}
	// ParseFloat alone would also take Go's hexadecimal and underscored forms.
	text := strings.TrimPrefix(string(line), "-")
	if text != "nan" && text != "inf" && (text == "" || strings.Trim(text, "0123456789.eE+-") != "") {
		return m.refuse("%s is no number", shown(string(line)))
	}
	v, err := strconv.ParseFloat(string(line), 64)
	if err != nil {
		return m.refuse("%s is no number", shown(string(line)))
	}
	return m.push(v)
}

// opString reads a quoted str of Python 2, with Python's escapes.
func opString(m *machine) error {
	line, err := m.src.line()
	if err != nil {
		return err
	}
	n := len(line)
	if n < 2 || line[0] != line[n-1] || line[0] != '\'' && line[0] != '"' {
		return m.refuse("a string of protocol 0 is not in quotes")
	}
	b, ok := unescape(line[1 : n-1])
	if !ok {
		return m.refuse("a string of protocol 0 has an unknown escape")
	}
	return m.push(textOrBytes(b))
}

// unescape decodes what Python 2's repr of a str writes: \n, \r, \t, \\, \', \"
// and \xHH.
func unescape(s []byte) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, false
		}
		switch s[i] {
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case '\\', '\'', '"':
			out = append(out, s[i])
		case 'x':
			v, ok := hex(s[i+1:], 2)
			if !ok {
				return nil, false
			}
			out = append(out, byte(v))
			i += 2
		default:
			return nil, false
		}
	}
	return out, true
}

// opUnicode reads a str in Python's raw-unicode-escape: Latin-1, with \uXXXX and
// \UXXXXXXXX for the rest. A backslash itself is always written as an escape.
func opUnicode(m *machine) error {
	line, err := m.src.line()
	if err != nil {
		return err
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' {
			out = utf8.AppendRune(out, rune(line[i]))
			continue
		}
		digits := 0
		if i+1 < len(line) {
			digits = map[byte]int{'u': 4, 'U': 8}[line[i+1]]
		}
		r, ok := hex(line[min(i+2, len(line)):], digits)
		if digits == 0 || !ok || r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return m.refuse("a string of protocol 0 has an unknown escape")
		}
		out = utf8.AppendRune(out, rune(r))
		i += 1 + digits
	}
	return m.push(string(out))
}

// hex reads n hexadecimal digits.
func hex(s []byte, n int) (uint32, bool) {
	if len(s) < n {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s[:n]), 16, 32)
	return uint32(v), err == nil
}
