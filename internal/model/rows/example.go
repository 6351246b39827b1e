package rows

import (
	"fmt"
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
			b.WriteString(quoted(f.Name) + ": ")
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
	case f.Kind == model.Text:
		return `"text"`
	case f.Kind == model.Bool:
		return "true"
	default:
		return [...]string{"0.5", "1.2", "0.8", "0.3", "1.1"}[i%5]
	}
}

// quoted is a string as JSON.
func quoted(s string) string {
	text, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "?")) // fails for other text only
	return string(text)
}
