package pickle

import (
	"bufio"
	"io"

	"github.com/ulikunitz/xz"
)

func newXZ(r *bufio.Reader) (io.Reader, error) {
	return xz.ReaderConfig{SingleStream: true}.NewReader(r)
}
