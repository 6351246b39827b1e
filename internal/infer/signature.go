package infer

import (
	"encoding/json"
	"net/http"

	"serin/internal/model"
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
	body := d.front.Signature(d.name)
	if body == nil {
		d.front.refuse(route.Native, w, d.front.away.Load())
		return
	}
	w.Header()["Content-Type"] = contentTypeJSON
	_, _ = w.Write(body)
}

// Signature is what GET /signature answers of the handler's model, which goes by
// a name; nil while no version of it is on the table.
func (h *Handler) Signature(name string) []byte {
	table := h.table.Table()
	if table == nil {
		return nil
	}
	s := table.Stable.Predictor.Signature()
	out := signature{
		Model: name, Version: table.Stable.Version.Name, Library: s.Library, Estimator: s.Estimator, Task: s.Task.String(), Answers: s.Values.String(),
		Outputs: s.Outputs, Classes: labelsOf(s.Classes), Example: json.RawMessage(h.termsOf(s).rows.Example()),
	}
	for _, f := range s.Features {
		out.Features = append(out.Features, feature{f.Name, f.Kind.String(), f.Missing, labelsOf(f.Known)})
	}
	return encoded(out)
}

// labelsOf are labels, which are JSON already.
func labelsOf(labels []model.Label) []json.RawMessage {
	var out []json.RawMessage
	for _, l := range labels {
		out = append(out, json.RawMessage(l))
	}
	return out
}
