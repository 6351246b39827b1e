package format

import (
	"bufio"
	"io"
)

// Looks tells whether a file may be a model, by its first bytes: what else it is,
// such as "plain text", or "" for what Open has a reader for. Its error is r's own.
func Looks(r io.Reader) (other string, err error) {
	k, err := recognise(bufio.NewReaderSize(r, headSize))
	if err != nil || k.read != nil {
		return "", err
	}
	return k.name, nil
}
