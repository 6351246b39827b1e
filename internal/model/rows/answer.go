package rows

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// blockRows is how many rows an engine is given at once. What engines need for a
// call, and keep for the next, is so bounded by the model and not by whoever sent
// the largest batch. Fewer would cost forests, which answer many rows side by side.
const blockRows = 512

// Predict answers the rows of the batch into its Answers.
func (b *Batch) Predict(p model.Predictor) error { return b.PredictWhile(p, nil) }

// PredictWhile is Predict for who may have to stop: before each block of rows but
// the first it asks more, if that is not nil, and ends with its error.
func (b *Batch) PredictWhile(p model.Predictor, more func() error) error {
	s := p.Signature()
	b.Answers.Values = extend(b.Answers.Values[:0], b.N*s.Outputs)
	b.Answers.Classes = b.Answers.Classes[:0]
	if s.Task == model.Classification {
		b.Answers.Classes = extend(b.Answers.Classes, b.N)
	}
	for first := 0; first < b.N; first += blockRows {
		if first > 0 && more != nil {
			if err := more(); err != nil {
				return err
			}
		}
		in, out := b.block(s, first, min(first+blockRows, b.N))
		if err := p.Predict(in, out); err != nil {
			return later(err, first)
		}
	}
	return nil
}

// block is some of the rows, and the place for their answers.
func (b *Batch) block(s *model.Signature, first, end int) (in model.Rows, out model.Answers) {
	width := len(s.Features)
	in = model.Rows{N: end - first, Numbers: b.Numbers[first*width : end*width]}
	if len(b.Texts) > 0 { // else memory of an earlier batch
		in.Texts = b.Texts[first*width : end*width]
	}
	out.Values = b.Answers.Values[first*s.Outputs : end*s.Outputs]
	if s.Task == model.Classification {
		out.Classes = b.Answers.Classes[first:end]
	}
	return in, out
}

// later counts the row that an engine blames from the batch's first.
func later(err error, first int) error {
	u, ok := errors.AsType[*model.Unanswerable](err)
	if !ok || first == 0 {
		return err
	}
	moved := *u
	moved.Row += first
	return &moved
}

// Values are the numbers of row i's answer.
func (b *Batch) Values(s *model.Signature, i int) []float64 {
	return b.Answers.Values[i*s.Outputs : (i+1)*s.Outputs]
}

// appendAnswer writes the answer to row i as the members of a JSON object:
//
//	"probabilities":[0.2,0.8],"prediction":1     one for each class, in the model's order
//	"score":1.39,"prediction":1                  a decision function of two classes
//	"scores":[-1.2,0.3,0.1],"prediction":"mid"   and of more
//	"prediction":3.25                            a regression
//	"prediction":[3.25,1]                        and one of several numbers
//
// A number that JSON cannot hold is null.
func (b *Batch) appendAnswer(dst []byte, s *model.Signature, i int) []byte {
	values := b.Values(s, i)
	switch {
	case s.Values == model.Probabilities:
		dst = appendNumbers(append(dst, `"probabilities":`...), values, false)
	case s.Values == model.Scores && len(values) == 1:
		dst = appendNumbers(append(dst, `"score":`...), values, true)
	case s.Values == model.Scores:
		dst = appendNumbers(append(dst, `"scores":`...), values, false)
	}
	if s.Task == model.Regression {
		return appendNumbers(append(dst, `"prediction":`...), values, len(values) == 1)
	}
	dst = append(dst, `,"prediction":`...)
	return append(dst, s.Classes[b.Answers.Classes[i]]...)
}

// appendNumbers writes an array, or its only number alone.
func appendNumbers(dst []byte, values []float64, alone bool) []byte {
	if alone {
		return AppendNumber(dst, values[0])
	}
	return AppendNumbers(dst, values)
}

// AppendNumbers writes an array of numbers, each as AppendNumber does.
func AppendNumbers(dst []byte, values []float64) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendNumber(dst, v)
	}
	return append(dst, ']')
}

// AppendNumber writes the shortest decimal that reads back as the same float;
// null where JSON has none.
func AppendNumber(dst []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}

// AppendText writes a string as JSON. Bytes that are no UTF-8 become U+FFFD.
func AppendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst, _ = jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\ufffd")) // fails for other text only
			return dst
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
