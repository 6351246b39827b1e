package gbdt

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"serin/internal/model"
)

// loaders are the doors, by the beginning of the names of the files in testdata
// that go through them.
var loaders = map[string]func(io.Reader) (model.Predictor, error){
	"xgboost": LoadXGBoost, "lightgbm": LoadLightGBM, "catboost": LoadCatBoost,
}

// small are real files of a few kilobytes: testdata/generate.py makes them.
func small(t testing.TB, prefix string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + prefix + "*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s in testdata (%v)", prefix, err)
	}
	files := make(map[string][]byte)
	for _, path := range paths {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// extremes are values that rows of a damaged model are made of.
var extremes = []float64{math.NaN(), 0, 1, -1, 0.5, 3, 1e300, -1e300, math.Inf(1), math.Inf(-1), 5e-324, 1 << 40}

// survives loads data and, if that works, asks the model rows of extremes.
func survives(t *testing.T, load func(io.Reader) (model.Predictor, error), data []byte) {
	t.Helper()
	p, err := load(bytes.NewReader(data))
	if _, refused := errors.AsType[*model.Refusal](err); refused == (p != nil) {
		t.Fatalf("%v, %v: want either a model or a refusal", p, err)
	}
	if p == nil {
		return
	}
	s := p.Signature()
	rows := model.Rows{N: len(extremes), Numbers: make([]float64, len(extremes)*len(s.Features)), Texts: make([]string, len(extremes)*len(s.Features))}
	for i := range rows.Numbers {
		rows.Numbers[i] = extremes[(i+i/len(extremes))%len(extremes)]
	}
	out := model.Answers{Values: make([]float64, rows.N*s.Outputs)}
	if s.Task == model.Classification {
		out.Classes = make([]int, rows.N)
	}
	if err := p.Predict(rows, out); err != nil {
		if _, ok := errors.AsType[*model.Unanswerable](err); !ok {
			t.Fatalf("predicting: %v", err)
		}
	}
	for _, class := range out.Classes {
		if class < 0 || class >= len(s.Classes) {
			t.Fatalf("it predicts class %d of %d", class, len(s.Classes))
		}
	}
}

func TestWholeFilesAreRead(t *testing.T) {
	t.Parallel()
	for prefix, load := range loaders {
		for name, data := range small(t, prefix) {
			if _, err := load(iotest.OneByteReader(bytes.NewReader(data))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestTruncation cuts every file at every offset.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for prefix, load := range loaders {
		for _, data := range small(t, prefix) {
			for end := range data {
				survives(t, load, data[:end])
			}
		}
	}
}

// TestMutation changes files at random, at least 10,000 times, and watches what
// that costs.
func TestMutation(t *testing.T) {
	const most = 256 << 20
	rng := rand.New(rand.NewPCG(7, 11))
	var before, after runtime.MemStats
	for prefix, load := range loaders {
		for name, data := range small(t, prefix) {
			for range 2500 {
				changed := mutate(rng, data)
				runtime.ReadMemStats(&before)
				survives(t, load, changed)
				runtime.ReadMemStats(&after)
				if spent := after.TotalAlloc - before.TotalAlloc; spent > most {
					t.Fatalf("%s, changed to %q: %d MiB", name, changed, spent>>20)
				}
			}
		}
	}
}

// mutate changes one to four places: a byte, a piece left out or repeated, a
// number.
func mutate(rng *rand.Rand, data []byte) []byte {
	changed := bytes.Clone(data)
	for range 1 + rng.IntN(4) {
		at := rng.IntN(len(changed))
		end := min(len(changed), at+1+rng.IntN(16))
		switch rng.IntN(4) {
		case 0:
			changed[at] = byte(rng.UintN(256))
		case 1:
			changed = append(changed[:at:at], changed[end:]...)
		case 2:
			changed = append(changed[:end:end], changed[at:]...)
		case 3:
			if digit := bytes.IndexAny(changed[at:], "0123456789"); digit >= 0 {
				numbers := []string{"-1", "9999999", "1e300", "4294967296", "0.5", "NaN", ""}
				changed = append(append(changed[:at+digit:at+digit], numbers[rng.IntN(len(numbers))]...), changed[at+digit+1:]...)
			}
		}
		if len(changed) == 0 {
			return changed
		}
	}
	return changed
}

func TestTroubleIsNotARefusal(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for prefix, load := range loaders {
		for name, data := range small(t, prefix) {
			for _, end := range []int{0, 1, len(data) / 2, len(data)} {
				_, err := load(io.MultiReader(bytes.NewReader(data[:end]), iotest.ErrReader(broken)))
				if _, refused := errors.AsType[*model.Refusal](err); refused || !errors.Is(err, broken) {
					t.Errorf("%s, broken at byte %d: %v", name, end, err)
				}
			}
		}
	}
}

// TestBombs: files that ask for much end at a budget. Not beside other tests:
// the memory that is counted is the process's.
func TestBombs(t *testing.T) {
	length := "L\x7f\xff\xff\xff\xff\xff\xff\xff"
	for name, bomb := range map[string]string{
		"deep JSON":          `{"learner":` + strings.Repeat(`{"objective":`, 1<<20),
		"deep arrays":        `{"learner":{"feature_names":` + strings.Repeat(`[`, 1<<20),
		"many objects":       `{"learner":{"feature_names":[` + strings.Repeat(`{},`, 1<<22),
		"long UBJSON array":  "{L\x00\x00\x00\x00\x00\x00\x00\x07learner[$d#" + length,
		"long UBJSON string": "{L\x00\x00\x00\x00\x00\x00\x00\x07learnerS" + length,
		"UBJSON of nothing":  "{L\x00\x00\x00\x00\x00\x00\x00\x07learner[$Z#" + length,
		"deep UBJSON":        strings.Repeat("{L\x00\x00\x00\x00\x00\x00\x00\x07learner", 1<<18),
		"long binary string": "binf" + strings.Repeat("\x00", parametersSize) + "\xff\xff\xff\x7f\x00\x00\x00\x00",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := LoadXGBoost(strings.NewReader(bomb))
		runtime.ReadMemStats(&after)
		if _, refused := errors.AsType[*model.Refusal](err); !refused {
			t.Errorf("%s: %v", name, err)
		}
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 512<<20 {
			t.Errorf("%s: %d MiB", name, spent>>20)
		}
	}
}

func fuzz(f *testing.F, prefix string) {
	for _, data := range small(f, prefix) {
		f.Add(data)
	}
	load := loaders[prefix[:strings.IndexAny(prefix+".", ".-")]]
	f.Fuzz(func(t *testing.T, data []byte) { survives(t, load, data) })
}

func FuzzXGBoostJSON(f *testing.F)   { fuzz(f, "xgboost.json") }
func FuzzXGBoostUBJSON(f *testing.F) { fuzz(f, "xgboost.ubj") }
func FuzzXGBoostBinary(f *testing.F) { fuzz(f, "xgboost.deprecated") }
func FuzzLightGBM(f *testing.F)      { fuzz(f, "lightgbm") }
func FuzzCatBoost(f *testing.F)      { fuzz(f, "catboost") }
