package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// described is one call of a protocol that is not ours: what its own specification
// says is not said again, but where it is, what goes in and what comes out.
type described struct {
	method, path string
	id, summary  string
	tag          string
	in           map[string]*huma.Schema // by media type; nil for no body
	out          *huma.Schema            // nil for a text, or nothing
	wrong        *huma.Schema            // the shape of an error
}

// describeProtocols puts the calls of other model servers' protocols into the
// API's description, and the few that are for machines and browsers. A test in app
// holds it against the paths that are served.
func describeProtocols(api huma.API) {
	for _, d := range protocols() {
		d.addTo(api.OpenAPI())
	}
}

func (d described) addTo(document *huma.OpenAPI) {
	operation := &huma.Operation{
		OperationID: d.id, Method: d.method, Path: d.path, Summary: d.summary, Tags: []string{d.tag},
		Responses: map[string]*huma.Response{"200": {Description: "OK"}},
	}
	if d.out != nil {
		operation.Responses["200"].Content = asJSON(d.out)
	}
	if d.wrong != nil {
		operation.Responses["default"] = &huma.Response{Description: "Error", Content: asJSON(d.wrong)}
	}
	if d.in != nil {
		operation.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		for media, schema := range d.in {
			operation.RequestBody.Content[media] = &huma.MediaType{Schema: schema}
		}
		operation.Parameters = append(operation.Parameters, timeoutHeader)
	}
	for _, p := range []*huma.Param{nameOfModel, pathText("version", "The version's name, or stable or canary."), pathText("label", "stable or canary.")} {
		if strings.Contains(d.path, "{"+p.Name+"}") {
			operation.Parameters = append(operation.Parameters, p)
		}
	}
	document.AddOperation(operation)
}

func asJSON(s *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: s}}
}

func pathText(name, description string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Description: description}
}

// timeoutHeader is how a client says how long it waits.
var timeoutHeader = &huma.Param{
	Name: "Serin-Timeout-Ms", In: "header", Schema: &huma.Schema{Type: huma.TypeInteger},
	Description: "How long the client waits for a prediction, in milliseconds from when the request arrives; then it gets 504.",
}

// like is an object that is described by its members and by an example.
func like(example any, members map[string]string) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{}, Examples: []any{example}}
	for name, description := range members {
		s.Properties[name] = &huma.Schema{Description: description}
	}
	return s
}

type object = map[string]any

// The protocols, as a reader of the description finds them.
const (
	tagV2      = "Open Inference Protocol (V2)"
	tagV1      = "V1"
	tagScoring = "MLflow and SageMaker"
)

const jsonType = "application/json"

