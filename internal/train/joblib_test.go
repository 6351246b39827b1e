package train

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/internal/model"
	"serin/internal/model/sklearn"
)

func joblibOf(t *testing.T, m Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteJoblib(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func load(t *testing.T, file []byte) model.Predictor {
	t.Helper()
	p, err := sklearn.Load(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What this room writes, the engine room reads, to the last bit.
func TestServerReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	tests := []struct {
		classes [2]any
		labels  []model.Label
	}{
		{[2]any{int64(0), int64(1)}, []model.Label{"0", "1"}},
		{[2]any{int64(math.MinInt64), int64(math.MaxInt64)}, []model.Label{"-9223372036854775808", "9223372036854775807"}},
		{[2]any{"bleibt", "geht für immer 🙂"}, []model.Label{`"bleibt"`, `"geht für immer 🙂"`}},
		{[2]any{false, true}, []model.Label{"false", "true"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.labels[1]), func(t *testing.T) {
			t.Parallel()
			m := Model{Names: []string{"tenure", "späte Zahlungen"}, Classes: tt.classes, Coef: []float64{-1.25, 3e-7}, Intercept: 0.5, C: 1, Iterations: 7}
			p := load(t, joblibOf(t, m))
			s := p.Signature()
			if diff := cmp.Diff(m.Names, s.Names()) + cmp.Diff(tt.labels, s.Classes); diff != "" || len(s.Features) != 2 {
				t.Errorf("signature %+v: %s", s, diff)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range 200 {
				row := []float64{random.NormFloat64() * 50, random.NormFloat64() * 1e7}
				var probs [2]float64
				var class [1]int
				err := p.Predict(model.Row(row), model.Answers{Values: probs[:], Classes: class[:]})
				index := class[0]
				want := m.Probability(row)
				if err != nil || math.Abs(probs[1]-want) > 1e-15 || (index == 1) != (want > 0.5) {
					t.Fatalf("row %v: class %d of %v, want probability %v", row, index, probs, want)
				}
			}
		})
	}
}

func TestWriteJoblibRefuses(t *testing.T) {
	t.Parallel()
	good := Model{Names: []string{"a"}, Classes: [2]any{"no", "yes"}, Coef: []float64{1}}
	tests := []struct {
		name   string
		change func(m *Model)
		want   string
	}{
		{"not fitted", func(m *Model) { *m = Model{} }, "it was not fitted"},
		{"names missing", func(m *Model) { m.Names = nil }, "0 feature names and 1 coefficients"},
		{"no classes", func(m *Model) { m.Classes = [2]any{} }, "classes of type <nil> and <nil>"},
		{"other classes", func(m *Model) { m.Classes = [2]any{0.5, 1.5} }, "classes of type float64"},
		{"mixed classes", func(m *Model) { m.Classes = [2]any{"no", int64(1)} }, "classes of type string and int64"},
		{"broken text", func(m *Model) { m.Names = []string{"\xff"} }, "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := good
			tt.change(&m)
			var b bytes.Buffer
			if err := m.WriteJoblib(&b); err == nil || !strings.Contains(err.Error(), tt.want) || b.Len() > 0 {
				t.Errorf("error %v after %d bytes, want %q and none", err, b.Len(), tt.want)
			}
		})
	}
	if err := good.WriteJoblib(brokenPipe{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a writer's error came back as %v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "x.joblib")
	m := Model{Names: []string{"a"}, Classes: [2]any{"no", "yes"}, Coef: []float64{1}}
	for range 2 { // the second time over the first
		if err := m.WriteFile(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, joblibOf(t, m)) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}

	// A failure leaves the old file and nothing else.
	broken := m
	broken.Coef = nil
	for path, want := range map[string]string{
		path:                                     "it was not fitted",
		folder:                                   "a folder or device of that name",
		filepath.Join(folder, "no", "x.joblib"):  "its folder does not exist",
		filepath.Join(path, "below", "x.joblib"): "not a directory",
	} {
		if err := broken.WriteFile(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("writing to %s: %v, want %q", path, err, want)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, got) {
		t.Errorf("a failed write changed the file: %v", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
