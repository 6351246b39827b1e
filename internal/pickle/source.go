package pickle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// source hands out the bytes of the pickle and keeps its two promises: no byte
// is handed out beyond the budget or across the end of a frame, and memory
// grows only as bytes arrive.
type source struct {
	buf       *bufio.Reader
	raw       *bufio.Reader // the file itself; the same as buf without a container
	in        *meter        // below raw
	container string
	at        int64 // bytes handed out so far
	limit     int64
	frameEnd  int64 // where the current frame ends; 0 when outside of frames
}

const (
	bufferSize = 16 << 10
	// firstGrowth is what is set aside for a long field before any of its bytes
	// has arrived; after that, a field grows at most to twice what has arrived.
	firstGrowth = 512 << 10
)

// refuse makes the refusal of what begins at byte at.
func (s *source) refuse(at int64, next, format string, args ...any) *Error {
	return &Error{Offset: at, Container: s.container, Reason: fmt.Sprintf(format, args...), Next: next}
}

// claim checks that n more bytes may be read.
func (s *source) claim(n uint64) error {
	if n > uint64(s.limit-s.at) {
		return s.refuse(s.at, nextSmaller, "the pickle claims more than %d bytes, the limit", s.limit)
	}
	if s.frameEnd > 0 {
		if s.at == s.frameEnd {
			s.frameEnd = 0
		} else if int64(n) > s.frameEnd-s.at {
			return s.refuse(s.at, nextCopyAgain, "a field runs over the end of its frame at byte %d", s.frameEnd)
		}
	}
	return nil
}

// take returns the next n bytes, n at most bufferSize. They are valid until the
// next call.
func (s *source) take(n int) ([]byte, error) {
	if err := s.claim(uint64(n)); err != nil {
		return nil, err
	}
	b, err := s.buf.Peek(n)
	if err != nil {
		return nil, s.trouble(err)
	}
	_, _ = s.buf.Discard(n) // cannot fail: the bytes were just seen
	s.at += int64(n)
	return b, nil
}

func (s *source) byte() (byte, error) {
	if err := s.claim(1); err != nil {
		return 0, err
	}
	b, err := s.buf.ReadByte()
	if err != nil {
		return 0, s.trouble(err)
	}
	s.at++
	return b, nil
}

// bytes returns a new slice of the next n bytes.
func (s *source) bytes(n uint64) ([]byte, error) {
	if err := s.claim(n); err != nil {
		return nil, err
	}
	var p []byte
	for left := int(n); left > 0; {
		step := min(left, max(firstGrowth, len(p)))
		grown := make([]byte, len(p)+step) // append would make it twice under the race detector
		copy(grown, p)
		p = grown
		got, err := io.ReadFull(s.buf, p[len(p)-step:])
		s.at += int64(got)
		if err != nil {
			return nil, s.trouble(err)
		}
		left -= step
	}
	return p, nil
}

// line returns the bytes before the next newline, as protocol 0 ends its fields.
func (s *source) line() ([]byte, error) {
	var line []byte
	for {
		if err := s.claim(1); err != nil {
			return nil, err
		}
		part, err := s.buf.ReadSlice('\n')
		if err := s.claim(uint64(len(part))); err != nil {
			return nil, err
		}
		s.at += int64(len(part))
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, s.trouble(err)
		}
	}
}

// beginFrame notes that the next n bytes belong together.
func (s *source) beginFrame(n uint64) error {
	if s.frameEnd > s.at {
		return s.refuse(s.at, nextCopyAgain, "a frame begins inside another one")
	}
	s.frameEnd = 0
	if err := s.claim(n); err != nil {
		return err
	}
	s.frameEnd = s.at + int64(n)
	return nil
}

// betweenFrames reports whether raw bytes may follow here. joblib reads them
// past Python's frame buffer, so in the middle of a frame it would read others.
func (s *source) betweenFrames() bool { return s.frameEnd <= s.at }

// finish checks that nothing follows the pickle, which also makes the container
// compare its checksum.
func (s *source) finish() error {
	if !s.betweenFrames() {
		return s.refuse(s.at, nextSaveAgain, "the pickle ends before its frame does, at byte %d", s.frameEnd)
	}
	switch _, err := s.buf.ReadByte(); {
	case err == nil:
		return s.refuse(s.at, nextSaveAgain, "more bytes follow the end of the pickle")
	case !errors.Is(err, io.EOF):
		return s.trouble(err)
	}
	if s.container == "" {
		return nil
	}
	switch _, err := s.raw.ReadByte(); {
	case err == nil:
		return s.refuse(s.at, nextSaveAgain, "more bytes follow the end of the %s data", s.container)
	case !errors.Is(err, io.EOF):
		return s.trouble(err)
	}
	return nil
}

// trouble tells a cut file and a damaged container, which are refusals, from a
// reader that failed.
func (s *source) trouble(err error) error {
	switch {
	case s.in.failed != nil:
		return fmt.Errorf("reading the pickle at byte %d: %w", s.at, s.in.failed)
	case errors.Is(err, errBomb):
		return s.refuse(s.at, nextSmaller, "the %s data unfolds to more than %d times its size", s.container, maxRatio)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s.refuse(s.at, nextCopyAgain, "the file ends too early")
	case s.container == "":
		return fmt.Errorf("reading the pickle at byte %d: %w", s.at, err)
	default:
		return s.refuse(s.at, nextCopyAgain, "the %s data is damaged (%v)", s.container, err)
	}
}

// startsWith reports whether the source continues with prefix.
func (s *source) startsWith(prefix string) bool {
	b, _ := s.buf.Peek(len(prefix)) // a short rest is simply no match
	return bytes.Equal(b, []byte(prefix))
}
