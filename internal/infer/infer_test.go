package infer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// sum answers with a probability made from the row; it panics on request, as
// no loaded model may.
type sum struct{ signature model.Signature }

func (s *sum) Signature() *model.Signature { return &s.signature }

func (s *sum) Predict(in model.Rows, out model.Answers) error {
	probs, class := out.Values, out.Classes
	total := 0.0
	for _, v := range in.Numbers {
		total += v
	}
	if total == 666 {
		panic("the beast")
	}
	clear(probs)
	probs[1] = 1 / (1 + math.Exp(-total))
	probs[0] = 1 - probs[1]
	if math.IsInf(total, 0) {
		probs[1] = math.NaN()
		class[0] = 1
		return nil
	}
	class[0] = 0
	if probs[1] > probs[0] {
		class[0] = 1
	}
	return nil
}

func armFor(p model.Predictor, role route.Role) *route.Arm {
	return &route.Arm{
		Role: role, Predictor: p, Version: rollout.Version{Name: "model_" + string(role)},
		Evidence: record.NewGauge(record.Arm{}), Served: new(route.Meter),
	}
}

func twoClasses(names ...string) *sum {
	return &sum{model.Signature{Features: model.Numbers(5, names), Named: names != nil, Outputs: 2, Classes: []model.Label{"0", "1"}}}
}

func handlerFor(t *route.Table) *Handler {
	var sw route.Switch
	if t != nil {
		sw.Swap(t)
	}
	return NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
}

func post(h http.Handler, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/predict", strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	stable := armFor(twoClasses("tenure", "calls", "a", "b", "c"), route.Stable)
	h := handlerFor(&route.Table{Stable: stable})
	for _, body := range []string{
		`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`,
		"\n{ \"features\"\t:[5e-1,1.2E0,0.8,0.30,1.1 ] }\r\n",
		`{"features": {"calls": 1.2, "tenure": 0.5, "a": 0.8, "c": 1.1, "b": 0.3}}`,
	} {
		w := post(h, body, "Content-Type", "application/json; charset=utf-8")
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
		if got["latency_ms"].(float64) < 0 {
			t.Error("negative latency")
		}
		delete(got, "latency_ms")
		want := map[string]any{"probability": 1 / (1 + math.Exp(-(0.5 + 1.2 + 0.8 + 0.3 + 1.1))), "prediction": 1.0, "model_used": "stable", "model_version": "model_stable"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", body, diff)
		}
	}
	if n := stable.Evidence.Snapshot().Count; n != 3 {
		t.Errorf("%d observations of 3 answers", n)
	}
}

func TestMoreThanTwoClasses(t *testing.T) {
	t.Parallel()
	p := &sum{model.Signature{Features: model.Numbers(1, nil), Outputs: 3, Classes: []model.Label{`"low"`, `"mid"`, `"high"`}}}
	w := post(handlerFor(&route.Table{Stable: armFor(p, route.Stable)}), `{"features": [-1000]}`)
	var got struct {
		Probability   float64
		Prediction    string
		Probabilities []float64
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if got.Prediction != "low" || got.Probability != 1 || len(got.Probabilities) != 3 {
		t.Errorf("%+v", got)
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		meaning model.Meaning
		class   int
		values  []float64
		want    float64
	}{
		{model.Probabilities, 0, []float64{0.9, 0.1}, 0.1},
		{model.Probabilities, 1, []float64{0.3, 0.7}, 0.7},
		{model.Probabilities, 0, []float64{0.6, 0.3, 0.1}, 0.6},
		{model.Probabilities, 2, []float64{0.2, 0.3, 0.5}, 0.5},
		{model.Scores, 1, []float64{0}, 0.5},
		{model.Quantities, 0, []float64{math.Sinh(2)}, 1 / (1 + math.Exp(-1))},
		{model.Quantities, 0, []float64{math.Inf(-1), 7}, 0},
	} {
		if got := score(&model.Signature{Values: tt.meaning}, tt.values, tt.class); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("class %d of %v: %v, want %v", tt.class, tt.values, got, tt.want)
		}
	}
}

// fixed answers every row with the same values, and the first with none.
type fixed struct {
	signature model.Signature
	values    []float64
}

