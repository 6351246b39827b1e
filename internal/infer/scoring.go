package infer

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model/rows"
)

// registerScoring has the paths of MLflow's scoring server, two of which are
// SageMaker's contract for containers, too.
func (p *Protocols) registerScoring(mux *http.ServeMux) {
	mux.HandleFunc("POST /invocations", p.invocations)
	for _, path := range []string{"GET /ping", "GET /health"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if !p.ready() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, "\n")
		})
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, p.server)
	})
}

func (p *Protocols) invocations(w http.ResponseWriter, r *http.Request) {
	err := p.ask(w, r, choice{}, func(a *asking) error {
		schema := p.front.schemaOf(a.arm.Predictor.Signature())
		switch media := mediaType(r); media {
		case "text/csv":
			return readCSV(a.body, &a.batch, schema)
		case "", "application/json":
			return readScoring(a.body, &a.batch, schema)
		default:
			return troubled(http.StatusUnsupportedMediaType, "The content type is %q: send application/json or text/csv.", clip(media))
		}
	}, func(a *asking) []byte {
		w.Header()["Content-Type"] = contentTypeJSON
		a.reply = appendPredictions(a.reply[:0], "predictions", a.arm.Predictor.Signature(), &a.batch)
		return a.reply
	})
	if err != nil {
		t := p.troubleOf(err)
		p.front.refused[t.status].Add(1)
		code := strings.ReplaceAll(strings.ToUpper(http.StatusText(t.status)), " ", "_")
		writeJSON(w, t.status, map[string]string{"error_code": code, "message": t.detail})
	}
}

func mediaType(r *http.Request) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// readCSV reads a table with a header.
func readCSV(body []byte, b *rows.Batch, schema *rows.Schema) error {
	table, err := rows.NewSource("body.csv", bytes.NewReader(body), schema)
	if err == nil {
		err = table.All(b, maxRows)
	}
	if err != nil {
		return troubled(http.StatusBadRequest, "%s.", clip(err.Error()))
	}
	return nil
}

// scoring is a body of /invocations: exactly one of the first four, and params,
// which no model of ours has a use for.
type scoring struct {
	Split     *split         `json:"dataframe_split"`
	Records   jsontext.Value `json:"dataframe_records"`
	Instances jsontext.Value `json:"instances"`
	Inputs    jsontext.Value `json:"inputs"`
	Params    jsontext.Value `json:"params"`
}

// split is how pandas writes a data frame with orient="split".
type split struct {
	Columns []any            `json:"columns"`
	Index   jsontext.Value   `json:"index"`
	Data    []jsontext.Value `json:"data"`
}

// readScoring reads the rows of any of the four shapes.
func readScoring(body []byte, b *rows.Batch, schema *rows.Schema) error {
	var s scoring
	if err := json.Unmarshal(body, &s, json.RejectUnknownMembers(true)); err != nil {
		return troubled(http.StatusBadRequest, "The body is not what /invocations takes: %s.", clip(strings.TrimPrefix(err.Error(), "json: ")))
	}
	var given []string
	for name, there := range map[string]bool{
		"dataframe_split": s.Split != nil, "dataframe_records": s.Records != nil, "instances": s.Instances != nil, "inputs": s.Inputs != nil,
	} {
		if there {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		slices.Sort(given)
		return troubled(http.StatusBadRequest, "The body must have exactly one of dataframe_split, dataframe_records, instances and inputs; it has %d: %s.", len(given), strings.Join(given, ", "))
	}
	list := slices.Concat(s.Records, s.Instances, s.Inputs) // the two that are absent are empty
	var err error
	switch {
	case s.Split != nil:
		list, err = s.Split.list(schema)
	case s.Inputs.Kind() == '{':
		list, err = byColumn(s.Inputs)
	}
	if err != nil {
		return err
	}
	_, err = readTable(slices.Concat([]byte(`{"`+given[0]+`":`), list, []byte("}")), b, schema, given[0])
	return err
}

// list makes an array of rows of a data frame: arrays where the columns stand
// in the model's order, or the model knows no names, else objects.
func (s *split) list(schema *rows.Schema) (jsontext.Value, error) {
	if len(s.Data) > maxRows {
		return nil, troubled(http.StatusBadRequest, "dataframe_split.data has more than %d rows: send them in several requests.", maxRows)
	}
	names := schema.Signature().Names()
	columns := make([]string, len(s.Columns))
	for i, c := range s.Columns { // pandas numbers columns that have no name
		columns[i] = fmt.Sprint(c)
	}
	if names == nil || s.Columns == nil || slices.Equal(names, columns) {
		return json.Marshal(s.Data)
	}
	objects := make([]map[string]jsontext.Value, 0, len(s.Data))
	for i, row := range s.Data {
		var values []jsontext.Value
		if err := json.Unmarshal(row, &values); err != nil || len(values) != len(columns) {
			return nil, troubled(http.StatusBadRequest, "dataframe_split.data[%d] is no row of %d values, as columns says.", i, len(columns))
		}
		object := make(map[string]jsontext.Value, len(values))
		for k, v := range values {
			object[columns[k]] = v
		}
		objects = append(objects, object)
	}
	return json.Marshal(objects, json.Deterministic(true))
}

// maxColumns bounds a body by column, in bytes, which takes many times its size
// to turn round.
const maxColumns = 2 << 20

// byColumn makes rows of an object that has a list for each column.
func byColumn(inputs jsontext.Value) (jsontext.Value, error) {
	if len(inputs) > maxColumns {
		return nil, troubled(http.StatusBadRequest, "inputs by column are larger than %d bytes: send rows, or several requests.", maxColumns)
	}
	var columns map[string][]jsontext.Value
	if err := json.Unmarshal(inputs, &columns); err != nil {
		return nil, troubled(http.StatusBadRequest, "inputs is an object, and not every column is a list: %s.", clip(err.Error()))
	}
	n := -1
	for name, values := range columns {
		if n < 0 {
			n = len(values)
		}
		if len(values) != n {
			return nil, troubled(http.StatusBadRequest, "inputs: column %q has %d values and another has %d.", clip(name), len(values), n)
		}
	}
	if n > maxRows {
		return nil, troubled(http.StatusBadRequest, "inputs has more than %d rows: send them in several requests.", maxRows)
	}
	objects := make([]map[string]jsontext.Value, max(n, 0))
	for i := range objects {
		objects[i] = make(map[string]jsontext.Value, len(columns))
		for name, values := range columns {
			objects[i][name] = values[i]
		}
	}
	return json.Marshal(objects, json.Deterministic(true))
}
