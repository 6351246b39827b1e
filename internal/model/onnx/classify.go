package onnx

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/graph"
	"serin/internal/model/kernel"
)

// What the classifiers of ai.onnx.ml share: labels, and the transforms that
// turn scores into probabilities. The arithmetic is ONNX Runtime's, in float32
// (core/providers/cpu/ml/ml_common.h).

// labels are the answers of a classifier: whole numbers or texts.
type labels struct {
	ints  []int64
	texts []string
}

func (l labels) len() int { return max(len(l.ints), len(l.texts)) }

func (l labels) tensor() *graph.Tensor {
	if l.texts != nil {
		return &graph.Tensor{Shape: []int{len(l.texts)}, Data: l.texts, Fixed: true}
	}
	return &graph.Tensor{Shape: []int{len(l.ints)}, Data: l.ints, Fixed: true}
}

// readLabels reads the labels from the attributes of a classifier.
func readLabels(c *graph.Call, ints string) labels {
	l := labels{c.Ints(ints), c.Texts("classlabels_strings")}
	if (len(l.ints) > 0) == (len(l.texts) > 0) {
		c.Refuse("has %d whole numbers and %d texts as labels; one kind is expected", len(l.ints), len(l.texts))
	}
	if l.len() < 2 {
		c.Refuse("has a single class")
	}
	return l
}

// giveLabels makes the label output: choice says, for every row, which one.
func giveLabels(c *graph.Call, l labels, rows int, choice func(row int) int) {
	if l.texts != nil {
		chosen(c, l.texts, l, rows, choice)
		return
	}
	chosen(c, l.ints, l, rows, choice)
}

func chosen[T graph.Element](c *graph.Call, list []T, l labels, rows int, choice func(row int) int) {
	t, out := graph.Alloc[T](c, rows)
	t.Classes = l.tensor()
	c.Give(0, t)
	c.Always(func() {
		for r := range out {
			out[r] = list[choice(r)]
		}
	})
}

// transform changes the scores of a row in place; nil changes nothing.
type transform func(row []float32)

func readTransform(c *graph.Call) transform {
	name := c.Text("post_transform", "NONE")
	t, ok := map[string]transform{"NONE": nil, "LOGISTIC": kernel.Logistic32, "SOFTMAX": softmax32, "SOFTMAX_ZERO": softmaxZero, "PROBIT": probits}[name]
	if !ok {
		c.Refuse("transforms its scores by %s", model.Quote(name))
	}
	return t
}

func logistic(x float32) float32 {
	v := 1 / (1 + exp32(-float32(math.Abs(float64(x)))))
	if x < 0 {
		return 1 - v
	}
	return v
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

func softmax32(row []float32) {
	most, sum := slices.Max(row), float32(0)
	for i, v := range row {
		row[i] = exp32(v - most)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

// softmaxZero leaves zeros zero.
func softmaxZero(row []float32) {
	const tiny = 0.0000001
	most, sum := slices.Max(row), float32(0)
	rest := exp32(-most)
	for i, v := range row {
		if v > tiny || v < -tiny {
			row[i] = exp32(v - most)
			sum += row[i]
		} else {
			row[i] = v * rest
		}
	}
	for i := range row {
		row[i] /= sum
	}
}

func probits(row []float32) {
	for i, v := range row {
		row[i] = probit(v)
	}
}

func probit(p float32) float32 {
	x, sgn := 2*p-1, float32(1)
	if x < 0 {
		sgn = -1
	}
	l := float32(math.Log(float64((1 - x) * (1 + x))))
	v := 2/(3.14159*float32(0.147)) + 0.5*l
	w := 1 / float32(0.147) * l
	return 1.41421356 * sgn * float32(math.Sqrt(float64(-v+float32(math.Sqrt(float64(v*v-w))))))
}

// floatRows is the first input as rows of float32, which is what the operators
// of ai.onnx.ml compute with, whatever they are given. A vector is one row.
func floatRows(c *graph.Call) (x []float32, rows, width int) {
	t := c.Input(0)
	if t.Rank() < 1 || t.Rank() > 2 {
		c.Refuse("takes a tensor of the shape %v", t.Shape)
	}
	rows, width = 1, t.Shape[t.Rank()-1]
	if t.Rank() == 2 {
		rows = t.Shape[0]
	}
	if _, text := t.Data.([]string); text {
		c.WrongKind(t)
	}
	return graph.Values[float32](c, c.Cast(t, graph.ElemFloat)), rows, width
}

// linearScores holds the scores of a linear operator: x times coefficients, which lie
// output after output, plus intercepts.
func linearScores(c *graph.Call, outputs int, coefficients, intercepts []float32) (scores []float32, rows int) {
	x, rows, width := floatRows(c)
	if outputs < 1 || outputs > len(coefficients) || len(coefficients) != outputs*width || intercepts != nil && len(intercepts) != outputs {
		c.Refuse("has %d coefficients and %d intercepts for %d features and %d outputs", len(coefficients), len(intercepts), width, outputs)
	}
	c.Toil(rows, outputs, width)
	_, scores = graph.Alloc[float32](c, rows, outputs)
	c.Always(func() {
		for r := range rows {
			kernel.Unfused(x[r*width:(r+1)*width], coefficients, intercepts, scores[r*outputs:(r+1)*outputs])
		}
	})
	return scores, rows
}

// linearClassifier is LinearClassifier.
// Source: core/providers/cpu/ml/linearclassifier.cc.
func linearClassifier(c *graph.Call) {
	c.AtMost(1, 2)
	c.Ignore("multi_class") // ONNX Runtime does not look at it
	l, change := readLabels(c, "classlabels_ints"), readTransform(c)
	intercepts := c.Floats("intercepts")
	outputs := len(intercepts)
	if outputs != l.len() && (outputs != 1 || l.len() != 2) {
		c.Refuse("has %d intercepts for %d classes", outputs, l.len())
	}
	if outputs == 1 && change != nil {
		c.Refuse("transforms the single score of two classes, which ONNX Runtime does not do")
	}
	scores, rows := linearScores(c, outputs, c.Floats("coefficients"), intercepts)
	if outputs == 1 {
		giveLabels(c, l, rows, func(r int) int { return truth(scores[r] > 0) })
	} else {
		giveLabels(c, l, rows, func(r int) int { return firstBest(scores[r*outputs : (r+1)*outputs]) })
	}
	t, out := graph.Alloc[float32](c, rows, l.len())
	c.Give(1, t)
	c.Always(func() {
		for r := range rows {
			if outputs == 1 {
				out[2*r], out[2*r+1] = 1-scores[r], scores[r]
				continue
			}
			row := out[r*outputs : (r+1)*outputs]
			copy(row, scores[r*outputs:])
			if change != nil {
				change(row)
			}
		}
	})
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func firstBest[T graph.Number](row []T) int {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return best
}

// linearRegressor is LinearRegressor.
func linearRegressor(c *graph.Call) {
	c.AtMost(1, 1)
	change, outputs := readTransform(c), c.Int("targets", 1)
	scores, rows := linearScores(c, outputs, c.Floats("coefficients"), c.Floats("intercepts"))
	c.Give(0, &graph.Tensor{Shape: []int{rows, outputs}, Data: scores})
	if change != nil {
		c.Always(func() {
			for r := range rows {
				change(scores[r*outputs : (r+1)*outputs])
			}
		})
	}
}