func (f *fixed) Signature() *model.Signature { return &f.signature }

func (f *fixed) Predict(in model.Rows, out model.Answers) error {
	if in.Numbers[0] < 0 {
		return &model.Unanswerable{Feature: 0, Reason: "the value is below zero"}
	}
	copy(out.Values, f.values)
	if out.Classes != nil {
		out.Classes[0] = len(f.signature.Classes) - 1
	}
	return nil
}

func TestAnswersWithoutProbabilities(t *testing.T) {
	t.Parallel()
	two, three := []model.Label{"-1", "1"}, []model.Label{`"a"`, `"b"`, `"c"`}
	for _, tt := range []struct {
		signature model.Signature
		values    []float64
		want      string
	}{
		{model.Signature{Values: model.Scores, Classes: two}, []float64{0.25}, `{"prediction":1,"score":0.25,"model`},
		{model.Signature{Values: model.Scores, Classes: three}, []float64{-1, 0, 2.5}, `{"prediction":"c","scores":[-1,0,2.5],"model`},
		{model.Signature{Values: model.Quantities, Task: model.Regression}, []float64{1e21}, `{"prediction":1e+21,"model`},
		{model.Signature{Values: model.Quantities, Task: model.Regression}, []float64{3, 4}, `{"prediction":[3,4],"model`},
	} {
		tt.signature.Features, tt.signature.Outputs = model.Numbers(1, nil), len(tt.values)
		h := handlerFor(&route.Table{Stable: armFor(&fixed{tt.signature, tt.values}, route.Stable)})
		if w := post(h, `{"features": [1]}`); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), tt.want) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s, want %s", w.Code, w.Body, tt.want)
		}
		if w := post(h, `{"features": [-1]}`); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "the value is below zero") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// TestWhatIsCountedOfARequest: its beginning when it is routed, its end
// whatever it was, and that its client had gone.
func TestWhatIsCountedOfARequest(t *testing.T) {
	t.Parallel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, tt := range []struct {
		name                                string
		ctx                                 context.Context
		row                                 string
		started, count, failures, abandoned uint64
	}{
		{"answered", t.Context(), `[1,2,3,4,5]`, 1, 1, 0, 0},
		{"the client has gone", gone, `[1,2,3,4,5]`, 1, 1, 0, 1},
		{"no answer", t.Context(), `[666,0,0,0,0]`, 1, 0, 1, 0},
		{"no answer, and the client has gone", gone, `[666,0,0,0,0]`, 1, 0, 1, 0},
		{"refused", t.Context(), `[1,2,3]`, 0, 0, 0, 0},
	} {
		arm := armFor(twoClasses(), route.Stable)
		r := httptest.NewRequestWithContext(tt.ctx, http.MethodPost, "/predict", strings.NewReader(`{"features": `+tt.row+`}`))
		handlerFor(&route.Table{Stable: arm}).ServeHTTP(httptest.NewRecorder(), r)
		s := arm.Evidence.Snapshot()
		if s.Started != tt.started || s.Count != tt.count || s.Failures != tt.failures || s.Abandoned != tt.abandoned || s.Unfinished() != 0 {
			t.Errorf("%s: %d started, %d observed, %d failed, %d abandoned", tt.name, s.Started, s.Count, s.Failures, s.Abandoned)
		}
		scored := uint64(0)
		for _, n := range s.Scores() {
			scored += n
		}
		if scored != tt.count {
			t.Errorf("%s: %d scores of %d observations", tt.name, scored, tt.count)
		}
	}
}

