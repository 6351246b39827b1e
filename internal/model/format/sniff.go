package format

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// starts recognises a head by its first bytes.
func starts(magics ...string) func([]byte) bool {
	return func(head []byte) bool {
		return slices.ContainsFunc(magics, func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) })
	}
}

// markup recognises text that begins with < and has one of some tags near its
// beginning.
func markup(tags ...string) func([]byte) bool {
	return func(head []byte) bool {
		text := strings.ToLower(string(trimmed(head[:min(len(head), 4096)])))
		if !strings.HasPrefix(text, "<") {
			return false
		}
		return slices.ContainsFunc(tags, func(tag string) bool { return strings.Contains(text, tag) })
	}
}

// trimmed is the head without a byte order mark and the white space before it.
func trimmed(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
}

// jsonWith recognises a JSON object whose first key is one of some.
func jsonWith(keys ...string) func([]byte) bool {
	return func(head []byte) bool { return slices.Contains(keys, firstKey(head)) }
}

// firstKey is the first key of a JSON object; "" if the head is none.
func firstKey(head []byte) string {
	head = trimmed(head)
	if !bytes.HasPrefix(head, []byte("{")) {
		return ""
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(head))
	if _, err := d.ReadToken(); err != nil {
		return ""
	}
	if key, err := d.ReadToken(); err == nil && key.Kind() == '"' {
		return key.String()
	}
	return ""
}

// jsonList recognises a JSON array with a key near its beginning.
func jsonList(key string) func([]byte) bool {
	return func(head []byte) bool {
		head = trimmed(head)
		return bytes.HasPrefix(head, []byte("[")) && plainText(head) && bytes.Contains(head[:min(len(head), 256)], []byte(key))
	}
}

// ubj recognises an object in Universal Binary JSON: a brace, the type of the
// first key's length, that length, and the key.
func ubj(head []byte) bool {
	if len(head) < 3 || head[0] != '{' {
		return false
	}
	rest := head[2:]
	sizes := map[byte]int{'i': 1, 'U': 1, 'I': 2, 'l': 4, 'L': 8}
	n, ok := sizes[head[1]]
	if !ok || len(rest) < n {
		return false
	}
	var length uint64
	for _, b := range rest[:n] {
		length = length<<8 | uint64(b)
	}
	rest = rest[n:]
	return length > 0 && length <= uint64(len(rest)) && slices.Contains([]string{"learner", "version"}, string(rest[:length]))
}

// oldXGBoost recognises what XGBoost wrote before its JSON: the parameters of
// the learner as a C struct of 136 bytes, then the name of the objective behind
// its length (XGBoost src/learner.cc, LearnerModelParamLegacy), perhaps with
// "binf" in front.
func oldXGBoost(head []byte) bool {
	if bytes.HasPrefix(head, []byte("CONFIG-offset:")) {
		return true
	}
	head = bytes.TrimPrefix(head, []byte("binf"))
	if len(head) < 160 {
		return false
	}
	length := binary.LittleEndian.Uint64(head[136:])
	if length < 3 || length > 64 || uint64(len(head)-144) < length {
		return false
	}
	return regexp.MustCompile(`^[a-z]+:[a-z0-9]+$`).Match(head[144 : 144+length])
}

// onnxModel recognises a ModelProto by its first field, the version of the
// format, and the tag of the next one. protobuf writes fields in the order of
// their numbers.
func onnxModel(head []byte) bool {
	return len(head) > 3 && head[0] == 0x08 && 1 <= head[1] && head[1] <= 32 && bytes.IndexByte([]byte{0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42}, head[2]) >= 0
}

// safetensors recognises a length in eight bytes and a JSON object.
func safetensors(head []byte) bool {
	return len(head) > 10 && binary.LittleEndian.Uint64(head) < 100<<20 && string(head[8:10]) == `{"`
}

// gzipOf recognises gzip data by what they begin with when they are unpacked.
func gzipOf(is func(inner []byte) bool) func([]byte) bool {
	return func(head []byte) bool {
		if !bytes.HasPrefix(head, []byte("\x1f\x8b")) {
			return false
		}
		z, err := gzip.NewReader(bytes.NewReader(head))
		if err != nil {
			return false
		}
		inner := make([]byte, 1024)
		n, err := io.ReadFull(z, inner)
		return n > 0 && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) && is(inner[:n])
	}
}

// plainText tells text for people from bytes, by the first of them.
func plainText(head []byte) bool {
	head = head[:min(len(head), 1024)]
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 && len(head) >= utf8.UTFMax {
			return false
		}
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return false
		}
		head = head[size:]
	}
	return true
}

// textPickle recognises a pickle of protocol 0, which is text, too: it begins
// with a name on two lines, or with a mark and what belongs behind one, or with
// a single value.
func textPickle(head []byte) bool {
	return textPickles.Match(head)
}

var textPickles = regexp.MustCompile(`^(c[\w.]+\n[\w.]+\n|\([cdliStV(INF]|[\](})][.q]|N\.|[IFLSV][^\n]*\n(p\d+\n)?\.)`)
