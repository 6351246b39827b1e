package onnx

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"

	"serin/internal/model"
	"serin/internal/model/graph"
)

// answer is where in a plan's outputs the answer lies.
type answer struct {
	values, label int // outputs; label -1: the greatest value says it
	from, per     int // the first column that counts, and how many the output has
	// complement: the only column is the probability of the second class.
	complement bool
	ints       map[int64]int
	texts      map[string]int
}

const nextOutputs = "Export a model whose outputs are a label and its probabilities, or the numbers of a regression."

// interpret finds the label and the values among the outputs, and the classes.
func (e *engine) interpret(p *graph.Plan) {
	a := &e.answer
	a.label, a.values = -1, -1
	for i, t := range p.Outputs {
		switch t.Data.(type) {
		case []int64, []int32, []string:
			if a.label >= 0 {
				graph.Refuse(nextOutputs, "the model has two outputs that could be its label, %s and %s", model.Quote(e.file.Outputs[a.label].Name), model.Quote(e.file.Outputs[i].Name))
			}
			a.label = i
		case []float32, []float64:
			if a.values >= 0 {
				graph.Refuse(nextOutputs, "the model has two outputs of numbers, %s and %s", model.Quote(e.file.Outputs[a.values].Name), model.Quote(e.file.Outputs[i].Name))
			}
			a.values = i
		default:
			graph.Refuse(nextOutputs, "the output %s is a %s tensor", model.Quote(e.file.Outputs[i].Name), t.Kind())
		}
	}
	if a.values < 0 {
		graph.Refuse(nextOutputs, "the model answers a label without probabilities or scores")
	}
	a.per = p.Outputs[a.values].Len()
	if a.per == 0 {
		graph.Refuse(nextOutputs, "the output %s is empty", model.Quote(e.file.Outputs[a.values].Name))
	}
	e.width = a.per
	if a.label < 0 {
		e.unlabelled()
		return
	}
	if p.Outputs[a.label].Len() != 1 {
		graph.Refuse(nextOutputs, "the label has %d elements a row", p.Outputs[a.label].Len())
	}
	classes := p.Outputs[a.values].Keys
	if classes == nil {
		classes = p.Outputs[a.label].Classes
	}
	if classes == nil && a.per == 1 && p.Outputs[a.label].Kind() == "int64" {
		// An outlier detector: it computes its label, -1 or 1, from its score.
		classes = &graph.Tensor{Shape: []int{2}, Data: []int64{-1, 1}, Fixed: true}
	}
	e.nameClasses(classes, p.Outputs[a.label])
	if a.per != len(e.labels) && (a.per != 1 || len(e.labels) != 2) {
		graph.Refuse(nextOutputs, "the model answers %d numbers for %d classes", a.per, len(e.labels))
	}
}

// unlabelled is a model with one output of numbers. It is a regression, unless
// its last operator makes probabilities: Softmax over classes 0, 1, ..., or
// Sigmoid of the class 1.
func (e *engine) unlabelled() {
	last := e.file.Maker(e.file.Outputs[e.answer.values].Name)
	switch {
	case last == graph.Name{Op: "Softmax"} && e.answer.per > 1:
		for i := range e.answer.per {
			e.labels = append(e.labels, label(int64(i)))
		}
	case last == graph.Name{Op: "Sigmoid"} && e.answer.per == 1:
		e.labels = []model.Label{"0", "1"}
		e.answer.complement = true
		e.width = 2
	}
	e.probable = e.labels != nil
}

// nameClasses makes the signature's classes, and the way from a label to its
// place among them.
func (e *engine) nameClasses(classes, of *graph.Tensor) {
	if classes == nil {
		graph.Refuse(nextOutputs, "the file does not tell which classes the model knows")
	}
	e.answer.ints, e.answer.texts = make(map[int64]int), make(map[string]int)
	switch d := classes.Data.(type) {
	case []string:
		for i, v := range d {
			e.answer.texts[v] = i
			e.labels = append(e.labels, label(v))
		}
	case []int64:
		for i, v := range d {
			e.answer.ints[v] = i
			e.labels = append(e.labels, label(v))
		}
	default:
		graph.Refuse(nextOutputs, "the classes are %s numbers", classes.Kind())
	}
	if len(e.labels) < 2 || len(e.answer.ints)+len(e.answer.texts) != len(e.labels) {
		graph.Refuse(nextOutputs, "the model has %d classes, of which some are the same", len(e.labels))
	}
	if (of.Kind() == "string") != (classes.Kind() == "string") {
		graph.Refuse(nextOutputs, "the label is a %s and the classes are %s", of.Kind(), classes.Kind())
	}
}

