package infer

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"serin/internal/model"
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
func appendReply(b []byte, arm *route.Arm, values []float64, class int, latency time.Duration) []byte {
	s := arm.Predictor.Signature()
	switch s.Values {
	case model.Probabilities:
		b = append(b, `{"probability":`...)
		b = strconv.AppendFloat(b, score(s, values, class), 'g', -1, 64)
		b = append(b, `,"prediction":`...)
		b = append(b, s.Classes[class]...)
		if len(values) > 2 {
			b = append(b, `,"probabilities":`...)
			b = appendNumbers(b, values)
		}
	case model.Scores:
		b = append(b, `{"prediction":`...)
		b = append(b, s.Classes[class]...)
		if len(values) == 1 {
			b = append(b, `,"score":`...)
			b = strconv.AppendFloat(b, values[0], 'g', -1, 64)
		} else {
			b = append(b, `,"scores":`...)
			b = appendNumbers(b, values)
		}
	case model.Quantities:
		b = append(b, `{"prediction":`...)
		if len(values) == 1 {
			b = strconv.AppendFloat(b, values[0], 'g', -1, 64)
		} else {
			b = appendNumbers(b, values)
		}
	}
	b = append(b, `,"model_used":"`...)
	b = append(b, arm.Role...)
	b = append(b, `","model_version":`...)
	b = appendString(b, arm.Version.Name)
	b = append(b, `,"latency_ms":`...)
	b = strconv.AppendFloat(b, float64(latency.Nanoseconds())/1e6, 'f', 6, 64)
	return append(b, '}')
}

func appendNumbers(b []byte, values []float64) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return append(b, ']')
}

// appendString quotes a name that may hold anything a file's name may.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // cannot happen: strings always encode
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// problem is an error answer, RFC 9457.
type problem struct {
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Code   string       `json:"code"`
	Errors []fieldError `json:"errors,omitempty"`
}

// codeOf is the word for programs, the same as on the control side.
func codeOf(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "no_model"
	case http.StatusInternalServerError:
		return "internal"
	default:
		return "invalid_request"
	}
}

// fieldError says which field is wrong.
type fieldError struct {
	Message  string `json:"message"`
	Location string `json:"location"`
}

func (p *problem) write(w http.ResponseWriter) {
	full := *p
	full.Title, full.Code = http.StatusText(p.Status), codeOf(p.Status)
	body, err := json.Marshal(full)
	if err != nil { // cannot happen: the struct holds only strings and a number
		http.Error(w, full.Title, p.Status)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}
