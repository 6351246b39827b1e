package gbdt

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"slices"

	"serin/internal/model"
)

// ubjsonReader reads UBJSON, as far as XGBoost writes and reads it: lengths are
// int64 (L), typed arrays are $type#L, other arrays have a length or an end
// marker, objects have an end marker.
type ubjsonReader struct {
	bytes  *bufio.Reader
	schema schema
	spent  spending
	at     int64 // bytes read
	// numbers are those of the typed array at hand, whose length may lie.
	numbers vector
}

func readUBJSON(r *bufio.Reader, s schema) (any, error) {
	u := &ubjsonReader{bytes: r, schema: s}
	root, err := u.value(0, true)
	if err != nil {
		return nil, unexpected(err)
	}
	if _, err := u.bytes.ReadByte(); err != io.EOF { //nolint:errorlint // bufio returns it bare
		if err == nil {
			err = malformed("byte %d: something follows the end of the document", u.at)
		}
		return nil, err
	}
	return root, nil
}

func (u *ubjsonReader) byte() (byte, error) {
	b, err := u.bytes.ReadByte()
	u.at++
	return b, err
}

func (u *ubjsonReader) bad(what string, marker byte) error {
	return malformed("byte %d: %s %q", u.at-1, what, marker)
}

// value reads one value, and returns nil for one that is not kept.
func (u *ubjsonReader) value(depth int, keep bool) (any, error) {
	marker, err := u.byte()
	if err != nil {
		return nil, err
	}
	return u.marked(marker, depth, keep)
}

func (u *ubjsonReader) marked(marker byte, depth int, keep bool) (any, error) {
	if depth > maxDepth {
		return nil, malformed("byte %d: it is nested more than %d deep", u.at, maxDepth)
	}
	if err := u.spent.other(); err != nil {
		return nil, err
	}
	switch marker {
	case '{':
		return u.object(depth, keep)
	case '[':
		return u.array(depth, keep)
	case 'S':
		return u.text(keep)
	case 'Z':
		return nil, nil
	case 'T', 'F':
		return marker == 'T', nil
	}
	size := sizeOf(marker)
	if size == 0 {
		return nil, u.bad("unknown marker", marker)
	}
	raw, err := u.take(size)
	if err != nil {
		return nil, err
	}
	return decode(marker, raw), nil
}