// badRequests are what clients get wrong; the golden text is what they read.
var badRequests = []struct{ name, body, want string }{
	{"empty", ``, `400 The body is empty: send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"blank", " \n", `400 The body is empty: send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"not JSON", `features=1`, `400 The body is not JSON at byte 1: invalid character 'e' in literal false (expecting 'a').`},
	{"cut short", `{"features": [1, 2`, `400 The body is not JSON at byte 18: it ends too early.`},
	{"two values", `{"features": [1,2,3,4,5]} {}`, `400 Something follows the JSON value: send one value in a request.`},
	{"trailing text", `{"features": [1,2,3,4,5]} x`, `400 Something follows the JSON value: send one value in a request.`},
	{"duplicate field", `{"features": [1,2,3,4,5], "features": [1,2,3,4,5]}`, `400 The body names a field twice, again at byte 26.`},
	{"duplicate name", `{"features": {"a": 1, "a": 2}}`, `400 The body names a field twice, again at byte 22.`},
	{"trailing comma", `{"features": [1,2,3,4,5,]}`, `400 The body is not JSON at byte 23: invalid character ',' at start of value.`},
	{"array", `[1,2,3,4,5]`, `422 body: expected an object. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"null", `null`, `422 body: expected an object. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"no field", `{}`, `422 body.features: missing. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"unknown field", `{"feature": [1,2,3,4,5]}`, `422 body.feature: unknown field. Send features, which is one row, or instances, which is a list of rows.`},
	{"extra field", `{"features": [1,2,3,4,5], "id": 7}`, `422 body.id: unknown field. Send features, which is one row, or instances, which is a list of rows.`},
	{"too few", `{"features": [1,2,3,4]}`, `422 body.features: expected 5 values, got 4. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"too many", `{"features": [1,2,3,4,5,6]}`, `422 body.features: expected 5 values, got 6. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"none", `{"features": []}`, `422 body.features: expected 5 values, got 0. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"null row", `{"features": null}`, `422 body.features: expected an array of numbers. Send {"features": [0.5, 0.5, 0.5, 0.5, 0.5]}.`},
	{"string", `{"features": [1,2,"3",4,5]}`, `422 body.features[2]: expected a number, got a string. Send the number without quotes.`},
	{"null value", `{"features": [1,2,null,4,5]}`, `422 body.features[2]: expected a number, got null. This model takes no missing values: send a number.`},
	{"nested", `{"features": [[1,2,3,4,5]]}`, `422 body.features[0]: expected a number, got an array. Send one row of plain numbers in a request.`},
	{"NaN", `{"features": [1,NaN,3,4,5]}`, `422 body.features[1]: NaN is not a number in JSON, and this model takes no missing values. Send a finite number.`},
	{"Infinity", `{"features": [Infinity,2,3,4,5]}`, `422 body.features[0]: Infinity is not a number in JSON, and this model takes no missing values. Send a finite number.`},
	{"-Infinity", `{"features": [1,2,3,4, -Infinity]}`, `422 body.features[4]: -Infinity is not a number in JSON, and this model takes no missing values. Send a finite number.`},
	{"1e400", `{"features": [1,2,3,4,1e400]}`, `422 body.features[4]: 1e400 is outside the range of a 64-bit float. Send a number between -1.8e308 and 1.8e308.`},
	{"overflow inside", `{"features": [1e308,1e308,1e308,4,5]}`, `422 No prediction: the features are so far from what the model was fitted on that it gives no number.`},
	{"leading zero", `{"features": [01,2,3,4,5]}`, `400 The body is not JSON at byte 15: invalid character '1' after array element (expecting ',' or ']').`},
	{"hex", `{"features": [0x1,2,3,4,5]}`, `400 The body is not JSON at byte 15: invalid character 'x' after array element (expecting ',' or ']').`},
	{"deep", `{"features": ` + strings.Repeat("[", 20_000), `400 The body is not JSON at byte 10012: exceeded max depth.`},
	{"unknown name", `{"features": {"tenrue": 1}}`, `422 body.features.tenrue: this model has no such feature. Its features are tenure, calls, a, b, c.`},
	{"missing names", `{"features": {"tenure": 1, "a": 2}}`, `422 body.features: missing: calls, b, c. Send a number for every feature.`},
	{"name with a string", `{"features": {"tenure": "x"}}`, `422 body.features.tenure: expected a number, got a string. Send the number without quotes.`},
	{"panic", `{"features": [666,0,0,0,0]}`, `500 The model failed on this row; the server's log says how. Other requests are not affected.`},
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	stable := armFor(twoClasses("tenure", "calls", "a", "b", "c"), route.Stable)
	h := handlerFor(&route.Table{Stable: stable})
	for _, tt := range badRequests {
		w := post(h, tt.body)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s: %v: %s", tt.name, err, w.Body)
			continue
		}
		if got := fmt.Sprintf("%d %s", w.Code, p.Detail); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if p.Status != w.Code || p.Title == "" || p.Code != (&trouble{status: w.Code}).meaning().code || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: not a problem document: %s", tt.name, w.Body)
		}
		if w.Code == http.StatusUnprocessableEntity && len(p.Errors) == 0 {
			t.Errorf("%s: no location: %s", tt.name, w.Body)
		}
	}
	if seen := stable.Evidence.Snapshot(); seen.Count != 0 || seen.Failures != 2 || seen.Panics != 1 || seen.Deadlines != 0 {
		t.Errorf("refused requests left %d observations and %d failures, %d panics, %d late; only the panic and the overflow are the arm's", seen.Count, seen.Failures, seen.Panics, seen.Deadlines)
	}
	failed := map[string]uint64{}
	stable.Served.EachFailure(func(why record.Failure, n uint64) { failed[why.String()] = n })
	if want := map[string]uint64{"panic": 1, "deadline": 0, "unanswerable": 1}; !maps.Equal(failed, want) {
		t.Errorf("the failures are told apart as %v, want %v", failed, want)
	}
	refused := map[int]uint64{}
	h.Refused(func(_ route.Protocol, status int, n uint64) { refused[status] = n })
	if refused[400] == 0 || refused[422] == 0 || refused[500] != 1 {
		t.Errorf("refused: %v", refused)
	}
}

