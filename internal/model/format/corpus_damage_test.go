//go:build !race

package format

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"serin/internal/model"
)

// TestCorpusDamaged: every file of the corpus, damaged at random in a few bytes or cut,
// is refused or becomes a model that answers whatever it is asked without harm,
// and takes no more memory than a file of its size may.
func TestCorpusDamaged(t *testing.T) { // alone, because it measures memory
	times := 3
	if os.Getenv("SERIN_TEST_FULL") == "1" {
		times = 10
	}
	for _, s := range shelves(t) {
		random := rand.New(rand.NewPCG(20, 26)) // the same damage every time
		for _, file := range slices.Sorted(maps.Keys(s.Models)) {
			for i := range times {
				survive(t, s, file, damaged(random, s.files[file], i))
			}
		}
	}
}

// damaged is a copy of data with a few bytes changed: at random, or to what makes
// indices and lengths wrong; every third time it is cut instead.
func damaged(random *rand.Rand, data []byte, i int) []byte {
	if i%3 == 2 {
		return data[:random.IntN(len(data))]
	}
	data = bytes.Clone(data)
	for range 1 + random.IntN(4) {
		at := random.IntN(len(data))
		data[at] = [...]byte{byte(random.Uint32()), 0, 0xff, 0x7f, 0x80, data[at] ^ 1<<random.IntN(8), data[at] + 1}[random.IntN(7)]
	}
	return data
}

// survive opens what may be damaged and asks it the rows that the whole file is
// asked, and rows of extremes.
func survive(t *testing.T, s *shelf, file string, data []byte) {
	t.Helper()
	defer func() {
		if trouble := recover(); trouble != nil {
			t.Errorf("%s: %v\n%s", s.name(file), trouble, debug.Stack())
		}
	}()
	const most = 256 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := Open(bytes.NewReader(data), Options{})
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > most {
		t.Errorf("%s: opening %d damaged bytes allocates %d", s.name(file), len(data), taken)
	}
	if _, refused := errors.AsType[*model.Refusal](err); refused == (p != nil) {
		t.Errorf("%s: %v, %v: want either a model or a refusal", s.name(file), p, err)
	}
	if p == nil {
		return
	}
	if in := s.Tables[s.Models[file].Table]; len(in.Kinds) == len(p.Signature().Features) {
		ask(p, in)
	}
	extreme(p)
}

// extreme asks rows of numbers as they should not be, and of strange texts.
func extreme(p model.Predictor) {
	s := p.Signature()
	numbers := []float64{0, 1, -1, 0.5, 1e300, -1e300, math.Inf(1), math.Inf(-1), 5e-324, 1 << 40, math.NaN()}
	words := []string{"", "basic", "\x00\xff", "\u0130 \U0001f600", "a b c a b c"}
	for i := range numbers {
		rows := model.Rows{N: 1, Numbers: make([]float64, len(s.Features)), Texts: make([]string, len(s.Features))}
		for k, feature := range s.Features {
			rows.Numbers[k] = numbers[(i+k)%len(numbers)]
			switch {
			case feature.Kind == model.Text:
				rows.Numbers[k], rows.Texts[k] = 0, words[(i+k)%len(words)]
			case feature.Kind == model.Bool:
				rows.Numbers[k] = float64(i % 2)
			case math.IsNaN(rows.Numbers[k]) && !feature.Missing:
				rows.Numbers[k] = 2
			}
		}
		// An answer or none, but no panic.
		_ = p.Predict(rows, answers(s, make([]float64, s.Outputs), make([]int, 1)))
	}
}
