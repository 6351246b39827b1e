package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/keys"
)

// tokens are how a caller says who it is, where the server has keys; others ask for
// nothing.
var tokens = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "A token of serin's keys, where the server was started with some."}}

// tags are what the calls are sorted by, in the order in which a reader meets them.
var tags = []*huma.Tag{
	{Name: "inference", Description: "Predictions."},
	{Name: "admin", Description: "The release of the default model's next version."},
	{Name: "admin by model", Description: "The same of any model, by its name."},
	{Name: "gates", Description: "For other release tools."},
	{Name: "gates by model"},
	{Name: "signals", Description: "For who watches, restarts and routes."},
	{Name: tagV2, Description: "As KServe, Triton and MLServer answer."},
	{Name: tagV1, Description: "As KServe's V1 and TensorFlow Serving answer."},
	{Name: tagScoring, Description: "As MLflow's scoring server and SageMaker's containers answer."},
}

// correct tells of what huma cannot know: every error is a Problem, as explain makes
// it, of whatever status; and a member that is a pointer is null where there is
// nothing to point at.
func correct(d *huma.OpenAPI) {
	problems := map[string]*huma.MediaType{problemType: {Schema: d.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")}}
	for _, item := range d.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op == nil {
				continue
			}
			for _, response := range op.Responses {
				if response.Content[problemType] != nil {
					maps.Copy(response.Content, problems)
				}
			}
			if op.Responses["default"] == nil && op.Tags[0] != tagV2 && op.Tags[0] != tagV1 && op.Tags[0] != tagScoring {
				op.Responses["default"] = &huma.Response{Description: "Error", Content: maps.Clone(problems)}
			}
		}
	}
	schemas := d.Components.Schemas.Map()
	for name, schema := range schemas {
		of := d.Components.Schemas.TypeFromRef("#/components/schemas/" + name)
		if of.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(of) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if p := schema.Properties[name]; p != nil && p.Ref != "" && f.Type.Kind() == reflect.Pointer && options == "" {
				schema.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}, Description: f.Tag.Get("doc")}
			}
		}
	}
	delete(schemas, "ErrorModel")
}

// Bounds of what the description says of models that are loaded: beyond them it
// speaks of models in general.
const (
	maxShownModels   = 20
	maxShownFeatures = 200
)

// row is what the rows of a model are, and one of them.
type row struct {
	Features []struct {
		Name    string `json:"name"`
		Kind    string `json:"kind"`
		Missing bool   `json:"may_be_missing"`
	} `json:"features"`
	Example json.RawMessage `json:"example"`

	model string
}

// describe answers with the description of the API, in which the examples are of
// the models that are served at this moment, so that each can be sent as it is; and
// of no model that the key of who asks is not for.
func (r *roll) describe(general *huma.OpenAPI) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		var rows []*row
		var standard *row
		for _, m := range r.models() {
			if one := rowOf(&m); one != nil && len(rows) < maxShownModels && keys.Covers(req.Context(), m.Name) {
				rows = append(rows, one)
				if m.Default {
					standard = one
				}
			}
		}
		body, err := json.Marshal(particular(general, standard, rows))
		if err != nil { // cannot happen: it is made of texts and numbers
			writeProblem(w, codeInternal, err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
		w.Header().Set("Cache-Control", "no-cache") // another model may be loaded, or another version of it
		_, _ = w.Write(body)
	}
}

// rowOf is nil for a model that is not loaded, or has more features than a reader.
func rowOf(m *Model) *row {
	if m.Signature == nil {
		return nil
	}
	r := &row{model: m.Name}
	if err := json.Unmarshal(m.Signature(), r); err != nil || len(r.Features) > maxShownFeatures {
		return nil
	}
	return r
}

// particular is a copy of the description with examples of these models. What it
// does not change it shares.
func particular(general *huma.OpenAPI, standard *row, rows []*row) *huma.OpenAPI {
	d := *general
	d.Paths = make(map[string]*huma.PathItem, len(general.Paths))
	for path, item := range general.Paths {
		of := rows
		if !strings.Contains(path, "{model}") {
			of = nil
			if standard != nil {
				of = []*row{standard}
			}
		}
		changed := *item
		changed.Get, changed.Post = exemplary(item.Get, path, of), exemplary(item.Post, path, of)
		d.Paths[path] = &changed
	}
	return &d
}