func protocols() []described {
	one := []any{[]float64{0.5, 1.2, 0.8, 0.3, 1.1}}
	table := &huma.Schema{Type: huma.TypeString, Description: "CSV with a header."}
	// What goes in and comes out, by protocol.
	tensors := like(object{"inputs": []any{object{"name": "features", "shape": []int{1, 5}, "datatype": "FP64", "data": one[0]}}}, map[string]string{
		"id": "Comes back as it is.", "parameters": "timeout in microseconds; binary_data_output.", "inputs": "Tensors with name, shape, datatype and data, or parameters.binary_data_size.", "outputs": "Those that are wanted, by name; all if it is left out.",
	})
	answered := like(object{"model_name": "churn", "model_version": "model_v1", "outputs": []any{object{"name": "prediction", "shape": []int{1}, "datatype": "INT64", "data": []int{1}}}}, map[string]string{
		"model_name": "The model that answered.", "model_version": "The version that answered.", "id": "The request's.", "outputs": "Tensors.",
	})
	plain := like(object{"error": "There is no model \"x\": this server has \"churn\".", "code": "not_found"}, map[string]string{
		"error": "What is wrong, and what to do.", "code": "The same for programs.", "status": "Of HTTP.", "title": "Of the status.", "detail": "As error.",
	})
	instances := like(object{"instances": one}, map[string]string{"instances": "Rows, or objects by name.", "inputs": "The same, answered as outputs."})
	predictions := like(object{"predictions": []int{1}}, map[string]string{"predictions": "What predict answers for each row.", "outputs": "The same, of inputs."})
	frame := like(object{"inputs": one}, map[string]string{
		"inputs": "Rows, or a list for each column.", "instances": "Rows.", "dataframe_split": "A data frame: columns, index, data.", "dataframe_records": "Objects by name.", "params": "Passed over.",
	})
	coded := like(object{"error_code": "BAD_REQUEST", "message": "..."}, map[string]string{"error_code": "One of MLflow's.", "message": "What is wrong, and what to do."})
	anything := &huma.Schema{}
	named := func(names ...string) *huma.Schema {
		members := map[string]string{}
		for _, name := range names {
			members[name] = ""
		}
		return like(object{}, members)
	}
	json := func(s *huma.Schema) map[string]*huma.Schema { return map[string]*huma.Schema{"application/json": s} }
	const get, post, signals, v2, v1, mlflow = http.MethodGet, http.MethodPost, "signals", tagV2, tagV1, tagScoring
	all := []described{
		{get, "/healthz", "healthz", "Does the process live", signals, nil, named("status"), nil},
		{get, "/readyz", "readyz", "Are predictions welcome", signals, nil, named("status"), nil},
		{get, "/metrics", "metrics", "Read the metrics, for Prometheus", signals, nil, nil, nil},
		{get, "/openapi.json", "openapi", "Read this description", signals, nil, anything, nil},
		{get, "/docs", "docs", "Read it in a browser, and try it", signals, nil, nil, nil},
		{get, "/", "dashboard", "Open the dashboard in a browser; others are told that the server lives", signals, nil, named("status"), nil},
		{get, "/v2", "v2-server", "Describe the server", v2, nil, named("name", "version", "extensions"), nil},
		{get, "/v2/health/live", "v2-live", "Is it alive", v2, nil, named("live"), nil},
		{get, "/v2/health/ready", "v2-ready", "Is it ready", v2, nil, named("ready"), nil},
		{post, "/v2/repository/index", "v2-index", "List the versions", v2, nil, &huma.Schema{Type: huma.TypeArray, Items: named("name", "version", "state", "reason")}, nil},
		{post, "/v2/repository/models/{model}/load", "v2-load", "Load a model", v2, nil, nil, plain},
		{post, "/v2/repository/models/{model}/unload", "v2-unload", "Unload a model", v2, nil, nil, plain},
		{get, "/v1/models", "v1-models", "List the models", v1, nil, named("models"), nil},
		{get, "/ping", "ping", "Is it ready", mlflow, nil, nil, nil},
		{get, "/health", "health", "Is it ready", mlflow, nil, nil, nil},
		{get, "/version", "version", "serin's version", mlflow, nil, nil, nil},
		{get, "/signature", "signature", "What the rows of the default model are", "inference", nil, anything, nil},
		{get, "/models/{model}/signature", "signature-by-model", "What a model's rows are", "inference", nil, anything, nil},
	}
	for _, of := range []struct{ where, id string }{{"", ""}, {"/versions/{version}", "-of-version"}} {
		path := "/v2/models/{model}" + of.where
		all = append(all,
			described{get, path, "v2-model" + of.id, "Describe a model", v2, nil, named("name", "versions", "platform", "inputs", "outputs"), plain},
			described{get, path + "/ready", "v2-model-ready" + of.id, "Is a model ready", v2, nil, named("name", "ready"), plain},
			described{post, path + "/infer", "v2-infer" + of.id, "Predict", v2, map[string]*huma.Schema{
				"application/json": tensors, "application/octet-stream": {Type: huma.TypeString, Format: "binary", Description: "JSON and binary tensors; the header Inference-Header-Content-Length says where they begin."},
			}, answered, plain})
	}
	for _, of := range []struct{ where, id string }{{"", ""}, {"/versions/{version}", "-of-version"}, {"/labels/{label}", "-of-label"}} {
		path := "/v1/models/{model}" + of.where
		all = append(all,
			described{get, path, "v1-model" + of.id, "Describe a model", v1, nil, named("name", "ready", "model_version_status"), plain},
			described{post, path + ":predict", "v1-predict" + of.id, "Predict", v1, json(instances), predictions, plain})
	}
	for _, of := range []struct{ where, id string }{{"", ""}, {"/models/{model}", "-by-model"}} {
		all = append(all, described{post, of.where + "/invocations", "invocations" + of.id, "Predict", mlflow, map[string]*huma.Schema{"application/json": frame, "text/csv": table}, predictions, coded})
	}
	return all
}
