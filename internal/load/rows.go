package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRows bounds the rows that are kept to be sent in turns, and those of one request.
const maxRows = 100_000

// maxRow bounds one row, in bytes.
const maxRow = 1 << 20

// ReadRows reads rows, one a line, each a JSON array or an object by name.
// Empty lines are passed over. There are at most 100,000 rows of 1 MiB each.
func ReadRows(r io.Reader) ([]json.RawMessage, error) {
	var rows []json.RawMessage
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxRow)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if len(rows) == maxRows {
			return nil, fmt.Errorf("there are more than %d rows; a part of them is enough", maxRows)
		}
		if !json.Valid(line) || line[0] != '[' && line[0] != '{' {
			return nil, fmt.Errorf("line %d: a row is a JSON array, or an object by name", n)
		}
		rows = append(rows, bytes.Clone(line))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if rows == nil {
		return nil, errors.New("there is no row")
	}
	return rows, nil
}
