package heads

import (
	"errors"
	"maps"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"serin/internal/model"
)

// sample is an engine over rows of three numbers, with the shape of its answers.
type sample struct {
	engine  model.Engine
	outputs int
	classes int // 0 for a regression
	whole   bool
}

// wave fills a slice with numbers that repeat nowhere and stay between -1 and 1.
func wave(n int, phase float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Sin(phase + 1.7*float64(i))
	}
	return x
}

func positive(n int, phase float64) []float64 {
	x := wave(n, phase)
	for i := range x {
		x[i] = 1.1 + x[i]
	}
	return x
}

// samples has one of everything that the room makes.
func samples() map[string]sample {
	all := lone()
	maps.Copy(all, ensembles())
	return all
}

func lone() map[string]sample {
	three := Linear(wave(9, 1), wave(3, 2), 3, 3)
	one := Linear(wave(3, 1), wave(1, 2), 1, 3)
	machine := &Machine{
		Kernel: Radial, Gamma: 0.3, Vectors: wave(18, 3), Features: 3, Counts: []int{2, 1, 3}, Coef: wave(12, 4),
		Intercept: wave(3, 5), ProbA: []float64{-1, -2, -1.5}, ProbB: wave(3, 6),
	}
	two := *machine
	two.Kernel, two.Degree, two.Coef0, two.Counts, two.Coef, two.Intercept, two.BreakTies = Polynomial, 3, 1, []int{2, 4}, wave(6, 4), wave(1, 5), true
	pairs := *machine
	pairs.Kernel = HyperbolicTangent
	ties := *machine
	ties.Kernel, ties.BreakTies = Dot, true
	classless := two
	classless.Counts = nil
	near := &Neighbors{Points: wave(60, 1), Features: 3, K: 4, Classes: []int{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0}, Outputs: 3}
	inverse := &Neighbors{Metric: Minkowski, P: 3, Points: near.Points, Features: 3, K: 3, Inverse: true, Targets: wave(40, 9), Outputs: 2}
	cosine := &Neighbors{Metric: Cosine, Points: near.Points, Features: 3, K: 5, Inverse: true, Classes: near.Classes, Outputs: 3}
	layers := []Layer{
		{Weights: wave(21, 1), Bias: wave(7, 2), Inputs: 3, Outputs: 7},
		{Weights: wave(35, 3), Bias: wave(5, 4), Inputs: 7, Outputs: 5},
		{Weights: wave(15, 5), Bias: wave(3, 6), Inputs: 5, Outputs: 3},
	}
	return map[string]sample{
		"quantities":     {New(three, Quantities), 3, 0, false},
		"exponentials":   {New(one, Exponentials), 1, 0, false},
		"expits":         {New(one, Expits), 1, 0, false},
		"decision":       {New(three, Decision), 3, 3, false},
		"decision-one":   {New(one, Decision), 1, 2, false},
		"decision-last":  {New(three, DecisionLast), 3, 3, false},
		"sigmoid":        {New(one, Sigmoid), 2, 2, true},
		"sigmoid-half":   {New(one, SigmoidHalf), 2, 2, true},
		"softmax-of-two": {New(one, SoftmaxOfTwo), 2, 2, true},
		"softmax":        {New(three, Softmax), 3, 3, true},
		"one-vs-rest":    {New(three, OneVsRest), 3, 3, true},
		"huber":          {New(three, ModifiedHuber), 3, 3, true},
		"huber-of-two":   {New(one, ModifiedHuber), 2, 2, true},
		"gaussian":       {New(Gaussian(wave(9, 1), positive(9, 2), []float64{0.2, 0.3, 0.5}), LogLikelihood), 3, 3, true},
		"bernoulli":      {New(Binarized(three, 0.1), LogLikelihood), 3, 3, true},
		"quadratic": {New(Quadratic([][]float64{wave(3, 1), wave(3, 2)}, [][]float64{wave(9, 3), wave(6, 4)},
			[][]float64{positive(3, 5), positive(2, 6)}, []float64{0.5, 0.5}), Difference), 1, 2, false},
		"network":       {New(Network(layers, Relu), Softmax), 3, 3, true},
		"network-tanh":  {New(Network(layers, Tanh), Quantities), 3, 0, false},
		"network-expit": {New(Network(layers, Logistic), Quantities), 3, 0, false},
		"constant":      {Constant([]float64{0.25, 0.75}, 1), 2, 2, true},
		"machine":       {machine.Decision(), 3, 3, false},
		"machine-p":     {machine.Probabilities(), 3, 3, true},
		"machine-two":   {two.Decision(), 1, 2, false},
		"machine-two-p": {two.Probabilities(), 2, 2, true},
		"machine-tanh":  {pairs.Decision(), 3, 3, false},
		"machine-ties":  {ties.Decision(), 3, 3, false},
		"machine-lone":  {classless.OneClass(), 1, 2, false},
		"machine-r":     {classless.Regression(), 1, 0, false},
		"neighbors":     {near.Engine(), 3, 3, true},
		"neighbors-r":   {inverse.Engine(), 2, 0, false},
		"centroids":     {New((&Neighbors{Metric: Manhattan, Points: wave(9, 1), Features: 3}).Closeness(), Decision), 3, 3, false},
		"neighbors-cos": {cosine.Engine(), 3, 3, true},
	}
}

