package steps

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"serin/internal/model"
	"serin/internal/model/words"
)

// sums is an engine that answers the sum of a row's numbers, each times its
// column + 1, plus the lengths of its texts. It knows sparse rows.
type sums struct{}

func (sums) Predict(in model.Rows, out model.Answers) error {
	width := len(in.Numbers) / in.N
	for i := range in.N {
		out.Values[i] = 0
		for k, x := range in.Numbers[i*width : (i+1)*width] {
			out.Values[i] += x * float64(k+1)
		}
		for _, text := range in.Texts[min(i*width, len(in.Texts)):min((i+1)*width, len(in.Texts))] {
			out.Values[i] += float64(len(text))
		}
	}
	return nil
}

func (sums) PredictAt(numbers []float64, at []int32, out model.Answers) error {
	out.Values[0] = 0
	for k, x := range numbers {
		out.Values[0] += x * float64(at[k]+1)
	}
	return nil
}

func ones(n int, x float64) []float64 { return slices.Repeat([]float64{x}, n) }

func indices(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// mixed is a text encoded as one of three columns, and two numbers, imputed and
// scaled. The text is feature 2 of the client's row.
func mixed(sparse bool) Chain {
	encode := &Encode{Width: 3, Sparse: sparse, Coders: []Coder{{Texts: map[string]Code{"a": 0, "b": 1, "c": 2}, Missing: None, Unknown: Refused}}}
	numbers := Chain{
		{Step: &Impute{Number: math.NaN(), Fill: []float64{1, 2}, Keep: indices(2), Indicate: []int32{1}}, Missing: true, Width: 2, Origins: []int32{0, 1}},
		{Step: &Center{Shift: ones(3, 1), Divide: ones(3, 2)}, Width: 3, Origins: []int32{0, 1, 1}},
	}
	return Chain{{Step: &Columns{
		Parts: []Part{
			{From: []int32{2}, Chain: Chain{{Step: encode, Missing: true, Width: 1, Origins: []int32{0}}}, Weight: 2, Width: 3},
			{From: []int32{0, 1}, Chain: numbers, Weight: 1, Width: 3},
		},
		Width: 6, Sparse: sparse,
	}, Missing: true, Infinite: true, Width: 3, Origins: indices(3)}}
}

func last(sparse bool) Link {
	return Link{Width: 6, Sparse: sparse, Origins: slices.Repeat([]int32{-1}, 6)}
}

// TestFormsAgree answers the same rows with and without At, alone and in batches.
func TestFormsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 700).Draw(r, "rows")
		in := model.Rows{N: n}
		value := rapid.SampledFrom([]float64{0, 1, -2.5, math.NaN(), 1e9})
		for range n {
			in.Numbers = append(in.Numbers, value.Draw(r, "x"), value.Draw(r, "y"), 0)
			in.Texts = append(in.Texts, "", "", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "text"))
		}
		want := model.Answers{Values: make([]float64, n)}
		if err := New(mixed(false), last(false), sums{}).Predict(in, want); err != nil {
			r.Fatal(err)
		}
		for _, l := range []Link{last(false), last(true)} {
			got := model.Answers{Values: make([]float64, n)}
			if err := New(mixed(true), l, sums{}).Predict(in, got); err != nil {
				r.Fatal(err)
			}
			single := make([]float64, n)
			for i := range n {
				one := model.Rows{N: 1, Numbers: in.Numbers[3*i : 3*i+3], Texts: in.Texts[3*i : 3*i+3]}
				if err := New(mixed(true), l, sums{}).Predict(one, model.Answers{Values: single[i : i+1]}); err != nil {
					r.Fatal(err)
				}
			}
			if !slices.Equal(got.Values, want.Values) || !slices.Equal(single, want.Values) {
				r.Fatalf("%v and one by one %v, want %v", got.Values, single, want.Values)
			}
		}
	})
}