func TestHeadersAndSizes(t *testing.T) {
	t.Parallel()
	h := handlerFor(&route.Table{Stable: armFor(twoClasses(), route.Stable)})
	good := `{"features": [1,2,3,4,5]}`
	tests := []struct {
		name    string
		body    string
		headers []string
		want    int
	}{
		{"no content type", good, nil, 200},
		{"form", good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"no media type", good, []string{"Content-Type", ";;"}, 415},
		{"gzip", good, []string{"Content-Encoding", "gzip"}, 415},
		{"large", strings.Repeat(" ", maxBody) + good, nil, 413},
		{"just not too large", good + strings.Repeat(" ", maxBody-len(good)), nil, 200},
	}
	for _, tt := range tests {
		if w := post(h, tt.body, tt.headers...); w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
	}
	// A chunked body tells no length, so it is stopped while it is read.
	r := httptest.NewRequest(http.MethodPost, "/predict", io.LimitReader(zeros{}, 100<<20))
	r.ContentLength = -1
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("100 MB without a length: %d", w.Code)
	}
	if w := post(handlerFor(nil), good); w.Code != http.StatusServiceUnavailable {
		t.Errorf("without a model: %d", w.Code)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestExactSplitFrom32Clients(t *testing.T) {
	t.Parallel()
	stable, canary := armFor(twoClasses(), route.Stable), armFor(twoClasses(), route.Canary)
	h := handlerFor(&route.Table{Stable: stable, Canary: canary, Split: route.NewSplit(1000, 5)})
	jobs := make(chan struct{}, 1000)
	for range cap(jobs) {
		jobs <- struct{}{}
	}
	close(jobs)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range jobs {
				if w := post(h, `{"features": [1,2,3,4,5]}`); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	s, c := stable.Evidence.Snapshot(), canary.Evidence.Snapshot()
	if s.Count != 900 || c.Count != 100 {
		t.Errorf("stable %d, canary %d", s.Count, c.Count)
	}
}

// TestASlowBodyDoesNotReachAVersionThatIsGone: the table is taken when the row
// is there, not when its first byte is.
func TestASlowBodyDoesNotReachAVersionThatIsGone(t *testing.T) {
	t.Parallel()
	stable, canary := armFor(twoClasses(), route.Stable), armFor(twoClasses(), route.Canary)
	var sw route.Switch
	sw.Swap(&route.Table{Stable: stable, Canary: canary, Split: route.NewSplit(10_000, 5)})
	body, half := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/predict", body)
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	}()
	_, _ = half.Write([]byte(`{"features": [1,2,`)) // returns when it was read
	sw.Swap(&route.Table{Stable: stable})
	_, _ = half.Write([]byte(`3,4,5]}`))
	_ = half.Close()
	<-done
	if !strings.Contains(w.Body.String(), `"model_used":"stable"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSlowdownIsPartOfTheLatency(t *testing.T) {
	t.Parallel()
	arm := armFor(twoClasses(), route.Canary)
	arm.Slowdown = 20 * time.Millisecond
	h := handlerFor(&route.Table{Stable: armFor(twoClasses(), route.Stable), Canary: arm, Split: route.NewSplit(10_000, 5)})
	post(h, `{"features": [1,2,3,4,5]}`)
	seen := arm.Evidence.Snapshot()
	if _, mean, _ := seen.Moments(); mean < 20e6 {
		t.Errorf("%v ns", mean)
	}
}

func TestTheFastReaderIsTaken(t *testing.T) {
	t.Parallel()
	var b rows.Batch
	ok := scanRow([]byte(`{"features": [0.5, -1.25e2, 0, 7, 1.1]}`), &b, rows.NewSchema(twoClasses().Signature()))
	if diff := cmp.Diff([]float64{0.5, -125, 0, 7, 1.1}, b.Numbers); !ok || diff != "" {
		t.Error(ok, diff)
	}
	mixed := &model.Signature{Named: true, Features: []model.Feature{{Name: "a b", Missing: true}, {Name: "plän", Kind: model.Text}, {Name: "c", Kind: model.Bool}}}
	for _, body := range []string{`{"features": [null, "gold", true]}`, `{"features": {"a b": null, "plän" :"gold", "c": true}}`} {
		b.Reset()
		ok = scanRow([]byte(body), &b, rows.NewSchema(mixed))
		if diff := cmp.Diff(model.Rows{N: 1, Numbers: []float64{math.NaN(), 0, 1}, Texts: []string{"", "gold", ""}}, b.Rows, cmpopts.EquateNaNs()); !ok || diff != "" {
			t.Error(body, ok, diff)
		}
	}
}

// TestNamesThatNeedEscapesAreNotReadFast: between quotes they would be something else.
func TestNamesThatNeedEscapesAreNotReadFast(t *testing.T) {
	t.Parallel()
	for _, name := range []string{`a"b`, `a\b`, "a\nb", "a\xffb"} {
		schema := rows.NewSchema(&model.Signature{Named: true, Features: []model.Feature{{Name: name}}})
		if scanRow([]byte(`{"features": {"`+name+`": 1}}`), &rows.Batch{}, schema) {
			t.Errorf("%q is accepted", name)
		}
	}
}

func TestOursAllocatesNothing(t *testing.T) {
	for _, body := range []string{`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`, `{"features": {"a": 0.5, "b": 1.2, "c": 0.8, "d": 0.3, "e": 1.1}}`} {
		allocatesNothing(t, []byte(body))
	}
}

func allocatesNothing(t *testing.T, body []byte) {
	t.Helper()
	arm := armFor(twoClasses("a", "b", "c", "d", "e"), route.Stable)
	var req request
	req.body = body
	schema := rows.NewSchema(arm.Predictor.Signature())
	run := func() {
		if p := req.decode(schema); p != nil {
			t.Fatal(p)
		}
		latency, err := req.answer(t.Context(), arm, true)
		if err != nil {
			t.Fatal(err)
		}
		req.reply = appendReply(req.reply[:0], arm, &req.batch, latency)
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n >= 1 {
		t.Errorf("%v allocations from row to reply of %s", n, body)
	}
}

// The two benchmarks give the cost of /predict over a handler that reads the
// body and answers a constant, through a real server on loopback.
func BenchmarkPredict(b *testing.B) {
	serve(b, handlerFor(&route.Table{
		Stable: armFor(twoClasses(), route.Stable), Canary: armFor(twoClasses(), route.Canary), Split: route.NewSplit(1000, 1),
	}))
}

func BenchmarkConstant(b *testing.B) {
	reply := []byte(`{"probability":0.9801596942659225,"prediction":1,"model_used":"stable","model_version":"model_stable","latency_ms":0.000312}`)
	serve(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = contentTypeJSON
		_, _ = w.Write(reply)
	}))
}

func serve(b *testing.B, h http.Handler) {
	mux := http.NewServeMux()
	mux.Handle("POST /predict", h)
	server := httptest.NewServer(mux)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	body := []byte(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Post(server.URL+"/predict", "application/json", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}
