package infer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// parseDocument reads a body token by token into an empty batch and says what is
// wrong with it and where: 400 for what is not one JSON value, 422 for one that is
// not rows of this model. What a row is, rows knows. It tells whether the body was
// a list of rows, {"instances": [row, ...]}, and not {"features": row}.
func parseDocument(body []byte, b *rows.Batch, schema *rows.Schema) (instances bool, t *trouble) {
	d := document{body: body, json: jsontext.NewDecoder(bytes.NewReader(body)), schema: schema, batch: b}
	t = d.parse()
	return d.field == "instances", t
}

type document struct {
	body   []byte
	json   *jsontext.Decoder
	schema *rows.Schema
	batch  *rows.Batch
	field  string // features or instances, once it was read
}

func (d *document) parse() *trouble {
	if len(bytes.TrimSpace(d.body)) == 0 {
		return troubled(http.StatusBadRequest, "The body is empty: send %s.", d.schema.ExampleBody())
	}
	if d.json.PeekKind() != '{' {
		if t := d.skip(); t != nil {
			return t
		}
		return wrong("body", "expected an object", "Send "+d.schema.ExampleBody()+".")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	for d.json.PeekKind() != '}' {
		name, err := d.json.ReadToken()
		if err != nil {
			return d.malformed(err)
		}
		if t := d.member(name.String()); t != nil {
			return t
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return troubled(http.StatusBadRequest, "Something follows the JSON value: send one value in a request.")
	}
	if d.field == "" {
		return wrong("body.features", "missing", "Send "+d.schema.ExampleBody()+".")
	}
	return nil
}

func (d *document) member(field string) *trouble {
	switch {
	case field != "features" && field != "instances":
		return wrong("body."+field, "unknown field", "Send features, which is one row, or instances, which is a list of rows.")
	case d.field != "" && d.field != field:
		return wrong("body."+field, "features and instances exclude each other", "Send features, which is one row, or instances, which is a list of rows.")
	}
	d.field = field
	if field == "features" {
		return d.row("features")
	}
	return d.list()
}

// list reads the rows of instances.
func (d *document) list() *trouble {
	if d.json.PeekKind() != '[' {
		if t := d.skip(); t != nil {
			return t
		}
		return wrong("body.instances", "expected an array of rows", `Send {"instances": [row, row]}.`)
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	for d.json.PeekKind() != ']' {
		if d.batch.N == maxRows {
			return wrong("body.instances", fmt.Sprintf("more than %d rows", maxRows), "Send them in several requests.")
		}
		if t := d.row("instances[" + strconv.Itoa(d.batch.N) + "]"); t != nil {
			return t
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		return d.malformed(err)
	}
	if d.batch.N == 0 {
		return wrong("body.instances", "no rows", `Send {"instances": [row, row]}.`)
	}
	return nil
}

// row reads one row, which stands at the place.
func (d *document) row(place string) *trouble {
	err := d.schema.JSON(d.json, d.batch)
	if fault, ok := errors.AsType[*rows.Fault](err); ok {
		return wrongRow(place, fault, d.schema)
	}
	if err != nil {
		return d.malformed(err)
	}
	return nil
}

// wrongRow tells of a row that is not one of this model's.
func wrongRow(place string, f *rows.Fault, schema *rows.Schema) *trouble {
	next := f.Next
	if next == "" {
		next = "Send " + schema.ExampleBody() + "."
	}
	return wrong("body."+place+f.At, f.Message, next)
}

// skip reads over a value of the wrong kind, so that a body that is not JSON
// at all is told as that.
func (d *document) skip() *trouble {
	if err := d.json.SkipValue(); err != nil {
		return d.malformed(err)
	}
	return nil
}

func (d *document) malformed(err error) *trouble {
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
	return troubled(http.StatusBadRequest, "%s.", detail)
}

func wrong(location, message, next string) *trouble {
	return &trouble{
		status: http.StatusUnprocessableEntity,
		detail: fmt.Sprintf("%s: %s. %s", model.Clip(location), message, next),
		fields: []fieldError{{Location: model.Clip(location), Message: message}},
	}
}
