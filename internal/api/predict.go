package api

import (
	"maps"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// requestOf is the body of a prediction whose rows are like this.
func requestOf(row *huma.Schema) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Description: "Either features, which is one row, or instances.",
		Properties: map[string]*huma.Schema{"features": row, "instances": {Type: huma.TypeArray, Items: row, Description: "Rows; all of them are answered by the same arm."}},
		OneOf:      []*huma.Schema{{Required: []string{"features"}}, {Required: []string{"instances"}}},
	}
}

// anyValue is a value of a row of any model.
func anyValue() *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString}, {Type: huma.TypeBoolean}, {Type: "null"}}}
}

// describePredict puts POST /predict into the API's description. Its handler is
// not huma's, for speed, so it is described by hand, as are the protocols'; a
// test in app holds it against a real answer.
func describePredict(api huma.API) {
	number := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeNumber, Description: description}
	}
	text := func(description string, values ...any) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description, Enum: values}
	}
	request := requestOf(&huma.Schema{
		Description: "One row: values in the model's order, or by name where the model knows names. A value is a number, a string or a boolean, as the feature is; true and false are 1 and 0 where it is a number; null where it may be missing.",
		OneOf:       []*huma.Schema{{Type: huma.TypeArray, Items: anyValue()}, {Type: huma.TypeObject, AdditionalProperties: anyValue()}},
	})
	of := func() map[string]*huma.Schema {
		return map[string]*huma.Schema{
			"probability":   number("Of the second class if there are two, else of the predicted one."),
			"prediction":    {Description: "The predicted class, as the model has it: a number, a string or a boolean; of a regression its number, or numbers."},
			"probabilities": {Type: huma.TypeArray, Items: number(""), Description: "With more than two classes: of each, in the model's order."},
			"score":         number("Of a model without probabilities and with two classes: its decision function, above 0 for the second."),
			"scores":        {Type: huma.TypeArray, Items: number(""), Description: "And with more classes: of each, in the model's order."},
		}
	}
	answer := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"model_used", "model_version", "latency_ms"},
		Properties: map[string]*huma.Schema{
			"predictions":   {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, Properties: of()}, Description: "Of instances: an answer for each row."},
			"model_used":    text("Which arm answered.", "stable", "canary"),
			"model_version": text("The name of its version."),
			"latency_ms":    number("From the routed request to the finished prediction."),
		},
	}
	maps.Copy(answer.Properties, of())
	problem := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	operation := huma.Operation{
		OperationID: "predict", Method: http.MethodPost, Path: "/predict", Summary: "Predict", Tags: []string{"inference"},
		Description: "Answers with stable or, for its share of the requests, with the canary.",
		Parameters:  []*huma.Param{timeoutHeader},
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/json":     {Schema: request},
			"application/x-ndjson": {Schema: text("A stream of rows, one a line, answered line by line.")},
			"text/csv":             {Schema: text("A stream of rows with a header.")},
		}},
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: answer}}},
			"default": {Description: "Error", Content: map[string]*huma.MediaType{problemType: {Schema: problem}}},
		},
	}
	named := operation
	named.OperationID, named.Path, named.Summary = "predict-by-model", "/models/{model}/predict", "Predict with a model"
	named.Parameters = []*huma.Param{timeoutHeader, nameOfModel}
	api.OpenAPI().AddOperation(&operation)
	api.OpenAPI().AddOperation(&named)
}
