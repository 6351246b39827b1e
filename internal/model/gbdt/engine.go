package gbdt

import (
	"math"
	"slices"
	"strconv"
	"sync"

	"serin/internal/model"
	"serin/internal/model/forest"
)

// engine is rows -> prepared rows -> sums -> answers.
type engine struct {
	width  int // of a row
	groups int // sums for a row
	sum    sum
	link   link

	// missing, if not nil, is a number that counts as missing.
	missing *float64
	// finite refuses values that float32 cannot hold.
	finite bool
	// recode turns the values of categorical features into codes; nil where there
	// are none.
	recode []categories
	// scratch keeps *[]float64 of one block of prepared rows.
	scratch sync.Pool
}

// sum writes the margins of n rows, groups of them each, to out.
type sum interface {
	margins(x []float64, n int, out []float64)
}

// link turns margins into answers, in place. The margins of all rows stand at
// the beginning of out.Values; an answer may take more room.
type link func(n, groups int, out model.Answers)

// blockRows is how many rows are prepared at once.
const blockRows = 64

// finish makes an engine whose fields are set ready for use.
func (e *engine) finish() {
	size := e.width * blockRows
	e.scratch.New = func() any {
		block := make([]float64, size)
		return &block
	}
}

// Predict implements model.Engine.
func (e *engine) Predict(in model.Rows, out model.Answers) error {
	if e.finite {
		if err := e.tooLarge(in.Numbers[:in.N*e.width]); err != nil {
			return err
		}
	}
	if e.missing == nil && e.recode == nil {
		e.sum.margins(in.Numbers, in.N, out.Values[:in.N*e.groups])
		e.link(in.N, e.groups, out)
		return nil
	}
	scratch := e.scratch.Get().(*[]float64)
	defer e.scratch.Put(scratch)
	for done := 0; done < in.N; {
		n := min(in.N-done, blockRows)
		block := (*scratch)[:n*e.width]
		from, to := done*e.width, (done+n)*e.width
		copy(block, in.Numbers[from:to])
		if e.missing != nil {
			for i, x := range block {
				if float32(x) == float32(*e.missing) {
					block[i] = math.NaN()
				}
			}
		}
		if e.recode != nil {
			var texts []string
			if in.Texts != nil {
				texts = in.Texts[from:to]
			}
			if err := e.encode(block, texts, done); err != nil {
				return err
			}
		}
		e.sum.margins(block, n, out.Values[done*e.groups:(done+n)*e.groups])
		done += n
	}
	e.link(in.N, e.groups, out)
	return nil
}

// tooLarge finds a value that is infinite as a float32.
func (e *engine) tooLarge(x []float64) error {
	for i, v := range x {
		if math.IsInf(float64(float32(v)), 0) {
			return &model.Unanswerable{
				Row: i / e.width, Feature: i % e.width,
				Reason: "the value " + strconv.FormatFloat(v, 'g', -1, 64) + " is too large: XGBoost computes in 32-bit floats",
			}
		}
	}
	return nil
}

// encode replaces values of categorical features by their codes.
func (e *engine) encode(block []float64, texts []string, first int) error {
	for i, x := range block {
		c := &e.recode[i%e.width]
		if c.none() || math.IsNaN(x) {
			continue
		}
		var code float64
		var known bool
		var unknown model.Label
		if c.texts != nil {
			if texts == nil { // an estimator around this one keeps them to itself
				return &model.Unanswerable{Row: first + i/e.width, Feature: i % e.width, Reason: "the value is a number, and the model was fitted on text"}
			}
			code, known = c.texts[texts[i]]
			unknown = model.Label(texts[i])
		} else {
			code, known = c.numbers[x]
		}
		switch {
		case known:
			block[i] = code
		case c.strict:
			if c.texts == nil {
				unknown = model.Label(strconv.FormatFloat(x, 'g', -1, 64))
			}
			return &model.Unanswerable{
				Row: first + i/e.width, Feature: i % e.width,
				Reason: "the value " + model.Quote(string(unknown)) + " was not among those the model was fitted on",
			}
		default:
			block[i] = math.NaN()
		}
	}
	return nil
}

// categories are the values of one feature that a data frame held as a
// category, with their codes. A feature that is none has no map.
type categories struct {
	texts   map[string]float64
	numbers map[float64]float64
	labels  []model.Label // in the order of the codes
	strict  bool          // an unknown value is an error, and not a missing one
}

func (c *categories) none() bool { return c.texts == nil && c.numbers == nil }

func (c *categories) kind() model.Kind {
	if c.texts != nil {
		return model.Text
	}
	return model.Number
}

// trees32 is XGBoost's sum: float32, tree after tree.
type trees32 struct {
	woods *forest.Forest
	base  []float64
	last  bool // the base is added last
}

