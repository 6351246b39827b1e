package rows

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// How close an answer must come to the expected one. A number that is a 32-bit
// float was computed as one, and says no more than a 32-bit float can.
const (
	tolerance   = 1e-9
	tolerance32 = 1e-6
)

// maxGoldenLine bounds a line of golden predictions, in bytes.
const maxGoldenLine = 4 << 20

// Check reads golden predictions, rows with the answers that the writing library
// gave to them, one JSON object a line, and compares:
//
//	{"features": [0.5, 1.2], "probabilities": [0.2, 0.8], "prediction": 1}
//	{"features": {"tenure": 0.5}, "prediction": 3.25}
//
// A line needs at least one of probabilities, score, scores and prediction.
// Probabilities must agree to 1e-9; scores and quantities to 1e-9 of their size,
// and of 1 where a score is smaller (it is a sum that cancels); numbers that are
// 32-bit floats to 1e-6; classes exactly.
//
// It returns how many rows agreed. A row that does not, or cannot be read, is a
// *model.Refusal that names the line; any other error is r's own.
func Check(p model.Predictor, r io.Reader) (rows int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxGoldenLine)
	g := golden{predictor: p, schema: NewSchema(p.Signature())}
	for number := 1; lines.Scan(); number++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if refusal := g.line(lines.Bytes()); refusal != nil {
			refusal.Reason = fmt.Sprintf("golden predictions, line %d: %s", number, refusal.Reason)
			return rows, refusal
		}
		rows++
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return rows, &model.Refusal{Reason: fmt.Sprintf("golden predictions: a line is longer than %d bytes", maxGoldenLine), Next: nextGolden}
	case err != nil:
		return rows, fmt.Errorf("reading golden predictions: %w", err)
	case rows == 0:
		return 0, &model.Refusal{Reason: "golden predictions: the file has no line", Next: nextGolden}
	}
	return rows, nil
}

const (
	nextGolden    = `Write one JSON object a line: {"features": [...], "probabilities": [...], "prediction": ...}.`
	nextDisagrees = "Make the golden predictions with the very object that was saved and the library that saved it; if they are right, do not serve this file and report it as a bug in serin."
)

type golden struct {
	predictor model.Predictor
	schema    *Schema
	batch     Batch
}

// expected is what a line says of the answer, as raw JSON; nil: nothing.
type expected map[string]jsontext.Value

func (g *golden) line(line []byte) *model.Refusal {
	g.batch.Reset()
	want, err := g.read(jsontext.NewDecoder(bytes.NewBuffer(line)))
	if err != nil {
		return &model.Refusal{Reason: strings.TrimPrefix(err.Error(), "jsontext: "), Next: nextGolden}
	}
	if err := g.batch.Predict(g.predictor); err != nil {
		if u, ok := errors.AsType[*model.Unanswerable](err); ok {
			err = g.schema.Unanswerable(u)
		}
		return &model.Refusal{Reason: "the model does not answer: " + err.Error(), Next: nextDisagrees}
	}
	return g.compare(want)
}

// read takes the row into the batch.
func (g *golden) read(d *jsontext.Decoder) (expected, error) {
	if d.PeekKind() != '{' {
		return nil, errors.New("it is not a JSON object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	want := expected{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		switch name := token.String(); name {
		case "features":
			if err := g.schema.JSON(d, &g.batch); err != nil {
				return nil, fmt.Errorf("features: %w", err)
			}
		case "probabilities", "score", "scores", "prediction":
			value, err := d.ReadValue()
			if err != nil {
				return nil, err
			}
			want[name] = value.Clone()
		default:
			return nil, errors.New(model.Quote(name) + " is unknown")
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	if g.batch.N == 0 {
		return nil, errors.New("features are missing")
	}
	if len(want) == 0 {
		return nil, errors.New("no answer is expected: probabilities, score, scores or prediction is missing")
	}
	return want, nil
}

func (g *golden) compare(want expected) *model.Refusal {
	s := g.predictor.Signature()
	values := g.batch.Values(s, 0)
	for _, name := range []string{"prediction", "probabilities", "score", "scores"} {
		raw := want[name]
		if raw == nil {
			continue
		}
		if name == "prediction" && s.Task == model.Classification {
			got := s.Classes[g.batch.Answers.Classes[0]]
			if !sameLabel(string(got), string(raw)) {
				return disagrees(name, string(got), string(raw))
			}
			continue
		}
		if meant, ok := meanings[name]; ok && meant != s.Values {
			return &model.Refusal{Reason: fmt.Sprintf("it expects %s, and this model answers %v", name, s.Values), Next: nextGolden}
		}
		numbers, ok := numbersOf(raw)
		if !ok || len(numbers) != len(values) {
			return &model.Refusal{Reason: fmt.Sprintf("%s is %s, and this model answers %d numbers", name, model.Clip(string(raw)), len(values)), Next: nextGolden}
		}
		for i, number := range numbers {
			if !agree(values[i], number, s.Values) {
				if len(values) > 1 {
					name += fmt.Sprintf("[%d]", i)
				}
				return disagrees(name, string(AppendNumber(nil, values[i])), string(AppendNumber(nil, number)))
			}
		}
	}
	return nil
}

// meanings are what the members of a line are, beside the prediction.
var meanings = map[string]model.Meaning{"probabilities": model.Probabilities, "score": model.Scores, "scores": model.Scores}

func disagrees(what, got, want string) *model.Refusal {
	return &model.Refusal{Reason: fmt.Sprintf("%s is %s here and should be %s", what, model.Clip(got), model.Clip(want)), Next: nextDisagrees}
}

// agree compares two numbers; null, as JSON writes what is no number, agrees
// with NaN.
func agree(got, want float64, m model.Meaning) bool {
	if math.IsNaN(want) {
		return math.IsNaN(got)
	}
	within := tolerance
	if float64(float32(want)) == want {
		within = tolerance32
	}
	switch m {
	case model.Probabilities:
	case model.Scores:
		within *= max(1, math.Abs(want))
	case model.Quantities:
		within *= math.Abs(want)
		if want == 0 {
			within = tolerance
		}
	}
	return math.Abs(got-want) <= within
}

// numbersOf reads a number or an array of numbers; null is NaN.
func numbersOf(raw jsontext.Value) ([]float64, bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw))
	var numbers []float64
	for {
		token, err := d.ReadToken()
		if err != nil {
			return numbers, errors.Is(err, io.EOF)
		}
		switch token.Kind() {
		case '[', ']':
			if d.StackDepth() > 1 {
				return nil, false
			}
		case '0':
			v, err := strconv.ParseFloat(token.String(), 64)
			if err != nil {
				return nil, false
			}
			numbers = append(numbers, v)
		case 'n':
			numbers = append(numbers, math.NaN())
		default:
			return nil, false
		}
	}
}

// sameLabel compares two classes as JSON: 1 and 1.0 are the same number.
func sameLabel(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return x == y
	}
	p, errP := jsontext.AppendUnquote(nil, a)
	q, errQ := jsontext.AppendUnquote(nil, b)
	return errP == nil && errQ == nil && bytes.Equal(p, q)
}
