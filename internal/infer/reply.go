package infer

import (
	"strconv"
	"time"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
)

// appendReply encodes the answer, written by hand because it is on the path of
// every request and its shape is fixed:
//
//	{"probability":0.8,"prediction":1,"model_used":"stable","model_version":"model_v1","latency_ms":0.003}
//
// With two classes, probability is that of the second one, as the seed's
// service answers; with more it is that of the predicted class, and
// probabilities lists them all. A model without probabilities answers its score
// or scores instead, and a regression's prediction is its number or numbers.
func appendReply(dst []byte, arm *route.Arm, b *rows.Batch, latency time.Duration) []byte {
	dst = appendAnswer(append(dst, '{'), arm.Predictor.Signature(), b, 0)
	return appendTail(dst, arm, latency)
}

// appendReplies encodes the answer to a list of rows:
//
//	{"predictions":[{"probability":0.8,"prediction":1},...],"model_used":...}
func appendReplies(dst []byte, arm *route.Arm, b *rows.Batch, latency time.Duration) []byte {
	s := arm.Predictor.Signature()
	dst = append(dst, `{"predictions":[`...)
	for i := range b.N {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendAnswer(append(dst, '{'), s, b, i), '}')
	}
	return appendTail(append(dst, ']'), arm, latency)
}

// appendAnswer encodes what is said of row i.
func appendAnswer(dst []byte, s *model.Signature, b *rows.Batch, i int) []byte {
	values := b.Values(s, i)
	switch s.Values {
	case model.Probabilities:
		class := b.Answers.Classes[i]
		dst = append(dst, `"probability":`...)
		dst = rows.AppendNumber(dst, score(s, values, class))
		dst = append(dst, `,"prediction":`...)
		dst = append(dst, s.Classes[class]...)
		if len(values) > 2 {
			dst = rows.AppendNumbers(append(dst, `,"probabilities":`...), values)
		}
	case model.Scores:
		dst = append(dst, `"prediction":`...)
		dst = append(dst, s.Classes[b.Answers.Classes[i]]...)
		if len(values) == 1 {
			dst = rows.AppendNumber(append(dst, `,"score":`...), values[0])
		} else {
			dst = rows.AppendNumbers(append(dst, `,"scores":`...), values)
		}
	case model.Quantities:
		dst = append(dst, `"prediction":`...)
		if len(values) == 1 {
			dst = rows.AppendNumber(dst, values[0])
		} else {
			dst = rows.AppendNumbers(dst, values)
		}
	}
	return dst
}

// appendTail says who answered, and ends the object.
func appendTail(dst []byte, arm *route.Arm, latency time.Duration) []byte {
	dst = append(dst, `,"model_used":"`...)
	dst = append(dst, arm.Role...)
	dst = append(dst, `","model_version":`...)
	dst = rows.AppendText(dst, arm.Version.Name)
	dst = append(dst, `,"latency_ms":`...)
	dst = strconv.AppendInt(dst, int64(latency/time.Millisecond), 10)
	point := len(dst)
	dst = strconv.AppendInt(dst, int64(time.Millisecond+latency%time.Millisecond), 10) // a one and six digits
	dst[point] = '.'
	return append(dst, '}')
}