func ensembles() map[string]sample {
	three, one := Linear(wave(9, 1), wave(3, 2), 3, 3), Linear(wave(3, 1), wave(1, 2), 1, 3)
	soft, hard, binary := New(three, Softmax), New(three, Decision), New(one, Sigmoid)
	member := func(e model.Engine, outputs int) Member { return Member{Engine: e, Outputs: outputs, Weight: 0.5} }
	second := member(binary, 2)
	second.Omit = 1
	seen := member(soft, 3)
	seen.Columns = []int{2, 0, 1}
	vote := member(hard, 3)
	vote.Votes = true
	labelled := vote
	labelled.Labels = []float64{7, 8, 9}
	mapped := member(binary, 2)
	mapped.Classes = []int{2, 0}
	curve := Curve{X: []float64{-1, 0, 0.5, 1}, Y: []float64{0, 0.2, 0.2, 1}, Low: -1, High: 1}
	return map[string]sample{
		"sum":          {New(Members{member(soft, 3), seen}.Sum(3, 1), Decision), 3, 3, true},
		"votes":        {New(Members{vote, vote}.Sum(3, 1), Decision), 3, 3, true},
		"mapped":       {New(Members{mapped, mapped}.Sum(3, 1), Decision), 3, 3, true},
		"beside":       {New(Members{second, seen, second}.Beside(), Quantities), 5, 0, false},
		"samme":        {New(Members{member(hard, 3), member(soft, 3)}.Samme(3, 0.5, 1), Boosted), 3, 3, true},
		"samme-r":      {New(Members{member(binary, 2)}.SammeR(2, 1), Difference), 1, 2, false},
		"samme-two":    {New(Members{member(binary, 2)}.Samme(2, 1, 1), Boosted), 2, 2, true},
		"median":       {New(Members{second, member(New(one, Quantities), 1), second}.Median(), Quantities), 1, 0, false},
		"stack":        {Members{second, labelled, member(soft, 3)}.Stack(3, New(Linear(wave(16, 1), wave(2, 2), 2, 8), Softmax)), 2, 2, true},
		"calibrated":   {New(second.Calibrated([]Curve{{A: -3, B: 1}}, 2), Decision), 2, 2, true},
		"isotonic":     {New(seen.Calibrated([]Curve{curve, curve, curve}, 3), Decision), 3, 3, true},
		"tempered":     {New(seen.Tempered(true, 3, 1.5), Decision), 3, 3, true},
		"tempered-one": {New(second.Tempered(false, 2, 1.5), Decision), 2, 2, true},
		"normalized":   {Values(New(Members{second, second, second}.Normalized(false), Decision), hard, 3), 3, 3, true},
		"normalized-1": {Values(New(Members{second}.Normalized(true), Decision), second.Above(0.5, false, 0, 1), 1), 2, 2, true},
		"one-vs-one":   {New(Members{second, second, second}.OneVsOne(3), Decision), 3, 3, false},
		"above":        {second.Above(0.7, true, 1, 0), 1, 2, false},
		"target":       {Mapped(New(three, Quantities), func(_ int, y float64) float64 { return math.Expm1(y) }, 3), 3, 0, false},
	}
}

