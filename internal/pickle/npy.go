package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// numpy's own file of one array (numpy/lib/format.py):
//
//	"\x93NUMPY"  version 1, 2 or 3  0  length of the header, 2 or 4 bytes
//	header       {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }
//	elements     raw
//
// descr is a list of (name, type) for records. The header is a Python literal;
// only the few forms that numpy writes are read.

// maxHeader is what numpy itself reads of a header.
const maxHeader = 1 << 16

// ReadNPY reads an .npy file of numbers, text or records. The array keeps data:
// it must not be changed afterwards. Errors are about the content.
func ReadNPY(data []byte, opts Options) (*Array, *Error) {
	n := &npy{opts: opts.WithDefaults()}
	a := n.array(data)
	if n.reason != "" {
		return nil, &Error{Offset: int64(n.at), Reason: n.reason, Next: nextCopyAgain}
	}
	return a, nil
}

// npy reads a header. The first thing that is wrong is kept in reason; after
// that every read returns a zero value.
type npy struct {
	opts   Options
	text   string // of the header
	at     int    // in the header; the header's own beginning does not count
	reason string
}

func (n *npy) fail(format string, args ...any) {
	if n.reason == "" {
		n.reason = fmt.Sprintf(format, args...)
	}
}

func (n *npy) array(data []byte) *Array {
	elements := n.split(data)
	var dtype *DType
	var order, shape Value
	seen := map[string]bool{}
	n.expect("{")
	for n.reason == "" && !n.take("}") {
		key := n.quoted()
		if seen[key] {
			n.fail("the header of an array has %s twice", shown(key))
		}
		seen[key] = true
		n.expect(":")
		switch key {
		case "descr":
			dtype = n.descr()
		case "fortran_order":
			order = n.word()
		case "shape":
			shape = n.tuple()
		default:
			n.fail("the header of an array has %s, which numpy does not write", shown(key))
		}
		if !n.take(",") && !n.peek("}") {
			n.expect("}")
		}
	}
	if strings.Trim(n.rest(), " \n") != "" {
		n.fail("text follows the header of an array")
	}
	if dtype == nil || shape == nil || order != "True" && order != "False" {
		n.fail("the header of an array is incomplete")
	}
	if n.reason != "" {
		return nil
	}
	dims, count, reason := shapeOf(shape, dtype.Size, n.opts.MaxBytes)
	if reason == "" && len(elements) != count*dtype.Size {
		reason = fmt.Sprintf("an array of %d bytes is filled with %d", count*dtype.Size, len(elements))
	}
	n.reason = reason
	return &Array{Shape: dims, Type: *dtype, raw: elements, count: count, step: dtype.Size, fortran: order == "True", built: true}
}

// split finds the header and returns the elements.
func (n *npy) split(data []byte) []byte {
	const magic = "\x93NUMPY"
	if len(data) < 12 || string(data[:len(magic)]) != magic || data[6] < 1 || data[6] > 3 || data[7] != 0 {
		n.fail("an array's file does not begin as numpy writes it")
		return nil
	}
	size, start := int(binary.LittleEndian.Uint16(data[8:])), 10
	if data[6] > 1 {
		size, start = int(min(binary.LittleEndian.Uint32(data[8:]), math.MaxInt32)), 12
	}
	if size > maxHeader || size > len(data)-start {
		n.fail("the header of an array claims %d bytes", size)
		return nil
	}
	header := data[start : start+size]
	n.text = string(header)
	if !utf8.Valid(header) {
		n.fail("the header of an array is not text")
	}
	return data[start+size:]
}

// descr reads '<f8', or [('left', '<i8'), (”, '|V7')] with unnamed gaps.
func (n *npy) descr() *DType {
	if !n.take("[") {
		return n.dtype(false)
	}
	d := &DType{Kind: 'V', built: true}
	for n.reason == "" && !n.take("]") {
		n.expect("(")
		name := n.quoted()
		n.expect(",")
		f := n.dtype(name == "")
		n.take(",")
		n.expect(")")
		if !n.take(",") && !n.peek("]") {
			n.expect("]")
		}
		if n.reason != "" {
			return nil
		}
		if slices.Contains(d.Names(), name) {
			n.fail("a structured dtype has the field %s twice", shown(name))
		}
		if name != "" {
			d.fields = append(d.fields, field{name, *f, d.Size})
		}
		if d.Size += f.Size; d.Size > maxRecord || len(d.fields) > maxFields {
			n.fail("a structured dtype is too large")
		}
	}
	if len(d.fields) == 0 {
		n.fail("a structured dtype has no fields")
	}
	return d
}

// dtype reads '<f8'; a gap in a record is '|V7'. Inside of records, and nowhere
// else, it may be a gap.
func (n *npy) dtype(gap bool) *DType {
	text := n.quoted()
	var d *DType
	if len(text) >= 3 && strings.IndexByte("<>|=", text[0]) >= 0 {
		d = dtypeOf(text[1:])
	}
	if d == nil || d.Kind == 'O' || gap != (d.Kind == 'V') {
		n.fail("arrays of dtype %s are not read", shown(text))
		return nil
	}
	d.BigEndian, d.built = text[0] == '>', true
	return d
}

func (n *npy) rest() string { return n.text[min(n.at, len(n.text)):] }

func (n *npy) space() {
	n.at += len(n.rest()) - len(strings.TrimLeft(n.rest(), " "))
}

func (n *npy) peek(s string) bool {
	n.space()
	return strings.HasPrefix(n.rest(), s)
}

func (n *npy) take(s string) bool {
	if !n.peek(s) {
		return false
	}
	n.at += len(s)
	return true
}

func (n *npy) expect(s string) {
	if !n.take(s) {
		n.fail("the header of an array has something else where %s is expected", s)
	}
}

// quoted reads a string without escapes, in either kind of quotes.
func (n *npy) quoted() string {
	n.space()
	rest := n.rest()
	if rest == "" || rest[0] != '\'' && rest[0] != '"' {
		n.fail("the header of an array has something else where a string is expected")
		return ""
	}
	text, _, closed := strings.Cut(rest[1:], rest[:1])
	if !closed || strings.Contains(text, `\`) {
		n.fail("a string in the header of an array does not end, or has an escape")
		return ""
	}
	n.at += len(text) + 2
	return text
}

// word reads True, False or a number.
func (n *npy) word() string {
	n.space()
	rest := n.rest()
	word := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789LTrueFals"))]
	n.at += len(word)
	return word
}

// tuple reads the lengths of the axes. Python 2 wrote long ones as 3L.
func (n *npy) tuple() Value {
	t := &Tuple{}
	n.expect("(")
	for n.reason == "" && !n.take(")") {
		word := n.word()
		length, err := strconv.ParseInt(strings.TrimSuffix(word, "L"), 10, 64)
		if err != nil {
			n.fail("an array has %s as a length", shown(word))
		}
		t.Items = append(t.Items, length)
		if !n.take(",") && !n.peek(")") {
			n.expect(")")
		}
	}
	return t
}