// write copies the answers of a plan that ran. It returns the row whose label
// is no class, or -1.
func (a *answer) write(p *graph.Plan, values []float64, classes []int, width int) int {
	switch d := p.Outputs[a.values].Data.(type) {
	case []float32:
		writeValues(a, d, values, width)
	case []float64:
		writeValues(a, d, values, width)
	}
	if classes == nil {
		return -1
	}
	if a.label < 0 {
		for r := range classes {
			classes[r] = firstBest(values[r*width : (r+1)*width])
		}
		return -1
	}
	var known bool
	switch d := p.Outputs[a.label].Data.(type) {
	case []int64:
		for r, v := range d {
			if classes[r], known = a.ints[v]; !known {
				return r
			}
		}
	case []int32:
		for r, v := range d {
			if classes[r], known = a.ints[int64(v)]; !known {
				return r
			}
		}
	case []string:
		for r, v := range d {
			if classes[r], known = a.texts[v]; !known {
				return r
			}
		}
	}
	return -1
}

func writeValues[T graph.Float](a *answer, from []T, values []float64, width int) {
	switch {
	case a.complement:
		for r, v := range from {
			values[2*r], values[2*r+1] = 1-float64(v), float64(v)
		}
	case width == a.per:
		for i, v := range from {
			values[i] = float64(v)
		}
	default:
		for r := range len(values) / width {
			for i := range width {
				values[r*width+i] = float64(from[r*a.per+a.from+i])
			}
		}
	}
}

// tries is how many rows a model answers while it is loaded: a full block, but
// fewer of very wide rows.
func (e *engine) tries() int {
	const most, least, numbers = 64, 4, 1 << 18
	return min(most, max(least, numbers/e.columns))
}

// probe lets the model answer some rows and learns from them what the file does
// not say: whether the values are probabilities, whether rows of a block are
// answered as if alone, and where a missing value has an answer.
func (e *engine) probe(mayMiss bool) {
	in := e.samples()
	out := model.Answers{Values: make([]float64, e.width), Classes: make([]int, 1)}
	answers := make([]float64, 0, in.N*e.width)
	var good, classes []int
	for r := range in.N {
		if e.Predict(e.row(in, r), out) == nil {
			good = append(good, r)
			classes = append(classes, out.Classes[0])
			answers = append(answers, out.Values...)
		}
	}
	if e.answer.label >= 0 {
		e.judgeValues(answers, classes)
	}
	e.dropMixing(in)
	if mayMiss && len(good) > 0 {
		e.findMissing(e.row(in, good[0]))
	}
}

// judgeValues decides between probabilities and scores. Scores must agree with
// the labels, or they are not what the signature promises.
func (e *engine) judgeValues(answers []float64, classes []int) {
	e.probable = e.width == len(e.labels)
	for r := range classes {
		row, sum := answers[r*e.width:(r+1)*e.width], 0.0
		for _, v := range row {
			sum += v
			e.probable = e.probable && !(v < -1e-6 || v > 1+1e-6)
		}
		e.probable = e.probable && !(math.Abs(sum-1) > 1e-3)
	}
	if e.probable {
		return
	}
	if len(e.labels) == 2 {
		// libsvm's scores are positive for the first class, and its exporters give
		// both signs: the column is taken that is positive for the second.
		for second := e.width - 1; second >= 0; second-- {
			if agree(answers, classes, e.width, func(row []float64, class int) bool {
				return (row[second] > 0) == (class == 1) || math.Abs(row[second]) < 1e-6
			}) {
				e.answer.from, e.width = second, 1
				return
			}
		}
	} else if agree(answers, classes, e.width, func(row []float64, class int) bool {
		most := slices.Max(row)
		return row[class] >= most-1e-6*math.Abs(most)
	}) {
		return
	}
	graph.Refuse("Export it with probabilities, an SVC after fitting it with probability=True.", "the scores of the model are not one for each class: they disagree with its labels")
}