// TestAnyRows states what holds for all of them: a row is answered alike alone
// and in a batch, a class is one of those there are, probabilities add up to 1.
func TestAnyRows(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(1, 70).Draw(t, "rows")
				x := rapid.SliceOfN(rapid.Float64Range(-3, 3), 3*n, 3*n).Draw(t, "x")
				values, classes := make([]float64, n*s.outputs), make([]int, n)
				if s.classes == 0 {
					classes = nil
				}
				if err := s.engine.Predict(model.Rows{N: n, Numbers: x}, model.Answers{Values: values, Classes: classes}); err != nil {
					t.Fatal(err)
				}
				for r := range n {
					s.checkRow(t, x[3*r:3*r+3], values[r*s.outputs:(r+1)*s.outputs], classes, r)
				}
			})
		})
	}
}

func (s sample) checkRow(t *rapid.T, row, values []float64, classes []int, r int) {
	alone, class := make([]float64, s.outputs), make([]int, 1)
	if s.classes == 0 {
		class = nil
	}
	if err := s.engine.Predict(model.Row(row), model.Answers{Values: alone, Classes: class}); err != nil {
		t.Fatal(err)
	}
	for k, v := range alone {
		if math.Float64bits(v) != math.Float64bits(values[k]) {
			t.Fatalf("row %d: %v in the batch, %v alone", r, values, alone)
		}
	}
	if s.whole && !(math.Abs(sum(values)-1) < 1e-12) {
		t.Fatalf("row %d: probabilities %v add up to %v", r, values, sum(values))
	}
	if s.classes == 0 {
		return
	}
	if class[0] != classes[r] || class[0] < 0 || class[0] >= s.classes {
		t.Fatalf("row %d: class %d alone, %d in the batch", r, class[0], classes[r])
	}
}

func TestPredictDoesNotAllocate(t *testing.T) {
	for name, s := range samples() {
		for _, n := range []int{1, 50} {
			in := model.Rows{N: n, Numbers: wave(3*n, 7)}
			out := model.Answers{Values: make([]float64, n*s.outputs), Classes: make([]int, n)}
			if s.classes == 0 {
				out.Classes = nil
			}
			predict := func() {
				if err := s.engine.Predict(in, out); err != nil {
					t.Fatal(err)
				}
			}
			if got := allocations(predict); got != 0 {
				t.Errorf("%s, %d rows: %v allocations", name, n, got)
			}
		}
	}
}

// TestExtremeRows lets numbers overflow: what comes out is of no use, but it
// comes out.
func TestExtremeRows(t *testing.T) {
	t.Parallel()
	odd := []float64{0, math.Copysign(0, -1), 1e308, -1e308, math.Inf(1), math.Inf(-1), math.NaN()}
	for name, s := range samples() {
		for i := range odd {
			for j := range odd {
				out := model.Answers{Values: make([]float64, s.outputs)}
				if s.classes > 0 {
					out.Classes = []int{-1}
				}
				if err := s.engine.Predict(model.Row([]float64{odd[i], odd[j], 1}), out); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				for _, c := range out.Classes {
					if c < 0 || c >= s.classes {
						t.Errorf("%s: class %d", name, c)
					}
				}
			}
		}
	}
}

