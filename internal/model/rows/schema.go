package rows

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// Schema is what a row of one model must be. It is immutable.
type Schema struct {
	signature *model.Signature
	index     map[string]int // by name; nil where the model knows no names
	keys      []string
	texts     bool
	missing   bool // of some feature
}

// NewSchema prepares what a signature says.
func NewSchema(s *model.Signature) *Schema {
	schema := &Schema{signature: s}
	if s.Named {
		schema.index = make(map[string]int, len(s.Features))
	}
	for i, f := range s.Features {
		if s.Named {
			schema.index[f.Name] = i
		}
		schema.texts = schema.texts || f.Kind == model.Text
		schema.missing = schema.missing || f.Missing
	}
	if len(schema.index) == len(s.Features) {
		schema.keys = keys(s.Features)
	}
	return schema
}

// keys are the features' names in quotes, or nil if some name has more than one
// way to be written between them, or none.
func keys(features []model.Feature) []string {
	keys := make([]string, len(features))
	for i, f := range features {
		if !utf8.ValidString(f.Name) || strings.ContainsFunc(f.Name, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
			return nil
		}
		keys[i] = `"` + f.Name + `"`
	}
	return keys
}

// Signature is what the schema was made of.
func (s *Schema) Signature() *model.Signature { return s.signature }

// Keys are the names of the features as JSON writes them, for who reads rows by
// name in the order of the model; nil where it knows no names, or some need escapes.
func (s *Schema) Keys() []string { return s.keys }

// Texts tells whether some feature is text, so that rows have texts, too.
func (s *Schema) Texts() bool { return s.texts }

// Fault says what is wrong with a row. Message and Next are about the value
// at a place: "" is the row itself, "[3]" or ".tenure" a value in it. Where Next
// is empty, an example of a row says what to do.
type Fault struct{ At, Message, Next string }

func (f *Fault) Error() string {
	text := f.Message
	if f.At != "" {
		text = strings.TrimPrefix(f.At, ".") + ": " + text
	}
	if f.Next != "" {
		text += ". " + strings.TrimSuffix(f.Next, ".")
	}
	return text
}

// Batch is rows and their answers in memory that is used again. The zero value
// is empty.
type Batch struct {
	model.Rows
	Answers model.Answers
	given   []bool
}

// Reset empties the batch and keeps its memory, but not that of its texts.
func (b *Batch) Reset() {
	clear(b.Texts)
	b.Rows = model.Rows{Numbers: b.Numbers[:0], Texts: b.Texts[:0]}
}

// Held is how many bytes of memory the batch keeps for later, without its texts.
func (b *Batch) Held() int {
	return 8*(cap(b.Numbers)+cap(b.Answers.Values)+cap(b.Answers.Classes)) + 16*cap(b.Texts) + cap(b.given)
}

// truncate keeps the first n rows.
func (b *Batch) truncate(s *model.Signature, n int) {
	b.N, b.Numbers = n, b.Numbers[:n*len(s.Features)]
	b.Texts = b.Texts[:min(len(b.Texts), len(b.Numbers))]
}

// open makes place for one more row.
func (s *Schema) open(b *Batch) {
	n := len(s.signature.Features)
	b.Numbers = extend(b.Numbers, n)
	if s.texts {
		b.Texts = extend(b.Texts, n)
	}
	b.N++
}

// drop takes the last row out again.
func (s *Schema) drop(b *Batch) {
	b.N--
	b.Numbers = b.Numbers[:b.N*len(s.signature.Features)]
	if s.texts {
		b.Texts = b.Texts[:len(b.Numbers)]
	}
}

// extend appends n zero values.
func extend[T any](s []T, n int) []T {
	if cap(s)-len(s) < n {
		s = append(s, make([]T, n)...)
	} else {
		s = s[:len(s)+n]
		clear(s[len(s)-n:])
	}
	return s
}

// JSON reads one row, the next value of d, into the batch. Its error is a
// *Fault, or the decoder's own where the value is not JSON.
func (s *Schema) JSON(d *jsontext.Decoder, b *Batch) error {
	s.open(b)
	err := s.read(d, b)
	if err != nil {
		s.drop(b)
	}
	return err
}

func (s *Schema) read(d *jsontext.Decoder, b *Batch) error {
	switch kind := d.PeekKind(); {
	case kind == '[':
		return s.array(d, b)
	case kind == '{' && s.index == nil:
		return &Fault{"", "this model knows no feature names", fmt.Sprintf("Send an array of %d %s.", len(s.signature.Features), s.plural())}
	case kind == '{':
		return s.byName(d, b)
	default:
		if err := d.SkipValue(); err != nil {
			return err
		}
		return &Fault{"", "expected an array of " + s.plural(), ""}
	}
}

// plural is what a row is made of, in a word.
func (s *Schema) plural() string {
	for _, f := range s.signature.Features {
		if f.Kind != model.Number {
			return "values"
		}
	}
	return "numbers"
}