// TestUnanswerable names the feature of the client's row.
func TestUnanswerable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		numbers []float64
		text    string
		feature int
		reason  string
	}{
		{[]float64{1, 1, 0}, "gold", 2, `the value "gold" was not among those`},
		{[]float64{1, 1, 0}, strings.Repeat("é", 100), 2, `é..." was not among`},
		{[]float64{1, math.Inf(1), 0}, "a", 1, "too large"},
	}
	for _, tt := range tests {
		in := model.Rows{N: 2, Numbers: append([]float64{1, 1, 0}, tt.numbers...), Texts: []string{"", "", "a", "", "", tt.text}}
		err := New(mixed(false), last(false), sums{}).Predict(in, model.Answers{Values: make([]float64, 2)})
		u, ok := errors.AsType[*model.Unanswerable](err)
		if !ok || u.Row != 1 || u.Feature != tt.feature || !strings.Contains(u.Reason, tt.reason) {
			t.Errorf("%v %q: %+v, want feature %d and %q", tt.numbers, tt.text, err, tt.feature, tt.reason)
		}
	}
}

// TestValues holds single steps against scikit-learn 1.9.
func TestValues(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	tests := []struct {
		name string
		step Step
		row  []float64
		want []float64
	}{
		{"clip keeps NaN", &Stretch{Scale: ones(3, 1), Shift: ones(3, 0), Clip: []float64{0, 1}}, []float64{-1, nan, 2}, []float64{0, nan, 1}},
		{"a tiny norm", &Normalize{P: 2, Zero: 10 * 0x1p-52}, []float64{1e-300, 0}, []float64{1e-300, 0}},
		{"norm of a sparse matrix", &Normalize{P: 1}, []float64{1e-300, 0}, []float64{1, 0}},
		{"bins", &Bins{Edges: [][]float64{{1, 2}, {1, 2}, {1, 2}, {1, 2}}}, []float64{-5, 1, 1.5, 9}, []float64{0, 1, 1, 2}},
		{"bins of 1.0", &Bins{Edges: [][]float64{{1}}, Tolerance: true}, []float64{1 - 1e-6}, []float64{1}},
		{"box-cox", &Power{BoxCox: true, Lambdas: []float64{0.5, 0}}, []float64{4, math.E}, []float64{2, 1}},
		{"yeo-johnson", &Power{Lambdas: []float64{2, 0, 2, 0.5}}, []float64{2, math.E - 1, 1 - math.E, -3}, []float64{4, 1, -1, -7.0 / 1.5}},
		{"yeo-johnson by expm1", &Power{Stable: true, Lambdas: []float64{1e-12, 2}}, []float64{math.E - 1, nan}, []float64{1.0000000000005, nan}},
		{"quantile", &Quantile{Quantiles: [][]float64{{0, 1, 1, 2}, {0, 1, 1, 2}, {0, 1, 1, 2}}, References: []float64{0, 0.25, 0.75, 1}}, []float64{1, 0.5, 7}, []float64{0.5, 0.125, 1}},
		{"normal quantile", &Quantile{Normal: true, Quantiles: [][]float64{{0, 1, 1, 2}, {0, 1, 1, 2}}, References: []float64{0, 0.25, 0.75, 1}}, []float64{0, 0.5}, []float64{-5.199337582605575, -1.1503493803760079}},
		{"polynomial", &Polynomial{Parent: []int32{-1, -1, 0, 1, 1}, Factor: []int32{0, 1, 0, 0, 1}, Bias: true}, []float64{2, 3}, []float64{1, 2, 3, 4, 6, 9}},
		{"polynomial of degree 2 alone", &Polynomial{Parent: []int32{-1, -1, 0, 1, 1}, Factor: []int32{0, 1, 0, 0, 1}, Skip: 2}, []float64{2, 3}, []float64{4, 6, 9}},
		{"project", &Project{Shift: ones(2, 1), Components: []float64{1, 2, 3, 4}, Divide: ones(2, 2), Width: 2}, []float64{2, 3}, []float64{3.5, 5}},
		{"nearest", &Nearest{Fitted: []float64{1, 10, 2, 20, 9, 90}, Means: ones(2, 40), K: 2, Keep: indices(2), Number: nan}, []float64{1.4, nan}, []float64{1.4, 15}},
		{"nearest to nothing", &Nearest{Fitted: []float64{1, 10, 3, 20}, Means: []float64{2, 15}, K: 5, Keep: indices(2), Indicate: []int32{1}, Number: nan}, []float64{nan, nan}, []float64{2, 15, 1}},
	}
	for _, tt := range tests {
		got, u := tt.step.Apply(Row{Numbers: slices.Clone(tt.row)}, &Scratch{})
		if u != nil {
			t.Errorf("%s: %v", tt.name, u)
			continue
		}
		near := func(a, b float64) bool { return a != a && b != b || math.Abs(a-b) <= 1e-14*max(1, math.Abs(b)) }
		if !slices.EqualFunc(got.Numbers, tt.want, near) {
			t.Errorf("%s: %v, want %v", tt.name, got.Numbers, tt.want)
		}
	}
}

