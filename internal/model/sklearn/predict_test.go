package sklearn

import (
	"bytes"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"serin/internal/model"
)

const newest = "testdata/sklearn-1.9.1.zip"

func load(t testing.TB, c *corpus, name string) model.Predictor {
	t.Helper()
	p, err := Load(bytes.NewReader(c.files[name]))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// predict answers one row.
func predict(p model.Predictor, row, values []float64) (class int, err error) {
	var classes [1]int
	err = p.Predict(model.Row(row), model.Answers{Values: values, Classes: classes[:]})
	return classes[0], err
}

func TestSignature(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	for name, want := range map[string]string{
		"binary.joblib":           "LogisticRegression",
		"pipe-passthrough.joblib": "Pipeline(passthrough, MaxAbsScaler, passthrough, LogisticRegression)",
		"pipe-nested.joblib":      "Pipeline(Pipeline(StandardScaler, MinMaxScaler), Pipeline(Normalizer, LogisticRegression))",
		"columns-names.joblib":    "Pipeline(ColumnTransformer(StandardScaler, MinMaxScaler, passthrough), LogisticRegression)",
	} {
		if got := load(t, c, name).Signature().Estimator; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string][]model.Label{
		"binary-bools.joblib":  {"false", "true"},
		"binary-floats.joblib": {"-1", "1"},
		"multi-strings.joblib": {`"basic"`, `"café"`, `"金"`},
	} {
		got := load(t, c, name).Signature().Classes
		for i := range want {
			if len(got) != len(want) || got[i] != want[i] {
				t.Errorf("%s: classes %v, want %v", name, got, want)
			}
		}
	}
}

// allocations is the least that one of many runs of f allocates: the race
// detector makes sync.Pool forget now and then what it was given.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for tries := 0; least > 0 && tries < 200; tries++ {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

func TestPredictDoesNotAllocate(t *testing.T) {
	c := readCorpus(t, newest)
	row := c.Rows[0]
	for name, want := range c.Models {
		p := load(t, c, name)
		probs := make([]float64, len(want.Classes))
		in, out := model.Row(row), model.Answers{Values: probs, Classes: make([]int, 1)}
		if n := allocations(func() { _ = p.Predict(in, out) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestConcurrent shares each predictor among goroutines that ask for different
// rows; each must get the answers that it gets alone.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	for _, name := range []string{"binary.joblib", "multi.joblib", "columns-nested.joblib"} {
		p := load(t, c, name)
		classes := len(p.Signature().Classes)
		alone := make([][]float64, len(c.Rows))
		for i, row := range c.Rows {
			alone[i] = make([]float64, classes)
			if _, err := predict(p, row, alone[i]); err != nil {
				alone[i] = nil
			}
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				probs := make([]float64, classes)
				for n := range 500 {
					i := (n + 3*worker) % len(c.Rows)
					_, err := predict(p, c.Rows[i], probs)
					if (err != nil) != (alone[i] == nil) {
						t.Errorf("%s, row %d: %v among others", name, i, err)
						return
					}
					for k := range alone[i] {
						if math.Float64bits(probs[k]) != math.Float64bits(alone[i][k]) {
							t.Errorf("%s, row %d: %v among others, %v alone", name, i, probs, alone[i])
							return
						}
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestAnyRow states what holds for every finite row: nothing panics, the row
// stays as it was, and there is no answer, or probabilities are all NaN or add up to
// 1 with the predicted class among the most probable.
func TestAnyRow(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	var predictors []model.Predictor
	for name := range c.Models {
		predictors = append(predictors, load(t, c, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(predictors).Draw(t, "predictor")
		row := rapid.SliceOfN(rapid.Float64(), 5, 5).Draw(t, "row")
		before := [5]float64(row)
		probs := make([]float64, len(p.Signature().Classes))
		best, err := predict(p, row, probs)
		if [5]float64(row) != before {
			t.Fatalf("%s changed its row", p.Signature().Estimator)
		}
		if err != nil {
			return
		}
		if best < 0 || best >= len(probs) {
			t.Fatalf("predicted class %d of %d", best, len(probs))
		}
		sum, bad := 0.0, 0
		for _, v := range probs {
			sum += v
			if math.IsNaN(v) {
				bad++
			} else if v < 0 || v > 1 || v > probs[best]+1e-15 {
				t.Fatalf("probabilities %v with class %d predicted", probs, best)
			}
		}
		if bad != len(probs) && math.Abs(sum-1) > 1e-12 {
			t.Fatalf("probabilities %v add up to %v", probs, sum)
		}
	})
}

func TestLoadFromBrokenReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	_, err := Load(iotest.ErrReader(broken))
	var refusal *model.Refusal
	if !errors.Is(err, broken) || errors.As(err, &refusal) {
		t.Errorf("got %v, want the reader's error and no refusal", err)
	}
}

func BenchmarkPredict(b *testing.B) {
	c := readCorpus(b, newest)
	for _, name := range []string{"binary", "multi", "pipe-standard", "columns-names", "columns-nested"} {
		p := load(b, c, name+".joblib")
		probs := make([]float64, len(p.Signature().Classes))
		in, out := model.Row(c.Rows[0]), model.Answers{Values: probs, Classes: make([]int, 1)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Predict(in, out)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	c := readCorpus(b, newest)
	content := c.files["columns-names.joblib"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
	}
}