func (t *trees32) margins(x []float64, n int, out []float64) {
	if t.last {
		clear(out)
	} else {
		for i := range n {
			copy(out[i*len(t.base):], t.base)
		}
	}
	t.woods.Add(x, n, out)
	for i := 0; t.last && i < len(out); i++ {
		out[i] = float64(float32(t.base[i%len(t.base)]) + float32(out[i]))
	}
}

// linear32 is gblinear: bias + base + weights times values, in that order, and
// missing values left out (src/gbm/gblinear.cc Pred).
type linear32 struct {
	features, outputs int
	base              float32
	weights           []float32 // features x outputs, then the biases
}

func (l *linear32) margins(x []float64, n int, out []float64) {
	biases := l.weights[l.features*l.outputs:]
	for r := range n {
		row := x[r*l.features : (r+1)*l.features]
		for g := range l.outputs {
			s := biases[g] + l.base
			for i, v := range row {
				if v == v { // not NaN
					// The inner conversion keeps the product from being fused into the sum.
					s += float32(float32(v) * l.weights[i*l.outputs+g])
				}
			}
			out[r*l.outputs+g] = float64(s)
		}
	}
}

// trees64 is LightGBM's sum: float64, tree after tree, then divided by over
// unless that is 0.
type trees64 struct {
	woods *forest.Forest
	over  float64
}

func (t *trees64) margins(x []float64, n int, out []float64) {
	clear(out)
	t.woods.Add(x, n, out)
	if t.over != 0 {
		for i := range out {
			out[i] /= t.over
		}
	}
}

// The links.

func asIs(int, int, model.Answers) {}

// each transforms margins one by one.
func each(f func(float64) float64) link {
	return func(_, _ int, out model.Answers) {
		for i, m := range out.Values {
			out.Values[i] = f(m)
		}
	}
}

// twoOf makes two probabilities of one margin: rest(f(m)) and f(m). The second
// class is predicted if it is the more probable.
func twoOf(f, rest func(float64) float64) link {
	return func(n, _ int, out model.Answers) {
		for i := n - 1; i >= 0; i-- { // from the end, for a row takes twice its room
			p := f(out.Values[i])
			first := rest(p)
			out.Values[2*i], out.Values[2*i+1] = first, p
			predict(out.Classes, i, p > first)
		}
	}
}

func rest32(p float64) float64 { return float64(1 - float32(p)) }

func rest64(p float64) float64 { return 1 - p }

// rawScore predicts the second class for margins above zero.
func rawScore(n, _ int, out model.Answers) {
	for i := range n {
		predict(out.Classes, i, out.Values[i] > 0)
	}
}

// predict writes the class of row i, the first or the second. An estimator
// around this one may want its values alone, and has no room for classes.
func predict(classes []int, i int, second bool) {
	if classes == nil {
		return
	}
	classes[i] = 0
	if second {
		classes[i] = 1
	}
}

// perClass transforms the margins of a row together and predicts the greatest.
func perClass(f func(row []float64)) link {
	return func(n, groups int, out model.Answers) {
		for i := range n {
			row := out.Values[i*groups : (i+1)*groups]
			f(row)
			if out.Classes == nil {
				continue
			}
			best := 0
			for k, p := range row {
				if p > row[best] {
					best = k
				}
			}
			out.Classes[i] = best
		}
	}
}

var (
	softmax32 = perClass(softmaxOf32)
	softmax64 = perClass(softmaxOf64)
)

// softmaxOf32 is src/common/math.h Softmax of XGBoost: float32, but for the sum.
func softmaxOf32(row []float64) {
	most := slices.Max(row)
	total := 0.0
	for k, m := range row {
		row[k] = exp32(float64(float32(m) - float32(most)))
		total += row[k]
	}
	for k, e := range row {
		row[k] = float64(float32(e) / float32(total))
	}
}

// softmaxOf64 is Common::Softmax of LightGBM.
func softmaxOf64(row []float64) {
	most := slices.Max(row)
	total := 0.0
	for k, m := range row {
		row[k] = math.Exp(m - most)
		total += row[k]
	}
	for k := range row {
		row[k] /= total
	}
}

// sortedRow sorts each row's quantiles.
func sortedRow(n, groups int, out model.Answers) {
	for i := range n {
		slices.Sort(out.Values[i*groups : (i+1)*groups])
	}
}

func exp32(m float64) float64 { return float64(float32(math.Exp(m))) }

// sigmoid32 is XGBoost's Sigmoid since 1.6: the exponent ends at 88.7.
func sigmoid32(m float64) float64 {
	return float64(1 / (float32(exp32(math.Min(-m, float64(float32(88.7))))) + 1))
}

// oldSigmoid32 is that before.
func oldSigmoid32(m float64) float64 { return float64(1 / (1 + float32(exp32(-m)))) }

func hinge32(m float64) float64 {
	if m > 0 {
		return 1
	}
	return 0
}
