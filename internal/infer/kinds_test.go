package infer

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/route"
)

// shop answers how many of its texts it was fitted on; a text that it was not
// has no answer.
type shop struct{ signature model.Signature }

func (s *shop) Signature() *model.Signature { return &s.signature }

func (s *shop) Predict(in model.Rows, out model.Answers) error {
	if in.Texts[1] != "gold" && in.Texts[1] != "basic" {
		return &model.Unanswerable{Feature: 1, Reason: fmt.Sprintf("the value %q was not among those that the model was fitted on", in.Texts[1])}
	}
	out.Values[0] = in.Numbers[0] + in.Numbers[2]
	if math.IsNaN(in.Numbers[0]) {
		out.Values[0] = -1
	}
	return nil
}

func TestTextsBoolsAndMissingValues(t *testing.T) {
	t.Parallel()
	signature := model.Signature{
		Features: []model.Feature{
			{Name: "tenure", Missing: true},
			{Name: "plan", Kind: model.Text, Known: []model.Label{`"gold"`, `"basic"`}},
			{Name: "paid", Kind: model.Bool},
		},
		Named: true, Task: model.Regression, Values: model.Quantities, Outputs: 1,
	}
	arm := armFor(&shop{signature}, route.Stable)
	h := handlerFor(&route.Table{Stable: arm})
	for _, tt := range []struct{ features, want string }{
		{`[2, "gold", true]`, `200 {"prediction":3,"model`},
		{`[true, "gold", true]`, `200 {"prediction":2,"model`},
		{`[null, "basic", false]`, `200 {"prediction":-1,"model`},
		{`{"paid": false, "plan": "g\u006fld", "tenure": 7}`, `200 {"prediction":7,"model`},
		{`[1e308, "gold", "yes"]`, `422 body.features[2]: expected true or false, got a string. Send true or false.`},
		{`[2, null, true]`, `422 body.features[1]: expected a string, got null. This feature may not be missing: send a string.`},
		{`[2, 7, true]`, `422 body.features[1]: expected a string, got a number. Put it into quotes.`},
		{`[NaN, "gold", true]`, `422 body.features[0]: NaN is not a number in JSON. Send null for a missing value.`},
		{`[2, "platinum", true]`, `422 body.features.plan: the value "platinum" was not among those that the model was fitted on. Send a value that the model was fitted on, or fit it so that it takes others.`},
		{`{"plan": "gold"}`, `422 body.features: missing: tenure, paid. Send a value for every feature; null where it may be missing.`},
		{`[2]`, `422 body.features: expected 3 values, got 1. Send {"features": [0.5, "gold", true]}.`},
	} {
		w := post(h, `{"features": `+tt.features+`}`)
		got := w.Body.String()
		var p problem
		if w.Code != http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || len(p.Errors) != 1 {
				t.Errorf("%s: no location: %s", tt.features, got)
			}
			got = p.Detail
		}
		if got = fmt.Sprintf("%d %s", w.Code, got); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s:\n got %s\nwant %s", tt.features, got, tt.want)
		}
	}
	if seen := arm.Evidence.Snapshot(); seen.Count != 4 || seen.Failures != 1 {
		t.Errorf("%d observations and %d failures; the unknown plan alone is the arm's", seen.Count, seen.Failures)
	}
}

// TestNoAnswerThatJSONCannotHold, in whichever of several numbers it is.
func TestNoAnswerThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	for _, values := range [][]float64{{math.Inf(1), 0}, {0, math.NaN()}} {
		s := model.Signature{Features: model.Numbers(1, nil), Values: model.Quantities, Task: model.Regression, Outputs: 2}
		arm := armFor(&pair{s, values}, route.Stable)
		if w := post(handlerFor(&route.Table{Stable: arm}), `{"features": [1]}`); w.Code != http.StatusUnprocessableEntity || arm.Evidence.Snapshot().Failures != 1 {
			t.Errorf("%v: %d %s", values, w.Code, w.Body)
		}
	}
}

type pair struct {
	signature model.Signature
	values    []float64
}

func (p *pair) Signature() *model.Signature { return &p.signature }

func (p *pair) Predict(_ model.Rows, out model.Answers) error {
	copy(out.Values, p.values)
	return nil
}
