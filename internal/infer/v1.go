package infer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
)

// registerV1 has the paths of KServe's first protocol, which is that of
// TensorFlow Serving's REST API.
func (p *Protocols) registerV1(mux mux) {
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"models": p.desks.Load().names(strings.Clone)})
	})
	for _, where := range []string{"", "/versions/{version}", "/labels/{label}"} {
		// The last element has a verb behind its colon: churn:predict.
		path := "/v1/models/{model}" + where
		mux.HandleFunc("GET "+path, p.at(route.V1, (*desk).statusV1))
		mux.HandleFunc("POST "+path, p.at(route.V1, (*desk).predictV1))
	}
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		p.lost.refuse(route.V1, w, troubled(http.StatusNotFound, "There is no %s %s: predictions are at POST /v1/models/NAME:predict.", r.Method, model.Clip(r.URL.Path)))
	})
}

// askedV1 takes the verb off the path's last element.
func askedV1(r *http.Request) (to choice, verb string) {
	to = asked(r)
	switch {
	case to.version != "":
		to.version, verb, _ = strings.Cut(to.version, ":")
	case to.label != "":
		to.label, verb, _ = strings.Cut(to.label, ":")
	default:
		_, verb, _ = strings.Cut(r.PathValue("model"), ":")
	}
	return to, verb
}

func (d *desk) statusV1(w http.ResponseWriter, r *http.Request) {
	to, verb := askedV1(r)
	arm, dealer, err := d.choose(to)
	switch {
	case verb != "":
		d.refuse(route.V1, w, troubled(http.StatusMethodNotAllowed, "POST what is to be predicted."))
		return
	case err != nil:
		d.refuse(route.V1, w, err)
		return
	}
	type version struct {
		Version string            `json:"version"`
		Label   string            `json:"label"`
		State   string            `json:"state"`
		Status  map[string]string `json:"status"`
	}
	available := []version{{arm.Version.Name, string(arm.Role), "AVAILABLE", map[string]string{"error_code": "OK", "error_message": ""}}}
	if dealer != nil && dealer.Canary != nil {
		available = append(available, version{dealer.Canary.Version.Name, string(dealer.Canary.Role), "AVAILABLE", available[0].Status})
	}
	// KServe reads name and ready, TensorFlow Serving model_version_status.
	writeJSON(w, http.StatusOK, map[string]any{"name": d.name, "ready": true, "model_version_status": available})
}

func (d *desk) predictV1(w http.ResponseWriter, r *http.Request) {
	to, verb := askedV1(r)
	if verb != "predict" {
		d.refuse(route.V1, w, troubled(http.StatusNotFound, "The verb %q is not served: POST to /v1/models/%s:predict.", model.Clip(verb), d.name))
		return
	}
	var table *tableOfRows
	err := d.ask(route.V1, w, r, to, func(a *asking) (err error) {
		table, err = readTable(a.body, &a.batch, d.front.termsOf(a.arm.Predictor.Signature()).rows, "instances", "inputs")
		return err
	}, func(a *asking) []byte {
		w.Header()["Content-Type"] = contentTypeJSON
		member := map[string]string{"instances": "predictions", "inputs": "outputs"}[table.member]
		a.reply = appendPredictions(a.reply[:0], member, a.arm.Predictor.Signature(), &a.batch)
		return a.reply
	})
	if err != nil {
		d.refuse(route.V1, w, err)
	}
}

// appendPredictions lists what predict answers for each row: a class, a number,
// or a list of numbers.
func appendPredictions(dst []byte, member string, s *model.Signature, b *rows.Batch) []byte {
	dst = append(append(append(dst, `{"`...), member...), `":[`...)
	for i := range b.N {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch values := b.Values(s, i); {
		case s.Task == model.Classification:
			dst = append(dst, s.Classes[b.Answers.Classes[i]]...)
		case len(values) == 1:
			dst = rows.AppendNumber(dst, values[0])
		default:
			dst = rows.AppendNumbers(dst, values)
		}
	}
	return append(dst, `]}`...)
}

// tableOfRows is a JSON object with rows in one of its members.
type tableOfRows struct {
	member string
	d      *jsontext.Decoder
	schema *rows.Schema
	batch  *rows.Batch
}

// readTable reads the rows of the one member that is there of those that may be.
// Its errors are *trouble.
func readTable(body []byte, b *rows.Batch, schema *rows.Schema, members ...string) (*tableOfRows, error) {
	t := &tableOfRows{d: jsontext.NewDecoder(bytes.NewReader(body)), schema: schema, batch: b}
	err := t.read(members)
	if err == nil && t.member == "" {
		err = troubled(http.StatusBadRequest, "The body has none of %s: send rows such as {%q: [[...], [...]]}.", strings.Join(members, ", "), members[0])
	}
	if err == nil && b.N == 0 {
		err = troubled(http.StatusBadRequest, "%s has no rows.", t.member)
	}
	if err == nil {
		return t, nil
	}
	if known, ok := errors.AsType[*trouble](err); ok {
		return nil, known
	}
	return nil, troubled(http.StatusBadRequest, "The body is not JSON at byte %d: %s.", t.d.InputOffset(), syntax(err))
}

func syntax(err error) string {
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return strings.TrimPrefix(syntactic.Err.Error(), "jsontext: ")
	}
	return strings.TrimPrefix(err.Error(), "jsontext: ")
}

func (t *tableOfRows) read(members []string) error {
	if t.d.PeekKind() != '{' {
		if err := t.d.SkipValue(); err != nil {
			return err
		}
		return troubled(http.StatusBadRequest, "The body is no object: send {%q: [[...], [...]]}.", members[0])
	}
	if _, err := t.d.ReadToken(); err != nil {
		return err
	}
	for t.d.PeekKind() != '}' {
		token, err := t.d.ReadToken()
		if err != nil {
			return err
		}
		name, ours := token.String(), false
		for _, member := range members {
			ours = ours || name == member
		}
		switch {
		case !ours: // signature_name, params and the like
			err = t.d.SkipValue()
		case t.member != "":
			err = troubled(http.StatusBadRequest, "The body has both %s and %s: send one of them.", t.member, name)
		default:
			t.member = name
			err = t.rows()
		}
		if err != nil {
			return err
		}
	}
	if _, err := t.d.ReadToken(); err != nil {
		return err
	}
	if _, err := t.d.ReadToken(); !errors.Is(err, io.EOF) {
		return troubled(http.StatusBadRequest, "Something follows the JSON object.")
	}
	return nil
}

// rows reads an array of rows, or an array of objects by name.
func (t *tableOfRows) rows() error {
	if t.d.PeekKind() != '[' {
		if err := t.d.SkipValue(); err != nil {
			return err
		}
		return troubled(http.StatusBadRequest, "%s is no array of rows.", t.member)
	}
	if _, err := t.d.ReadToken(); err != nil {
		return err
	}
	for t.d.PeekKind() != ']' {
		if t.batch.N == maxRows {
			return troubled(http.StatusBadRequest, "%s has more than %d rows: send them in several requests.", t.member, maxRows)
		}
		place := fmt.Sprintf("%s[%d]", t.member, t.batch.N)
		if err := t.schema.JSON(t.d, t.batch); err != nil {
			if f, ok := errors.AsType[*rows.Fault](err); ok {
				return troubled(http.StatusBadRequest, "%s%s: %s. %s", place, model.Clip(f.At), f.Message, f.Next)
			}
			return err
		}
	}
	_, err := t.d.ReadToken()
	return err
}