func TestCategorical(t *testing.T) {
	t.Parallel()
	e := New(Categorical([][]float64{{-1, -2, -3, -4}, {-5, -6}}, []float64{-0.5, -1}), Decision)
	out := model.Answers{Values: make([]float64, 2), Classes: make([]int, 1)}
	if err := e.Predict(model.Row([]float64{1.9, 0}), out); err != nil || out.Values[0] != -7.5 || out.Values[1] != -11 || out.Classes[0] != 0 {
		t.Errorf("%v, %v", out, err)
	}
	for _, row := range [][]float64{{2, 0}, {-1, 0}, {0, math.NaN()}, {0, 1e300}} {
		err := e.Predict(model.Rows{N: 2, Numbers: append([]float64{0, 0}, row...)}, model.Answers{Values: make([]float64, 4), Classes: make([]int, 2)})
		var un *model.Unanswerable
		if !errors.As(err, &un) || un.Row != 1 || un.Feature < 0 || !strings.Contains(un.Reason, "was not among") {
			t.Errorf("%v: %v", row, err)
		}
	}
}

// TestPredictAt asks for a row with zeros left out, and in full.
func TestPredictAt(t *testing.T) {
	for name, e := range map[string]model.Engine{
		"sigmoid": New(Linear(wave(9, 1), wave(1, 2), 1, 9), Sigmoid), "softmax": New(Linear(wave(54, 1), wave(6, 2), 6, 9), Softmax),
	} {
		full := []float64{0, 2, 0, 0, -1.5, 0, 0, 0, 0.25}
		want := model.Answers{Values: make([]float64, 6), Classes: make([]int, 1)}
		got := model.Answers{Values: make([]float64, 6), Classes: make([]int, 1)}
		sparse, ok := e.(Sparse)
		if !ok || e.Predict(model.Row(full), want) != nil {
			t.Fatalf("%s: a linear engine takes no zeros left out", name)
		}
		at, x := []int32{1, 4, 8}, []float64{2, -1.5, 0.25}
		ask := func() {
			if err := sparse.PredictAt(x, at, got); err != nil {
				t.Fatal(err)
			}
		}
		if allocated := allocations(ask); allocated != 0 || got.Classes[0] != want.Classes[0] {
			t.Errorf("%s: %v allocations, class %d, want %d", name, allocated, got.Classes[0], want.Classes[0])
		}
		for k := range want.Values {
			if math.Abs(got.Values[k]-want.Values[k]) > 1e-15 {
				t.Errorf("%s: %v, want %v", name, got.Values, want.Values)
			}
		}
	}
}