func (s *Schema) array(d *jsontext.Decoder, b *Batch) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	want, count := len(s.signature.Features), 0
	for ; d.PeekKind() != ']'; count++ {
		if count >= want { // it is refused, but first it must be JSON
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := s.value(d, b, count, false); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	if count != want {
		return &Fault{"", fmt.Sprintf("expected %d values, got %d", want, count), ""}
	}
	return nil
}

func (s *Schema) byName(d *jsontext.Decoder, b *Batch) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	features := s.signature.Features
	b.given = extend(b.given[:0], len(features))
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		i, ok := s.index[token.String()]
		if !ok {
			return &Fault{"." + model.Clip(token.String()), "this model has no such feature", "Its features are " + list(s.signature.Names()) + "."}
		}
		if err := s.value(d, b, i, true); err != nil {
			return err
		}
		b.given[i] = true
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	var absent []string
	for i, given := range b.given {
		if !given && features[i].Kind != model.Unused {
			absent = append(absent, features[i].Name)
		}
	}
	if absent == nil {
		return nil
	}
	next := "Send a number for every feature."
	if s.missing || s.plural() != "numbers" {
		next = "Send a value for every feature; null where it may be missing."
	}
	return &Fault{"", "missing: " + list(absent), next}
}

// value reads feature i of the last row.
func (s *Schema) value(d *jsontext.Decoder, b *Batch, i int, named bool) error {
	kind := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil {
		if word := nonFinite(d.UnreadBuffer()); word != "" {
			return s.fault(i, named, word+" is not a number in JSON"+s.unlessMissing(i), s.sendNumber(i))
		}
		return err
	}
	cell := len(b.Numbers) - len(s.signature.Features) + i
	feature := &s.signature.Features[i]
	switch {
	case feature.Kind == model.Unused:
	case kind == 'n' && feature.Missing:
		b.Numbers[cell] = math.NaN()
	case feature.Kind == model.Number && kind == '0':
		if b.Numbers[cell], err = strconv.ParseFloat(string(raw), 64); err != nil {
			return s.fault(i, named, model.Clip(string(raw))+" is outside the range of a 64-bit float", "Send a number between -1.8e308 and 1.8e308.")
		}
	case feature.Kind == model.Text && kind == '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return err
		}
		b.Texts[cell] = string(text)
	case (feature.Kind == model.Bool || feature.Kind == model.Number) && (kind == 't' || kind == 'f'):
		if kind == 't' {
			b.Numbers[cell] = 1
		}
	default:
		return s.fault(i, named, "expected "+wanted(feature.Kind)+", got "+describe(kind), s.advice(feature.Kind, kind))
	}
	return nil
}

func (s *Schema) fault(i int, named bool, message, next string) *Fault {
	return &Fault{s.place(i, named), message, next}
}

// place is where a feature stands in a row.
func (s *Schema) place(i int, named bool) string {
	if named {
		return "." + s.signature.Features[i].Name
	}
	return "[" + strconv.Itoa(i) + "]"
}

// Unanswerable puts what an engine says of a row into a fault. The place is a
// name where the model knows names.
func (s *Schema) Unanswerable(u *model.Unanswerable) *Fault {
	const next = "Send a value that the model was fitted on, or fit it so that it takes others."
	if u.Feature < 0 || u.Feature >= len(s.signature.Features) {
		return &Fault{"", u.Reason, next}
	}
	return s.fault(u.Feature, s.signature.Named, u.Reason, next)
}

func (s *Schema) unlessMissing(i int) string {
	if s.signature.Features[i].Missing {
		return ""
	}
	return ", and this model takes no missing values"
}

func (s *Schema) sendNumber(i int) string {
	if s.signature.Features[i].Missing {
		return "Send null for a missing value."
	}
	return "Send a finite number."
}

// nonFinite recognises what Python's json.dumps writes for floats that JSON
// cannot hold.
func nonFinite(rest []byte) string {
	rest = bytes.TrimLeft(rest, " \t\r\n,:")
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return word
		}
	}
	return ""
}

func wanted(kind model.Kind) string {
	return [...]string{model.Number: "a number", model.Text: "a string", model.Bool: "true or false"}[kind]
}

func describe(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	default:
		return "an object"
	}
}

func (s *Schema) advice(want model.Kind, got jsontext.Kind) string {
	switch {
	case got == 'n' && s.missing:
		return "This feature may not be missing: send " + wanted(want) + "."
	case got == 'n':
		return "This model takes no missing values: send " + wanted(want) + "."
	case got == '[':
		return "Send one row of plain " + s.plural() + " in a request."
	case want == model.Number && got == '"':
		return "Send the number without quotes."
	case want == model.Text && got == '0':
		return "Put it into quotes."
	case want == model.Number:
		return "Send a plain number."
	default:
		return "Send " + wanted(want) + "."
	}
}

func list(names []string) string {
	const shown = 20
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}