// sizeOf is the width of a number, 0 for what is none.
func sizeOf(marker byte) int {
	switch marker {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

func decode(marker byte, raw []byte) float64 {
	switch marker {
	case 'i':
		return float64(int8(raw[0]))
	case 'U':
		return float64(raw[0])
	case 'I':
		return float64(int16(binary.BigEndian.Uint16(raw)))
	case 'l':
		return float64(int32(binary.BigEndian.Uint32(raw)))
	case 'd':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(raw)))
	case 'L':
		return float64(int64(binary.BigEndian.Uint64(raw)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(raw))
}

// take reads n bytes, at most as many as the buffer holds. They are valid until
// the next read.
func (u *ubjsonReader) take(n int) ([]byte, error) {
	raw, err := u.bytes.Peek(n)
	if err != nil {
		return nil, err
	}
	_, err = u.bytes.Discard(n)
	u.at += int64(n)
	return raw, err
}

// length reads L and an int64 that is not negative.
func (u *ubjsonReader) length() (int64, error) {
	marker, err := u.byte()
	if err != nil {
		return 0, err
	}
	if marker != 'L' {
		return 0, u.bad("a length begins with", marker)
	}
	raw, err := u.take(8)
	if err != nil {
		return 0, err
	}
	n := int64(binary.BigEndian.Uint64(raw))
	if n < 0 {
		return 0, malformed("byte %d: a length is %d", u.at, n)
	}
	return n, nil
}

// text reads the length and the bytes of a string, block by block: the length
// may lie.
func (u *ubjsonReader) text(keep bool) (string, error) {
	left, err := u.length()
	if err != nil {
		return "", err
	}
	var text []byte
	for left > 0 {
		raw, err := u.take(int(min(left, int64(u.bytes.Size()))))
		if err != nil {
			return "", err
		}
		if keep {
			text = append(text, raw...)
		}
		left -= int64(len(raw))
	}
	return string(text), nil
}

func (u *ubjsonReader) object(depth int, keep bool) (any, error) {
	var members object // made when there is something to put in
	for {
		next, err := u.bytes.Peek(1)
		if err != nil {
			return nil, err
		}
		if next[0] == '}' {
			_, err = u.byte()
			return members, err
		}
		name, err := u.text(true)
		if err != nil {
			return nil, err
		}
		if _, twice := members[name]; twice {
			return nil, malformed("byte %d: the member %s is there twice", u.at, model.Quote(name))
		}
		if u.schema.stream[name] && keep {
			err = u.stream(depth)
		} else {
			wanted := keep && u.schema.keep[name]
			var value any
			if value, err = u.value(depth+1, wanted); wanted {
				if members == nil {
					members = object{}
				}
				members[name] = value
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// stream hands the elements of an array over, one after the other.
func (u *ubjsonReader) stream(depth int) error {
	marker, err := u.byte()
	if err != nil {
		return err
	}
	if marker != '[' {
		return u.bad("an array should begin instead of", marker)
	}
	before := u.spent
	return u.elements(depth, true, func(element any) error {
		u.spent = before
		if err := u.schema.take(element); err != nil {
			return err
		}
		return nil
	})
}

// elements reads the rest of an array that is not typed.
func (u *ubjsonReader) elements(depth int, keep bool, each func(element any) error) error {
	next, err := u.bytes.Peek(1)
	if err != nil {
		return err
	}
	left := int64(-1)
	if next[0] == '#' {
		if _, err = u.byte(); err != nil {
			return err
		}
		if left, err = u.length(); err != nil {
			return err
		}
	}
	for ; left != 0; left-- {
		marker, err := u.byte()
		if err != nil {
			return err
		}
		if left < 0 && marker == ']' {
			return nil
		}
		element, err := u.marked(marker, depth+1, keep)
		if err != nil {
			return err
		}
		if err := each(element); err != nil {
			return err
		}
	}
	return nil
}

func (u *ubjsonReader) array(depth int, keep bool) (any, error) {
	next, err := u.bytes.Peek(1)
	if err != nil {
		return nil, err
	}
	if next[0] == '$' {
		return u.typed(keep)
	}
	var items list
	numbers := true
	err = u.elements(depth, keep, func(element any) error {
		switch element.(type) {
		case float64, bool:
		default:
			numbers = false
		}
		if keep {
			items = append(items, element)
		}
		return nil
	})
	if err != nil || !numbers {
		return items, err
	}
	return flat(items), nil
}

// flat makes a vector of a list of numbers and booleans.
func flat(items list) vector {
	var numbers vector
	for _, item := range items {
		switch item := item.(type) {
		case float64:
			numbers = append(numbers, item)
		case bool:
			if item {
				numbers = append(numbers, 1)
			} else {
				numbers = append(numbers, 0)
			}
		}
	}
	return numbers
}

// typed reads an array of numbers of one type, block by block: its length may lie.
func (u *ubjsonReader) typed(keep bool) (any, error) {
	head, err := u.take(3)
	if err != nil {
		return nil, err
	}
	marker, size := head[1], sizeOf(head[1])
	if size == 0 || head[2] != '#' {
		return nil, u.bad("an array of", marker)
	}
	left, err := u.length()
	if err != nil {
		return nil, err
	}
	numbers := u.numbers[:0]
	defer func() { u.numbers = numbers }()
	block := int64(u.bytes.Size() / size)
	for left > 0 {
		raw, err := u.take(int(min(left, block)) * size)
		if err != nil {
			return nil, err
		}
		for ; keep && len(raw) > 0; raw = raw[size:] {
			if err := u.spent.number(); err != nil {
				return nil, err
			}
			numbers = append(numbers, decode(marker, raw))
		}
		left -= min(left, block)
	}
	return slices.Clone(numbers), nil
}