// agree tells whether all answered rows pass a test, but for those with a NaN.
func agree(answers []float64, classes []int, width int, test func(row []float64, class int) bool) bool {
	for r, class := range classes {
		row := answers[r*width : (r+1)*width]
		if !slices.ContainsFunc(row, math.IsNaN) && !test(row, class) {
			return false
		}
	}
	return true
}

// dropMixing gives up blocks of rows where they are not answered as if alone,
// because the graph computes across rows.
func (e *engine) dropMixing(in model.Rows) {
	alone := e.answers(in, e.kinds[:1])
	for i := len(e.kinds) - 1; i > 0; i-- {
		together := e.answers(in, e.kinds[:i+1])
		same := alone != nil && together != nil || alone == nil && together == nil
		for k := range min(len(alone), len(together)) {
			a, b := alone[k], together[k]
			same = same && (math.Abs(a-b) <= 1e-4*max(1, math.Abs(a)) || a == b || math.IsNaN(a) && math.IsNaN(b))
		}
		if !same {
			e.kinds = e.kinds[:1]
			return
		}
	}
}

// answers are the values of all rows by plans of the given kinds, NaN for a row
// that has none.
func (e *engine) answers(in model.Rows, kinds []*kind) []float64 {
	only := *e
	only.kinds = kinds
	out := model.Answers{Values: make([]float64, in.N*e.width), Classes: make([]int, in.N)}
	if only.Predict(in, out) != nil {
		return nil
	}
	return out.Values
}

// findMissing tells for every feature whether its absence has an answer.
func (e *engine) findMissing(in model.Rows) {
	const many = 4096 // features; more are tried all at once
	out := model.Answers{Values: make([]float64, e.width), Classes: make([]int, 1)}
	answered := func() bool {
		return e.Predict(in, out) == nil && !slices.ContainsFunc(out.Values, math.IsNaN)
	}
	numbers := slices.Clone(in.Numbers)
	in.Numbers = numbers
	column := 0
	for i := range e.file.Inputs {
		p := &e.file.Inputs[i]
		for range p.Columns() {
			if (p.Element == graph.ElemFloat || p.Element == graph.ElemDouble) && e.columns <= many {
				was := numbers[column]
				numbers[column] = math.NaN()
				e.missing[column] = answered()
				numbers[column] = was
			}
			column++
		}
	}
}

// row is one of several rows.
func (e *engine) row(in model.Rows, r int) model.Rows {
	one := model.Rows{N: 1, Numbers: in.Numbers[r*e.columns : (r+1)*e.columns]}
	if in.Texts != nil {
		one.Texts = in.Texts[r*e.columns : (r+1)*e.columns]
	}
	return one
}

// samples are rows of all sizes, always the same ones, with known categories
// where the model has them.
func (e *engine) samples() model.Rows {
	random := rand.New(rand.NewPCG(1, 2))
	in := model.Rows{N: e.tries(), Numbers: make([]float64, e.tries()*e.columns)}
	scales := [...]float64{1, 0.1, 3, 10, 100}
	for r := range in.N {
		column := 0
		for i := range e.file.Inputs {
			p := &e.file.Inputs[i]
			for range p.Columns() {
				at := r*e.columns + column
				v := random.NormFloat64() * scales[r%len(scales)]
				switch kindOf(p) {
				case model.Text:
					if in.Texts == nil {
						in.Texts = make([]string, len(in.Numbers))
					}
					in.Texts[at] = e.sampleText(column, random)
				case model.Bool:
					in.Numbers[at] = float64(random.IntN(2))
				default:
					if p.Element == graph.ElemInt64 || p.Element == graph.ElemInt32 {
						v = float64(random.IntN(3))
					}
					in.Numbers[at] = e.sampleNumber(column, random, v)
				}
				column++
			}
		}
	}
	return in
}

func (e *engine) sampleText(column int, random *rand.Rand) string {
	text := "a"
	if known := e.known[column]; len(known) > 0 {
		_ = json.Unmarshal([]byte(known[random.IntN(len(known))]), &text) // a label is JSON; if it is a number, "a" stays
	}
	return text
}

func (e *engine) sampleNumber(column int, random *rand.Rand, otherwise float64) float64 {
	if known := e.known[column]; len(known) > 0 {
		_ = json.Unmarshal([]byte(known[random.IntN(len(known))]), &otherwise) // a label is JSON
	}
	return otherwise
}