// TestErrorsComeThrough puts an engine that has no answer into every kind of ensemble.
func TestErrorsComeThrough(t *testing.T) {
	t.Parallel()
	bad := Member{Engine: New(Categorical([][]float64{{0, 0}, {0, 0}, {0, 0}}, []float64{0, 0}), Decision), Outputs: 2, Weight: 1}
	vote := bad
	vote.Votes = true
	label := bad
	label.Labels = []float64{0, 1}
	one := bad
	one.Omit = 1
	all := Members{bad}
	for name, e := range map[string]model.Engine{
		"sum": New(all.Sum(2, 1), Decision), "votes": New(Members{vote}.Sum(2, 1), Decision), "beside": New(all.Beside(), Decision),
		"samme": New(all.Samme(2, 1, 1), Difference), "samme-r": New(all.SammeR(2, 1), Boosted), "median": New(Members{one}.Median(), Quantities),
		"stack": all.Stack(0, bad.Engine), "labels": Members{label}.Stack(0, bad.Engine), "calibrated": New(one.Calibrated([]Curve{{}}, 2), Decision),
		"tempered": New(all[0].Tempered(true, 2, 1), Decision), "normalized": New(Members{one}.Normalized(true), Decision),
		"one-vs-one": New(Members{one}.OneVsOne(2), Decision), "above": one.Above(0, true, 0, 1), "values": Values(bad.Engine, bad.Engine, 2),
		"mapped": Mapped(bad.Engine, nil, 2), "binarized": New(Binarized(Categorical([][]float64{{0, 0}, {0, 0}, {0, 0}}, []float64{0, 0}), 0), Decision),
	} {
		out := model.Answers{Values: make([]float64, 4), Classes: make([]int, 2)}
		var un *model.Unanswerable
		if err := e.Predict(model.Rows{N: 2, Numbers: []float64{0, 0, 0, 0, 5, 0}}, out); !errors.As(err, &un) || un.Row != 1 || un.Feature != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorsNameTheWholesFeature: a member that sees some columns counts those.
func TestErrorsNameTheWholesFeature(t *testing.T) {
	t.Parallel()
	categories := New(Categorical([][]float64{{0, 0}, {0, 0}}, []float64{0, 0}), Decision)
	number := func(n int) model.Engine { return &refuses{n} }
	for name, tt := range map[string]struct {
		engine model.Engine
		want   int
	}{"the second of two": {categories, 2}, "the first": {number(0), 4}, "none": {number(-1), -1}} {
		m := Members{{Engine: tt.engine, Outputs: 2, Weight: 1, Columns: []int{4, 2}}}
		err := New(m.Sum(2, 1), Decision).Predict(model.Row([]float64{0, 0, 5, 0, 0}), model.Answers{Values: make([]float64, 2)})
		var un *model.Unanswerable
		if !errors.As(err, &un) || un.Row != 0 || un.Feature != tt.want {
			t.Errorf("%s: %#v, want feature %d", name, err, tt.want)
		}
	}
}

// refuses has no answer because of a feature.
type refuses struct{ feature int }

func (r *refuses) Predict(model.Rows, model.Answers) error {
	return &model.Unanswerable{Feature: r.feature}
}

// TestHandValues are answers that follow from the formulas with a pencil.
func TestHandValues(t *testing.T) {
	t.Parallel()
	half := math.Log(2)
	score := func(x ...float64) Scorer { return Linear(make([]float64, len(x)), x, len(x), 1) }
	member := func(v float64, class int, weight float64) Member {
		return Member{Engine: Constant([]float64{v}, class), Outputs: 1, Weight: weight}
	}
	line := Curve{X: []float64{0, 2, 4}, Y: []float64{0, 1, 1.5}, Low: 0, High: 4}
	outside := line
	outside.Outside = true
	through := func(c Curve, v float64) Scorer { m := member(v, 0, 1); return m.Calibrated([]Curve{c}, 2) }
	points := &Neighbors{Points: []float64{0, 1, 2, 10}, Features: 1, K: 2, Inverse: true, Targets: []float64{5, 6, 7, 8}, Outputs: 1}
	for name, want := range map[string]struct {
		engine model.Engine
		values []float64
		class  int
	}{
		"sigmoid":        {New(score(half), Sigmoid), []float64{1. / 3, 2. / 3}, 1},
		"softmax-of-two": {New(score(-half/2), SoftmaxOfTwo), []float64{2. / 3, 1. / 3}, 0},
		"softmax":        {New(score(0, half, 0), Softmax), []float64{.25, .5, .25}, 1},
		"one-vs-rest":    {New(score(0, 0), OneVsRest), []float64{.5, .5}, 0},
		"huber-nothing":  {New(score(-1, -2), ModifiedHuber), []float64{.5, .5}, 0},
		"huber":          {New(score(0, 3), ModifiedHuber), []float64{1. / 3, 2. / 3}, 1},
		"last":           {New(score(1, 2, 2), DecisionLast), []float64{1, 2, 2}, 2},
		"first":          {New(score(1, 2, 2), Decision), []float64{1, 2, 2}, 1},
		"difference":     {New(score(1, 3), Difference), []float64{2}, 1},
		"difference-tie": {New(score(1, 1), Difference), []float64{0}, 0},
		"boosted":        {New(score(0, half), Boosted), []float64{1. / 3, 2. / 3}, 1},
		"boosted-three":  {New(score(0, 2*half, 0), Boosted), []float64{.25, .5, .25}, 1},
		"median":         {New(Members{member(9, 0, 1), member(1, 0, 1), member(5, 0, 2)}.Median(), Quantities), []float64{5}, -1},
		"median-first":   {New(Members{member(9, 0, 1), member(1, 0, 3)}.Median(), Quantities), []float64{1}, -1},
		"samme":          {New(Members{member(0, 1, 3), member(0, 0, 1)}.Samme(3, 0.5, 4), Decision), []float64{-1. / 8, 5. / 8, -4. / 8}, 1},
		"curve":          {New(through(line, 3), Decision), []float64{-0.25, 1.25}, 1},
		"curve-end":      {New(through(line, 9), Decision), []float64{-0.5, 1.5}, 1},
		"curve-corner":   {New(through(line, 2), Decision), []float64{0, 1}, 1},
		"curve-outside":  {New(through(outside, -1), Decision), []float64{math.NaN(), math.NaN()}, 0},
		"platt":          {New(through(Curve{A: -1, B: 0}, half), Decision), []float64{1. / 3, 2. / 3}, 1},
		"near":           {points.Engine(), []float64{5}, -1}, // a neighbour at distance 0 counts alone
	} {
		out := model.Answers{Values: make([]float64, len(want.values))}
		if want.class >= 0 { // a regression has none
			out.Classes = make([]int, 1)
		}
		if err := want.engine.Predict(model.Row([]float64{0}), out); err != nil || want.class >= 0 && out.Classes[0] != want.class {
			t.Errorf("%s: classes %v, want %d (error %v)", name, out.Classes, want.class, err)
		}
		for k, v := range want.values {
			if got := out.Values[k]; !(math.Abs(got-v) < 1e-15) && !(math.IsNaN(got) && math.IsNaN(v)) {
				t.Errorf("%s: %v, want %v", name, out.Values, want.values)
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

func BenchmarkPredict(b *testing.B) {
	engines := map[string]struct {
		engine                   model.Engine
		inputs, outputs, classes int
	}{
		"logistic-5":   {New(Linear(wave(5, 1), wave(1, 2), 1, 5), Sigmoid), 5, 2, 2},
		"logistic-500": {New(Linear(wave(500, 1), wave(1, 2), 1, 500), Sigmoid), 500, 2, 2},
		"mlp-20-64-32": {New(Network([]Layer{
			{wave(20*64, 1), wave(64, 2), 20, 64}, {wave(64*32, 1), wave(32, 2), 64, 32}, {wave(32, 1), wave(1, 2), 32, 1},
		}, Relu), SigmoidHalf), 20, 2, 2},
		"svc-500-of-20": {(&Machine{
			Kernel: Radial, Gamma: 0.1, Vectors: wave(500*20, 1), Features: 20, Counts: []int{250, 250}, Coef: wave(500, 2), Intercept: wave(1, 3),
		}).Decision(), 20, 1, 2},
		"neighbors-1000-of-20": {(&Neighbors{Points: wave(1000*20, 1), Features: 20, K: 5, Classes: make([]int, 1000), Outputs: 2}).Engine(), 20, 2, 2},
	}
	for name, e := range engines {
		for _, rows := range []int{1, 1000} {
			in := model.Rows{N: rows, Numbers: wave(rows*e.inputs, 1)}
			out := model.Answers{Values: make([]float64, rows*e.outputs), Classes: make([]int, rows)}
			b.Run(name+map[int]string{1: "/one", 1000: "/batch"}[rows], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := e.engine.Predict(in, out); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
			})
		}
	}
}
