package infer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// parseDocument reads a body token by token and says what is wrong with it and
// where: 400 for what is not one JSON value, 422 for one that is not a row of
// this model.
func parseDocument(body []byte, row []float64, signature *model.Signature) ([]float64, *problem) {
	d := document{body: body, json: jsontext.NewDecoder(bytes.NewReader(body)), signature: signature, row: row}
	p := d.parse()
	return d.row, p
}

type document struct {
	body      []byte
	json      *jsontext.Decoder
	signature *model.Signature
	row       []float64
}

func (d *document) parse() *problem {
	if len(bytes.TrimSpace(d.body)) == 0 {
		return &problem{Status: http.StatusBadRequest, Detail: "The body is empty: send " + d.example() + "."}
	}
	if d.json.PeekKind() != '{' {
		if p := d.skip(); p != nil {
			return p
		}
		return d.wrong("body", "expected an object", "Send "+d.example()+".")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	seen := false
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return d.malformed(err)
		}
		if field := name.String(); field != "features" {
			return d.wrong("body."+field, "unknown field", "The only field is features.")
		}
		seen = true
		if p := d.features(); p != nil {
			return p
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return &problem{Status: http.StatusBadRequest, Detail: "Something follows the JSON value: send one value in a request."}
	}
	if !seen {
		return d.wrong("body.features", "missing", "Send "+d.example()+".")
	}
	return nil
}

func (d *document) features() *problem {
	switch d.json.PeekKind() {
	case '[':
		return d.array()
	case '{':
		if !d.signature.Named {
			return d.wrong("body.features", "this model knows no feature names", fmt.Sprintf("Send an array of %d numbers.", len(d.signature.Features)))
		}
		return d.byName()
	default:
		if p := d.skip(); p != nil {
			return p
		}
		return d.wrong("body.features", "expected an array of numbers", "Send "+d.example()+".")
	}
}

func (d *document) array() *problem {
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	count := 0
	for ; d.json.PeekKind() != ']'; count++ {
		value, p := d.value("body.features[" + strconv.Itoa(count) + "]")
		if p != nil {
			return p
		}
		if count < len(d.signature.Features) { // a longer row is refused, not kept
			d.row = append(d.row, value)
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	if count != len(d.signature.Features) {
		return d.wrong("body.features", fmt.Sprintf("expected %d values, got %d", len(d.signature.Features), count), "Send "+d.example()+".")
	}
	return nil
}

func (d *document) byName() *problem {
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	names := d.signature.Names()
	d.row = append(d.row[:0], make([]float64, len(names))...)
	given := make([]bool, len(names))
	for d.json.PeekKind() != '}' {
		token, err := d.json.ReadToken()
		if err != nil {
			return d.malformed(err)
		}
		name := token.String()
		i := slices.Index(names, name)
		if i < 0 {
			return d.wrong("body.features."+name, "this model has no such feature", "Its features are "+list(names)+".")
		}
		value, p := d.value("body.features." + name)
		if p != nil {
			return p
		}
		d.row[i], given[i] = value, true
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	var missing []string
	for i, ok := range given {
		if !ok {
			missing = append(missing, names[i])
		}
	}
	if missing != nil {
		return d.wrong("body.features", "missing: "+list(missing), "Send a number for every feature.")
	}
	return nil
}

// value reads one number of the row.
func (d *document) value(location string) (float64, *problem) {
	kind := d.json.PeekKind()
	start := d.json.InputOffset()
	raw, err := d.json.ReadValue()
	if err != nil {
		if word := nonFinite(d.body[start:]); word != "" {
			return 0, d.wrong(location, word+" is not a number in JSON, and this model takes no missing values", "Send a finite number.")
		}
		return 0, d.malformed(err)
	}
	if kind != '0' {
		return 0, d.wrong(location, "expected a number, got "+describe(kind), advice(kind))
	}
	value, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, d.wrong(location, clip(string(raw))+" is outside the range of a 64-bit float", "Send a number between -1.8e308 and 1.8e308.")
	}
	return value, nil
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

func describe(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '[':
		return "an array"
	default:
		return "an object"
	}
}

func advice(kind jsontext.Kind) string {
	switch kind {
	case 'n':
		return "This model takes no missing values: send a number."
	case '"':
		return "Send the number without quotes."
	case '[':
		return "Send one row of plain numbers in a request."
	default:
		return "Send a plain number."
	}
}

// skip reads over a value of the wrong kind, so that a body that is not JSON
// at all is told as that.
func (d *document) skip() *problem {
	if err := d.json.SkipValue(); err != nil {
		return d.malformed(err)
	}
	return nil
}

func (d *document) malformed(err error) *problem {
	detail := "The body is not JSON"
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		detail += fmt.Sprintf(" at byte %d", syntactic.ByteOffset)
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			detail = fmt.Sprintf("The body names a field twice, again at byte %d", syntactic.ByteOffset)
		case errors.Is(err, io.ErrUnexpectedEOF):
			detail += ": it ends too early"
		default:
			detail += ": " + strings.TrimPrefix(syntactic.Err.Error(), "jsontext: ")
		}
	}
	return &problem{Status: http.StatusBadRequest, Detail: detail + "."}
}

func (d *document) wrong(location, message, next string) *problem {
	return &problem{
		Status: http.StatusUnprocessableEntity,
		Detail: fmt.Sprintf("%s: %s. %s", clip(location), message, next),
		Errors: []fieldError{{Location: clip(location), Message: message}},
	}
}

// example is a body that this model takes.
func (d *document) example() string {
	const shown = 8
	n := len(d.signature.Features)
	row := strings.TrimSuffix(strings.Repeat("0.5, ", min(n, shown)), ", ")
	if n > shown {
		return fmt.Sprintf(`{"features": [%s, ...]} with %d numbers`, row, n)
	}
	return fmt.Sprintf(`{"features": [%s]}`, row)
}

func list(names []string) string {
	const shown = 20
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + fmt.Sprintf(" and %d more", len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// clip bounds what of a client's own text is sent back to it.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
