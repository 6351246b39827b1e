// Package pack makes JSON values smaller that are stored often and read seldom, such as
// the numbers of each look of the monitor: 2 to 3 kB, of which most are names that all of
// them have.
//
//	{"signals": [...]}   -- Close -->   "zlib:eJyr..."   -- Open -->   {"signals": [...]}
//
// What is packed is still a JSON value, a string: "zlib:" and the value, deflated (RFC
// 1950), in base64 (RFC 4648, section 4). Whoever knows nothing of it takes it for a value
// that it does not understand; a person can read it with what every machine has. What is
// small is left as it is, and what was stored before is read as it is.
//
// What may not happen: another value than was packed; more memory than was allowed,
// whatever was stored.
package pack

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// mark begins what is packed.
const mark = `"zlib:`

// few is from how many bytes on a value is packed.
const few = 512

// Close makes a value smaller, if it is large.
func Close(value json.RawMessage) string {
	if len(value) < few && !bytes.HasPrefix(value, []byte(mark)) {
		return string(value)
	}
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(value) // to memory
	_ = w.Close()
	return mark + base64.StdEncoding.EncodeToString(b.Bytes()) + `"`
}

// Open is the value that was closed, of at most so many bytes, or what was stored as it
// is. Whether it is JSON it does not ask.
func Open(stored string, most int) (json.RawMessage, error) {
	text, found := strings.CutPrefix(stored, mark)
	if !found {
		return json.RawMessage(stored), nil
	}
	text, found = strings.CutSuffix(text, `"`)
	if !found {
		return nil, errors.New("a packed value has no end")
	}
	r, err := zlib.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	value, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking: %w", err)
	}
	if len(value) > most {
		return nil, fmt.Errorf("what is packed has more than %d bytes", most)
	}
	return value, nil
}
