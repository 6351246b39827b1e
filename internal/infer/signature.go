package infer

import (
	"encoding/json"
	"net/http"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
)

// signature is what stable takes and answers, for clients that arrange rows or
// name the columns of an answer. A canary's is compatible.
type signature struct {
	Model     string            `json:"model"`
	Version   string            `json:"version"`
	Library   string            `json:"library"`
	Estimator string            `json:"estimator"`
	Task      string            `json:"task"`
	Answers   string            `json:"answers"` // probabilities, scores or quantities
	Outputs   int               `json:"outputs"` // how many of them a row gets
	Classes   []json.RawMessage `json:"classes,omitempty"`
	Features  []feature         `json:"features"`
	Example   json.RawMessage   `json:"example"` // a row
}

type feature struct {
	Name    string            `json:"name,omitempty"` // where the model knows names
	Kind    string            `json:"kind"`
	Missing bool              `json:"may_be_missing"`
	Known   []json.RawMessage `json:"known,omitempty"` // the values that it was fitted on
}

// signature answers GET /signature and GET /models/NAME/signature.
func (d *desk) signature(w http.ResponseWriter, _ *http.Request) {
	arm, _, err := d.choose(choice{})
	if err != nil {
		d.front.refuse(route.Native, w, err)
		return
	}
	s := arm.Predictor.Signature()
	out := signature{
		Model: d.name, Version: arm.Version.Name, Library: s.Library, Estimator: s.Estimator, Task: s.Task.String(), Answers: s.Values.String(),
		Outputs: s.Outputs, Classes: labelsOf(s.Classes), Example: json.RawMessage(rows.NewSchema(s).Example()),
	}
	for _, f := range s.Features {
		out.Features = append(out.Features, feature{f.Name, f.Kind.String(), f.Missing, labelsOf(f.Known)})
	}
	writeJSON(w, http.StatusOK, out)
}

// labelsOf are labels, which are JSON already.
func labelsOf(labels []model.Label) []json.RawMessage {
	var out []json.RawMessage
	for _, l := range labels {
		out = append(out, json.RawMessage(l))
	}
	return out
}
