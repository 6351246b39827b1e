package rows

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// Example is a row that the model takes, as JSON: by name where the model knows
// names, with categories that it was fitted on where it knows them.
func (s *Schema) Example() string {
	var b strings.Builder
	open, end := "[", "]"
	if s.index != nil {
		open, end = "{", "}"
	}
	b.WriteString(open)
	for i, f := range s.signature.Features {
		if i > 0 {
			b.WriteString(", ")
		}
		if s.index != nil {
			b.WriteString(string(AppendText(nil, f.Name)) + ": ")
		}
		b.WriteString(exampleOf(i, f))
	}
	return b.String() + end
}

// Sketch is the beginning of such a row without names, for messages.
func (s *Schema) Sketch() (row string, complete bool) {
	const shown = 8
	features := s.signature.Features
	parts := make([]string, min(len(features), shown))
	for i := range parts {
		parts[i] = "0.5"
		if f := features[i]; f.Kind != model.Number || f.Known != nil {
			parts[i] = exampleOf(i, f)
		}
	}
	if row = strings.Join(parts, ", "); len(features) > shown {
		return "[" + row + ", ...]", false
	}
	return "[" + row + "]", true
}

// ExampleBody is a request that the model takes, for messages.
func (s *Schema) ExampleBody() string {
	row, complete := s.Sketch()
	if complete {
		return `{"features": ` + row + `}`
	}
	return fmt.Sprintf(`{"features": %s} with %d %s`, row, len(s.signature.Features), s.plural())
}

// exampleOf is one value. Numbers differ, so that a reader can tell which is which.
func exampleOf(i int, f model.Feature) string {
	switch {
	case len(f.Known) > 0:
		return string(f.Known[0])
	case f.Kind == model.Unused:
		return "null"
	case f.Kind == model.Text:
		return `"text"`
	case f.Kind == model.Bool:
		return "true"
	default:
		return [...]string{"0.5", "1.2", "0.8", "0.3", "1.1"}[i%5]
	}
}

// Sample appends one of many made-up rows: small numbers, all the same and all
// different in turns, and categories that the model was fitted on in turns.
func (s *Schema) Sample(b *Batch, turn int) {
	s.open(b)
	width := len(s.signature.Features)
	for i := range s.signature.Features {
		f, cell := &s.signature.Features[i], len(b.Numbers)-width+i
		label := ""
		if len(f.Known) > 0 {
			label = string(f.Known[(turn+i)%len(f.Known)])
		}
		known, err := strconv.ParseFloat(label, 64)
		switch {
		case f.Kind == model.Text:
			text, _ := jsontext.AppendUnquote(nil, label) // "" where it knows none
			b.Texts[cell] = string(text)
		case f.Kind == model.Bool:
			b.Numbers[cell] = float64((turn + i) % 2)
		case err == nil:
			b.Numbers[cell] = known
		default:
			b.Numbers[cell] = float64((turn+turn%2*i)%5) - 2
		}
	}
}