// vectorizer is tf-idf over n words, before an engine.
func vectorizer(t testing.TB, n int, behind model.Engine, sparse bool) model.Engine {
	t.Helper()
	splitter, err := words.New(words.Options{Least: 1, Most: 2, Lower: true, Pattern: `(?u)\b\w\w+\b`})
	if err != nil {
		t.Fatal(err)
	}
	vocabulary := make(map[string]int32, n)
	for i := range n {
		vocabulary[fmt.Sprintf("word%d", i)] = int32(i)
	}
	return New(Chain{
		{Step: &Words{Splitter: splitter, Vocabulary: vocabulary}, Width: 1, Origins: indices(1)},
		{Step: &Weigh{IDF: ones(n, 1.5)}, Sparse: true, Width: n, Origins: make([]int32, n)},
		{Step: &Normalize{P: 2}, Sparse: true, Width: n, Origins: make([]int32, n)},
	}, Link{Width: n, Sparse: sparse, Origins: make([]int32, n)}, behind)
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

func TestNothingIsAllocated(t *testing.T) {
	in := model.Rows{N: 3, Numbers: []float64{1, 2, 0, math.NaN(), 2, 0, 1, 2, 0}, Texts: []string{"", "", "a", "", "", "b", "", "", "c"}}
	text := model.Rows{N: 1, Numbers: []float64{0}, Texts: []string{"word1 word7 Word9 and word1"}}
	for name, run := range map[string]struct {
		e  model.Engine
		in model.Rows
	}{
		"dense": {New(mixed(false), last(false), sums{}), in}, "sparse": {New(mixed(true), last(true), sums{}), in},
		"spelled out": {New(mixed(true), last(false), sums{}), in}, "words": {vectorizer(t, 5000, sums{}, true), text},
	} {
		out := model.Answers{Values: make([]float64, run.in.N)}
		if n := allocations(func() { _ = run.e.Predict(run.in, out) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkWords(b *testing.B) {
	in := model.Rows{N: 1, Numbers: []float64{0}, Texts: []string{strings.Repeat("word1 word77 some Word99999 of it ", 10)}}
	out := model.Answers{Values: make([]float64, 1)}
	for _, sparse := range []bool{true, false} {
		b.Run(fmt.Sprintf("sparse=%v", sparse), func(b *testing.B) {
			e := vectorizer(b, 100_000, sums{}, sparse)
			b.ReportAllocs()
			for b.Loop() {
				if err := e.Predict(in, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMixed(b *testing.B) {
	in := model.Rows{N: 1, Numbers: []float64{1, 2, 0}, Texts: []string{"", "", "b"}}
	out := model.Answers{Values: make([]float64, 1)}
	e := New(mixed(false), last(false), sums{})
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Predict(in, out); err != nil {
			b.Fatal(err)
		}
	}
}
