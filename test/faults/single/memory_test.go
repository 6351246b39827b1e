//go:build linux && amd64

package single

import (
	"bytes"
	"compress/zlib"
	endian "encoding/binary"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"serin/test/program"
)

// mostGrown is what the process may have in memory, at its peak, beyond what it had before
// somebody deployed files that ask for gigabytes, in bytes.
const mostGrown = 256 << 20

// TestACanaryThatEatsMemory deploys files whose loading would take gigabytes, by what
// they unfold to or by what they say of themselves. Each is refused, the process stays
// within a bound all the while, and no prediction of stable's fails.
func TestACanaryThatEatsMemory(t *testing.T) {
	t.Parallel()
	h := newHome(t, "--initial-delay", "0s", "--weight", "50%")
	s := h.start(binary(t))
	h.predicted(s)
	before := peak(t, s)
	stop := h.unbroken(s)
	for name, content := range gluttons(t) {
		put(t, filepath.Join(h.folder, "models", "glutton"), content)
		a := post(s, deploy.path, `{"model_path": "models/glutton", "reason": "a test"}`)
		grown := peak(t, s) - before
		t.Logf("%s, %d bytes: %d, %d MB more at the peak", name, len(content), a.status, grown>>20)
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, "model_refused") {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		if grown > mostGrown {
			t.Errorf("%s: the process has grown by %d bytes", name, grown)
		}
		if now := h.stands(s); now.String() != alone {
			t.Errorf("after %s it is %s", name, now)
		}
	}
	levels := 9
	if every() {
		levels = 11
	}
	large := forest(t, 3, 200, levels)
	put(t, filepath.Join(h.folder, "models", "model_v2.joblib"), large)
	for range 3 { // what one leaves behind is there for the next
		if a := post(s, deploy.path, deploy.body); a.status == http.StatusOK {
			h.must(s, revert.path, revert.body)
		} else {
			t.Errorf("an honest large model: %d %s", a.status, a.text)
		}
	}
	grown := peak(t, s) - before
	t.Logf("%d bytes of an honest model, three times: %d MB more at the peak", len(large), grown>>20)
	n := stop()
	t.Logf("%d predictions meanwhile", n)
	if n == 0 || grown > mostGrown {
		t.Errorf("%d predictions meanwhile, %d bytes more at the peak", n, grown)
	}
}

// unbroken predicts until it is stopped, and returns how often. Each must be answered.
func (h *home) unbroken(s *program.Server) (stop func() int) {
	end, ended, answered := make(chan struct{}), make(chan struct{}), 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
			}
			if a := post(s, "/predict", row); a.status != http.StatusOK {
				h.t.Errorf("a prediction meanwhile: %d %s", a.status, a.text)
				return
			}
			answered++
		}
	}()
	return func() int { close(end); <-ended; return answered }
}

func peak(t *testing.T, s *program.Server) int64 {
	t.Helper()
	n, err := s.Peak()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// gluttons are small files that ask for gigabytes.
func gluttons(t *testing.T) map[string][]byte {
	t.Helper()
	long := func(size uint64) string { return "\x80\x04\x8e" + string(endian.LittleEndian.AppendUint64(nil, size)) }
	return map[string][]byte{
		"a pickle that says 4 GB":         zipped(t, long(4<<30), 0),
		"a pickle that unfolds":           zipped(t, long(256<<20), 64<<20),
		"a pickle of very many lists":     zipped(t, "\x80\x04"+strings.Repeat("]", 24<<20), 0),
		"a pickle that doubles its tuple": []byte("\x80\x04)" + strings.Repeat("2\x86", 64) + "."),
		"a memo with a place far away":    []byte("\x80\x04Nr\xff\xff\xff\xff."),
		"trees that nest without end":     []byte(`{"learner":` + strings.Repeat("[", 16<<20)),
		"LightGBM of 2^31 classes":        []byte("tree\nversion=v4\nnum_class=2147483647\nnum_tree_per_iteration=2147483647\nmax_feature_idx=2147483647\n"),
		"ONNX with values of 5 GB":        expander(),
		"ONNX with fields of 4 GB":        []byte("\x08\x07\x3a\xff\xff\xff\xff\x0f" + strings.Repeat("\x0a\xff\xff\xff\x7f", 1<<20)),
	}
}

// expander is an ONNX model whose one node makes 2^28 copies of each row.
func expander() []byte {
	field := func(number byte, parts ...string) string {
		body := strings.Join(parts, "")
		return string(append([]byte{number<<3 | 2}, endian.AppendUvarint(nil, uint64(len(body)))...)) + body
	}
	value := func(name string, dims ...string) string { // of 32-bit floats
		return field(1, name) + field(2, field(1, "\x08\x01", field(2, dims...)))
	}
	rows, five, many := field(1, field(2, "N")), field(1, "\x08\x05"), field(1, "\x08\x80\x80\x80\x80\x01")
	copies := string(endian.LittleEndian.AppendUint64(nil, 1<<28)) + "\x01\x00\x00\x00\x00\x00\x00\x00" + "\x05\x00\x00\x00\x00\x00\x00\x00"
	shape := "\x08\x03\x10\x07" + field(8, "shape") + field(9, copies) // three 64-bit numbers
	node := field(1, "x") + field(1, "shape") + field(2, "y") + field(4, "Expand")
	graph := field(1, node) + field(2, "graph") + field(5, shape) + field(11, value("x", rows, five)) + field(12, value("y", many, rows, five))
	return []byte("\x08\x08" + field(7, graph) + field(8, "\x10\x0d"))
}

// zipped is a text and so many zeros behind it, as zlib packs them.
func zipped(t *testing.T, text string, zeros int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.WriteString(w, text); err == nil {
		block := make([]byte, 1<<20)
		for ; zeros > 0 && err == nil; zeros -= int64(len(block)) {
			_, err = w.Write(block)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