// exemplary is an operation with examples of models that it can be asked for, or
// the operation itself without any.
func exemplary(general *huma.Operation, path string, rows []*row) *huma.Operation {
	if general == nil || len(rows) == 0 {
		return general
	}
	op := *general
	op.Parameters = make([]*huma.Param, len(general.Parameters))
	for i, p := range general.Parameters {
		if op.Parameters[i] = p; p == nameOfModel {
			named := *p
			named.Example = rows[0].model
			op.Parameters[i] = &named
		}
	}
	body := bodyFor(path)
	if body == nil || op.RequestBody == nil {
		return &op
	}
	media := &huma.MediaType{Schema: op.RequestBody.Content[jsonType].Schema, Examples: map[string]*huma.Example{}}
	if strings.HasSuffix(path, "/predict") && len(rows) == 1 {
		media.Schema = rows[0].request()
	}
	for _, r := range rows {
		if value := body(r); value != nil {
			media.Examples[r.model] = &huma.Example{Summary: "A row of " + r.model, Value: value}
		}
	}
	request := *op.RequestBody
	request.Content = maps.Clone(request.Content)
	request.Content[jsonType] = media
	op.RequestBody = &request
	return &op
}

// bodyFor makes the body of a prediction by the protocol that a path is of; nil
// for other paths.
func bodyFor(path string) func(*row) any {
	switch {
	case strings.HasSuffix(path, "/predict"):
		return func(r *row) any { return object{"features": r.Example} }
	case strings.HasSuffix(path, ":predict"), strings.HasSuffix(path, "/invocations"):
		return func(r *row) any { return object{"instances": []any{r.Example}} }
	case strings.HasSuffix(path, "/infer"):
		return (*row).tensors
	default:
		return nil
	}
}

// types are what values of a kind are in JSON. That a number may be given as true
// or false is left to those who need it.
var types = map[string]string{"number": huma.TypeNumber, "text": huma.TypeString, "bool": huma.TypeBoolean}

// request is the schema of a prediction's body, with the model's own features.
func (r *row) request() *huma.Schema {
	values := map[string]*huma.Schema{}
	var required []string
	listed := &huma.Schema{Type: huma.TypeArray, Items: anyValue(), MinItems: new(len(r.Features)), MaxItems: new(len(r.Features)), Description: "The values in this order: " + r.order() + "."}
	for _, f := range r.Features {
		if f.Name == "" {
			return requestOf(listed)
		}
		s := &huma.Schema{Type: types[f.Kind], Nullable: f.Missing}
		if s.Type == "" {
			s = &huma.Schema{Description: "Not looked at."}
		}
		if values[f.Name] = s; !f.Missing && f.Kind != "unused" {
			required = append(required, f.Name)
		}
	}
	return requestOf(&huma.Schema{
		Description: "One row: by name, or the values in the order of the features.",
		OneOf:       []*huma.Schema{{Type: huma.TypeObject, Properties: values, Required: required, AdditionalProperties: false}, listed},
	})
}

// order names the features in their order.
func (r *row) order() string {
	var words []string
	for i, f := range r.Features {
		name := f.Name
		if name == "" {
			name = fmt.Sprint(i)
		}
		words = append(words, name+" ("+f.Kind+")")
	}
	return strings.Join(words, ", ")
}

// tensors is the row in the Open Inference Protocol's words; nil where its values
// have no tensors of their own.
func (r *row) tensors() any {
	var values []any
	if json.Unmarshal(r.Example, &values) != nil {
		var byName map[string]any
		if json.Unmarshal(r.Example, &byName) != nil {
			return nil
		}
		for _, f := range r.Features {
			values = append(values, byName[f.Name])
		}
	}
	numbers, tensors := true, []any{}
	for i, f := range r.Features {
		datatype := map[string]string{"number": "FP64", "text": "BYTES", "bool": "BOOL"}[f.Kind]
		if datatype == "" || i >= len(values) || values[i] == nil {
			return nil
		}
		numbers = numbers && f.Kind == "number"
		name := f.Name
		if name == "" {
			name = fmt.Sprintf("x%d", i)
		}
		tensors = append(tensors, object{"name": name, "shape": []int{1, 1}, "datatype": datatype, "data": []any{values[i]}})
	}
	if numbers {
		tensors = []any{object{"name": "features", "shape": []int{1, len(values)}, "datatype": "FP64", "data": values}}
	}
	return object{"inputs": tensors}
}
