package infer

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
)

// registerScoring has the paths of MLflow's scoring server, two of which are
// SageMaker's contract for containers, too.
func (p *Protocols) registerScoring(mux mux) {
	for _, path := range []string{"", "/models/{model}"} {
		mux.HandleFunc("POST "+path+"/invocations", p.at(route.Scoring, (*desk).invocations))
	}
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

func (d *desk) invocations(w http.ResponseWriter, r *http.Request) {
	err := d.ask(route.Scoring, w, r, choice{}, func(a *asking) error {
		schema := d.front.termsOf(a.arm.Predictor.Signature()).rows
		switch media := mediaType(r); media {
		case "text/csv":
			return readCSV(a.body, &a.batch, schema)
		case "", "application/json":
			return readScoring(a.body, &a.batch, schema)
		default:
			return troubled(http.StatusUnsupportedMediaType, "The content type is %s: send application/json or text/csv.", model.Quote(media))
		}
	}, func(a *asking) []byte {
		w.Header()["Content-Type"] = contentTypeJSON
		a.reply = appendPredictions(a.reply[:0], "predictions", a.arm.Predictor.Signature(), &a.batch)
		return a.reply
	})
	if err != nil {
		d.refuse(route.Scoring, w, err)
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
		return troubled(http.StatusBadRequest, "%s.", strings.TrimSuffix(err.Error(), "."))
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

// split is how pandas writes a data frame with orient="split". Its lists stay JSON,
// since taken apart at once they would be ten times as large.
type split struct {
	Columns jsontext.Value `json:"columns"`
	Index   jsontext.Value `json:"index"`
	Data    jsontext.Value `json:"data"`
}

// maxNames bounds the columns of a table by name; no model takes more.
const maxNames = 1 << 16

// elements calls f for each element of an array, of which there may be so many. f
// may keep it: it is a part of the array.
func elements(what string, array jsontext.Value, most int, f func(i int, v jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(array))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '[' {
		return troubled(http.StatusBadRequest, "%s is no list.", what)
	}
	for i := 0; d.PeekKind() != ']'; i++ {
		v, err := d.ReadValue()
		if err != nil { // cannot happen: the body was read as JSON
			return err
		}
		if i == most {
			return troubled(http.StatusBadRequest, "%s has more than %d elements: send fewer, or several requests.", what, most)
		}
		end := d.InputOffset()
		if err := f(i, array[end-int64(len(v)):end]); err != nil { // v is the decoder's own memory
			return err
		}
	}
	return nil
}

// readScoring reads the rows of any of the four shapes.
func readScoring(body []byte, b *rows.Batch, schema *rows.Schema) error {
	var s scoring
	if err := json.Unmarshal(body, &s, json.RejectUnknownMembers(true)); err != nil {
		return troubled(http.StatusBadRequest, "The body is not what /invocations takes: %s.", model.Clip(strings.TrimPrefix(err.Error(), "json: ")))
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
		list, err = byColumn(s.Inputs, schema)
	}
	if err != nil {
		return err
	}
	_, err = readTable(slices.Concat([]byte(`{"`+given[0]+`":`), list, []byte("}")), b, schema, given[0])
	return err
}

// placed finds for each feature the column that has its name. Other columns may
// be there, as in CSV. The names are looked at once, and not for every row: they
// may be long, and the rows many.
func placed(columns []string, schema *rows.Schema) ([]int, error) {
	s := schema.Signature()
	if !s.Named {
		return nil, troubled(http.StatusBadRequest, "This model knows no feature names: send rows of %d values, in the order that it was fitted on.", len(s.Features))
	}
	at := make(map[string]int, len(columns))
	for i, name := range columns {
		if _, twice := at[name]; twice {
			return nil, troubled(http.StatusBadRequest, "Two columns are called %s: rename or remove one of them.", model.Quote(name))
		}
		at[name] = i
	}
	places := make([]int, len(s.Features))
	for i, f := range s.Features {
		column, there := at[f.Name]
		if !there && f.Kind != model.Unused {
			return nil, troubled(http.StatusBadRequest, "There is no column %q: the model takes %s.", model.Clip(f.Name), model.Clip(strings.Join(s.Names(), ", ")))
		}
		if places[i] = column; !there {
			places[i] = -1
		}
	}
	return places, nil
}

// appendRow writes the values of a row in the model's order.
func appendRow(dst []byte, places []int, value func(column int) jsontext.Value) []byte {
	for i, column := range places {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		if column < 0 {
			dst = append(dst, "null"...)
		} else {
			dst = append(dst, value(column)...)
		}
	}
	return append(dst, ']')
}

// list makes an array of rows, in the model's order, of a data frame. Without
// names its columns are the features in their order.
func (s *split) list(schema *rows.Schema) (jsontext.Value, error) {
	var columns []string
	named := len(s.Columns) > 0 && s.Columns.Kind() != 'n'
	if named {
		err := elements("dataframe_split.columns", s.Columns, maxNames, func(_ int, v jsontext.Value) error {
			var name any // pandas numbers columns that have no name
			err := json.Unmarshal(v, &name)
			columns = append(columns, fmt.Sprint(name))
			if err != nil {
				return troubled(http.StatusBadRequest, "dataframe_split.columns: %s is no name.", model.Clip(string(v)))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(s.Data) == 0 {
		return nil, troubled(http.StatusBadRequest, "dataframe_split has no data: send its rows.")
	}
	if !schema.Signature().Named || !named {
		return s.Data, nil
	}
	places, err := placed(columns, schema)
	if err != nil {
		return nil, err
	}
	list := []byte{'['}
	values := make([]jsontext.Value, 0, len(columns))
	err = elements("dataframe_split.data", s.Data, maxRows, func(i int, row jsontext.Value) error {
		values = values[:0]
		err := elements("a row", row, len(columns), func(_ int, v jsontext.Value) error {
			values = append(values, v)
			return nil
		})
		if err != nil || len(values) != len(columns) {
			return troubled(http.StatusBadRequest, "dataframe_split.data[%d] is no row of %d values, as columns says.", i, len(columns))
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = appendRow(list, places, func(column int) jsontext.Value { return values[column] })
		return nil
	})
	return append(list, ']'), err
}

// maxColumns bounds a body by column, in bytes: its values are kept apart, each
// of which takes some ten times its size.
const maxColumns = 2 << 20

// byColumn makes rows of an object that has a list for each column.
func byColumn(inputs jsontext.Value, schema *rows.Schema) (jsontext.Value, error) {
	if len(inputs) > maxColumns {
		return nil, troubled(http.StatusBadRequest, "inputs by column are larger than %d bytes: send rows, or several requests.", maxColumns)
	}
	var given map[string][]jsontext.Value
	if err := json.Unmarshal(inputs, &given); err != nil {
		return nil, troubled(http.StatusBadRequest, "inputs is an object, and not every column is a list: %s.", model.Clip(err.Error()))
	}
	columns := slices.Sorted(maps.Keys(given))
	places, err := placed(columns, schema)
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, troubled(http.StatusBadRequest, "inputs has no columns.")
	}
	n := len(given[columns[0]])
	for _, name := range columns {
		if len(given[name]) != n {
			return nil, troubled(http.StatusBadRequest, "inputs: column %q has %d values and column %q has %d.", model.Clip(columns[0]), n, model.Clip(name), len(given[name]))
		}
	}
	if n > maxRows {
		return nil, troubled(http.StatusBadRequest, "inputs has more than %d rows: send them in several requests.", maxRows)
	}
	list := []byte{'['}
	for i := range n {
		if i > 0 {
			list = append(list, ',')
		}
		list = appendRow(list, places, func(column int) jsontext.Value { return given[columns[column]][i] })
	}
	return append(list, ']'), nil
}
