package infer

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/route"
)

// scale answers class 1 with a probability of the row's first number / 100, and
// nothing to a row whose plan is unknown.
type scale struct{ signature model.Signature }

func (s *scale) Signature() *model.Signature { return &s.signature }

func (s *scale) Predict(in model.Rows, out model.Answers) error {
	width := len(s.signature.Features)
	for i := range in.N {
		if in.Texts != nil && in.Texts[i*width+1] == "unknown" {
			return &model.Unanswerable{Row: i, Feature: 1, Reason: `the value "unknown" was not among those that the model was fitted on`}
		}
		p := in.Numbers[i*width] / 100
		out.Values[2*i], out.Values[2*i+1] = 1-p, p
		out.Classes[i] = map[bool]int{true: 1}[p > 0.5]
	}
	return nil
}

func scales() *scale {
	return &scale{model.Signature{
		Features: []model.Feature{{Name: "age"}, {Name: "plan", Kind: model.Text}}, Named: true,
		Outputs: 2, Classes: []model.Label{`"stays"`, `"goes"`}, Library: "scikit-learn 1.9.1",
	}}
}

// server has a canary that gets every tenth request.
func protocolServer(t *testing.T) (mux *http.ServeMux, stable, canary *route.Arm) {
	t.Helper()
	stable, canary = armFor(scales(), route.Stable), armFor(scales(), route.Canary)
	var sw route.Switch
	sw.Swap(&route.Table{Stable: stable, Canary: canary, Split: route.NewSplit(1000, 7)})
	h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
	mux = http.NewServeMux()
	mux.Handle("POST /predict", h)
	h.Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	return mux, stable, canary
}

func send(mux http.Handler, method, path, body string, headers ...string) (int, string, http.Header) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

const v2Rows = `{"id":"7","inputs":[{"name":"plan","shape":[2,1],"datatype":"BYTES","data":["gold","basic"]},{"name":"age","shape":[2,1],"datatype":"INT32","data":[60,20]}]}`

const bothAnswers = `["goes","stays"]`

// asks are requests in every protocol, and a part of their answers.
var asks = []struct {
	method, path, body, contentType string
	status                          int
	want                            string
}{
	{"GET", "/v2", "", "", 200, `{"extensions":["model_repository","binary_tensor_data"],"name":"serin","version":"0.1"}`},
	{"GET", "/v2/health/live", "", "", 200, `{"live":true}`},
	{"GET", "/v2/health/ready", "", "", 200, `{"ready":true}`},
	{"GET", "/v2/models/churn/ready", "", "", 200, `{"name":"churn","ready":true}`},
	{"GET", "/v2/models/churn", "", "", 200, `{"name":"churn","versions":["model_stable","model_canary"],"platform":"scikit-learn 1.9.1","inputs":[{"name":"age","datatype":"FP64","shape":[-1,1]},{"name":"plan","datatype":"BYTES","shape":[-1,1]}],"outputs":[{"name":"probabilities","datatype":"FP64","shape":[-1,2]},{"name":"prediction","datatype":"BYTES","shape":[-1]}]}`},
	{"GET", "/v2/models/churn/versions/model_canary/ready", "", "", 200, `{"name":"churn","ready":true}`},
	{"GET", "/v2/models/fraud", "", "", 404, `"error":"There is no model \"fraud\": this server has \"churn\"."`},
	{"GET", "/v2/models/churn/versions/7/ready", "", "", 404, `no version \"7\" now: it has \"model_stable\" and \"model_canary\"`},
	{"POST", "/v2/repository/index", "[true]", "", 400, `"error":"The body is no JSON object with what to list`},
	{"POST", "/v2/repository/index", "{", "", 400, `"error":"The body is no JSON object with what to list`},
	{"POST", "/v2/repository/index", "{}", "", 200, `[{"name":"churn","version":"model_stable","state":"READY","reason":"stable"},{"name":"churn","version":"model_canary","state":"READY","reason":"canary"}]`},
	{"GET", "/v2/nothing", "", "", 404, "GET /v2 describes it"},
	{"POST", "/v2/models/churn/versions/model_stable/infer", v2Rows, "", 200, `{"model_name":"churn","model_version":"model_stable","id":"7","outputs":[{"name":"probabilities","datatype":"FP64","shape":[2,2],"data":[0.4,0.6,0.8,0.2]},{"name":"prediction","datatype":"BYTES","shape":[2],"data":["goes","stays"]}]}`},
	{"POST", "/v2/models/churn/versions/canary/infer", v2Rows, "", 200, `"model_version":"model_canary"`},
	{"POST", "/v2/models/churn/infer", `{"inputs":[]}`, "", 400, `"error":"The request has no inputs`},
	{"POST", "/v2/models/churn/infer", strings.Replace(v2Rows, "basic", "unknown", 1), "", 400, `Row 1, feature \"plan\": the value \"unknown\" was not`},
	{"POST", "/v2/models/churn/infer", v2Rows, "gzip", 415, "uncompressed"},

	{"GET", "/v1/models", "", "", 200, `{"models":["churn"]}`},
	{"GET", "/v1/models/churn", "", "", 200, `"ready":true`},
	{"POST", "/v1/models/churn:predict", `{"instances":[[60,"gold"],{"plan":"basic","age":20}]}`, "", 200, `{"predictions":` + bothAnswers + `}`},
	{"POST", "/v1/models/churn/versions/model_canary:predict", `{"instances":[[60,"gold"],[20,"basic"]]}`, "", 200, bothAnswers},
	{"POST", "/v1/models/churn/labels/canary:predict", `{"inputs":[[60,"gold"],[20,"basic"]],"signature_name":"x"}`, "", 200, `{"outputs":` + bothAnswers + `}`},
	{"POST", "/v1/models/churn/labels/best:predict", `{"instances":[[60,"gold"]]}`, "", 404, `no version with the label \"best\"`},
	{"POST", "/v1/models/churn:explain", `{}`, "", 404, `The verb \"explain\" is not served`},
	{"POST", "/v1/models/fraud:predict", `{}`, "", 404, `There is no model \"fraud\"`},
	{"POST", "/v1/models/:predict", `{"instances":[[60,"gold"]]}`, "", 404, `There is no model \":predict\"`},
	{"POST", "/v1/models/churn:predict", `{"instances":[]}`, "", 400, "instances has no rows"},
	{"POST", "/v1/models/churn:predict", `{"instances":[[1]]}`, "", 400, "instances[0]: expected 2 values, got 1"},
	{"POST", "/v1/models/churn:predict", `{"instances":[[1,"a"]],"inputs":[]}`, "", 400, "both instances and inputs"},
	{"POST", "/v1/models/churn:predict", `[]`, "", 400, "The body is no object"},
	{"POST", "/v1/models/churn:predict", `{"instances":[[1,"a"]]} x`, "", 400, "Something follows"},
	{"POST", "/v1/models/churn:predict", `{"instances":[[1,"a"]`, "", 400, "not JSON at byte"},

	{"GET", "/ping", "", "", 200, "\n"},
	{"GET", "/health", "", "", 200, "\n"},
	{"GET", "/version", "", "", 200, "0.1"},
	{"POST", "/invocations", `{"instances":[[60,"gold"],[20,"basic"]]}`, "application/json; charset=utf-8", 200, `{"predictions":` + bothAnswers + `}`},
	{"POST", "/invocations", `{"inputs":[[60,"gold"],[20,"basic"]],"params":{"a":1}}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", `{"inputs":{"age":[60,20],"plan":["gold","basic"]}}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", `{"dataframe_records":[{"age":60,"plan":"gold"},{"plan":"basic","age":20}]}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["plan","age"],"index":[0,1],"data":[["gold",60],["basic",20]]}}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["age","plan"],"data":[[60,"gold"],[20,"basic"]]}}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", "plan,extra,age\ngold,x,60\nbasic,y,20\n", "text/csv", 200, bothAnswers},
	{"POST", "/invocations", `{"instances":[[60,"gold"]],"inputs":[[1,"a"]]}`, "application/json", 400, `{"error_code":"BAD_REQUEST","message":"The body must have exactly one of dataframe_split, dataframe_records, instances and inputs; it has 2: inputs, instances."}`},
	{"POST", "/invocations", `{}`, "application/json", 400, "it has 0"},
	{"POST", "/invocations", `{"rows":[]}`, "application/json", 400, "is not what /invocations takes"},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["plan","age"],"data":[["gold"]]}}`, "application/json", 400, "data[0] is no row of 2 values"},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["plan","age","age"],"data":[["gold",1,2]]}}`, "application/json", 400, `Two columns are called \"age\"`},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["plan","years"],"data":[["gold",1]]}}`, "application/json", 400, `There is no column \"age\"`},
	{"POST", "/invocations", `{"dataframe_split":{"columns":["plan","extra","age"],"data":[["gold",0,60],["basic",0,20]]}}`, "application/json", 200, bothAnswers},
	{"POST", "/invocations", `{"inputs":{}}`, "application/json", 400, `There is no column \"age\"`},
	{"POST", "/invocations", `{"inputs":{"age":[60],"plan":["gold","basic"]}}`, "application/json", 400, "has 1 values and column"},
	{"POST", "/invocations", "age,plan\n1,gold\nx,gold\n", "text/csv", 400, "body.csv, line 3: column 1: age"},
	{"POST", "/invocations", "age\n1\n", "text/csv", 400, "missing: plan"},
	{"POST", "/invocations", "<x/>", "application/xml", 415, `{"error_code":"BAD_REQUEST","message":"The content type is`},

	{"POST", "/predict", `{"instances":[[60,"gold"],{"age":20,"plan":"basic"}]}`, "application/json", 200, `{"predictions":[{"probability":0.6,"prediction":"goes"},{"probability":0.2,"prediction":"stays"}],"model_used":"`},
	{"POST", "/predict", `{"instances":[[60,"gold"],[20]]}`, "application/json", 422, "body.instances[1]: expected 2 values, got 1"},
	{"POST", "/predict", `{"instances":[[60,"gold"],[20,"unknown"]]}`, "application/json", 422, "body.instances[1].plan: the value"},
	{"POST", "/predict", `{"instances":[]}`, "application/json", 422, "body.instances: no rows"},
	{"POST", "/predict", `{"instances":7}`, "application/json", 422, "body.instances: expected an array of rows"},
	{"POST", "/predict", `{"features":[60,"gold"],"instances":[]}`, "application/json", 422, "exclude each other"},
}

func TestProtocolsAnswer(t *testing.T) {
	t.Parallel()
	mux, _, _ := protocolServer(t)
	for _, tt := range asks {
		headers := []string{"Content-Type", tt.contentType}
		if tt.contentType == "gzip" {
			headers = []string{"Content-Encoding", "gzip"}
		}
		status, body, header := send(mux, tt.method, tt.path, tt.body, headers...)
		if status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %s\n got %d %s\nwant %d %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.want)
		}
		if strings.HasPrefix(header.Get("Content-Type"), "application/") && !json.Valid([]byte(body)) {
			t.Errorf("%s %s: %s is no JSON", tt.method, tt.path, body)
		}
	}
}

// TestOnlyDealtRequestsAreEvidence: a client that names its version is answered
// by it, and is not counted; the others are split exactly, whatever they speak.
func TestOnlyDealtRequestsAreEvidence(t *testing.T) {
	t.Parallel()
	mux, stable, canary := protocolServer(t)
	dealt := map[string]string{
		"/v2/models/churn/infer":   v2Rows,
		"/v1/models/churn:predict": `{"instances":[[60,"gold"]]}`,
		"/invocations":             `{"instances":[[60,"gold"]]}`,
		"/predict":                 `{"features":[60,"gold"]}`,
	}
	for range 25 {
		for path, body := range dealt {
			if status, answer, _ := send(mux, "POST", path, body, "Content-Type", "application/json"); status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, answer)
			}
		}
		for _, path := range []string{"/v2/models/churn/versions/model_canary/infer", "/v2/models/churn/versions/stable/infer"} {
			if status, answer, _ := send(mux, "POST", path, v2Rows); status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, answer)
			}
		}
		send(mux, "POST", "/v2/models/churn/infer", `{"inputs":[]}`) // refused: dealt to nobody
	}
	s, c := stable.Evidence.Snapshot(), canary.Evidence.Snapshot()
	if s.Started != 90 || s.Count != 90 || c.Started != 10 || c.Count != 10 {
		t.Errorf("stable %d of %d, canary %d of %d", s.Count, s.Started, c.Count, c.Started)
	}
}

func TestBinaryTensorsOverHTTP(t *testing.T) {
	t.Parallel()
	p := &scale{model.Signature{Features: model.Numbers(2, nil), Outputs: 2, Classes: []model.Label{"0", "1"}}}
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(p, route.Stable)})
	mux := http.NewServeMux()
	NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler)).Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	head := `{"parameters":{"binary_data_output":true},"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"prediction"},{"name":"probabilities","parameters":{"binary_data":false}}]}`
	raw := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(75)), math.Float32bits(0))
	status, body, header := send(mux, "POST", "/v2/models/churn/infer", head+string(raw), jsonLength, "235")
	if len(head) != 235 || status != http.StatusOK || header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("%d bytes of JSON; %d %s %s", len(head), status, header, body)
	}
	n := len(body) - 8
	want := `{"model_name":"churn","model_version":"model_stable","outputs":[{"name":"prediction","datatype":"INT64","shape":[1],"parameters":{"binary_data_size":8}},{"name":"probabilities","datatype":"FP64","shape":[1,2],"data":[0.25,0.75]}]}`
	if body[:n] != want || binary.LittleEndian.Uint64([]byte(body[n:])) != 1 {
		t.Errorf("%q", body)
	}
	for _, bad := range []string{"-1", "x", "9999"} {
		if status, body, _ := send(mux, "POST", "/v2/models/churn/infer", head, jsonLength, bad); status != http.StatusBadRequest || !strings.Contains(body, `"error":`) {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
}

// TestNotReady: every protocol says so in its own way.
func TestNotReady(t *testing.T) {
	t.Parallel()
	h := handlerFor(nil)
	mux := http.NewServeMux()
	h.Protocols("churn", "0.1", func() bool { return false }).Register(mux)
	for _, tt := range [][3]string{
		{"GET", "/v2/health/ready", ""}, {"GET", "/v2/models/churn/ready", ""}, {"GET", "/ping", ""},
		{"POST", "/v2/models/churn/infer", v2Rows}, {"POST", "/v1/models/churn:predict", `{"instances":[[1]]}`}, {"POST", "/invocations", `{"instances":[[1]]}`},
	} {
		if status, body, _ := send(mux, tt[0], tt[1], tt[2]); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", tt[1], status, body)
		}
	}
	if status, _, _ := send(mux, "GET", "/v2/health/live", ""); status != http.StatusOK {
		t.Error(status)
	}
}

// TestWhoDrainsStillAnswers: not ready is for those who route, and not for
// those who are here already.
func TestWhoDrainsStillAnswers(t *testing.T) {
	t.Parallel()
	h := handlerFor(&route.Table{Stable: armFor(scales(), route.Stable)})
	mux := http.NewServeMux()
	h.Protocols("churn", "0.1", func() bool { return false }).Register(mux)
	for path, body := range map[string]string{"/v2/models/churn/infer": v2Rows, "/v1/models/churn:predict": `{"instances":[[60,"gold"]]}`, "/invocations": `{"instances":[[60,"gold"]]}`} {
		status, answer, header := send(mux, "POST", path, body)
		if status != http.StatusOK || header.Get("Serin-Model-Used") != "stable" || header.Get("Serin-Model-Version") != "model_stable" {
			t.Errorf("%s: %d %v %s", path, status, header, answer)
		}
	}
	for _, path := range []string{"/v2/health/ready", "/ping"} {
		if status, _, _ := send(mux, "GET", path, ""); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestAVersionMayBeCalledStable: a name goes before a label.
func TestAVersionMayBeCalledStable(t *testing.T) {
	t.Parallel()
	mux, _, canary := protocolServer(t)
	canary.Version.Name = "stable"
	for version, want := range map[string]string{"stable": "canary", "canary": "canary", "model_stable": "stable"} {
		if _, _, header := send(mux, "POST", "/v2/models/churn/versions/"+version+"/infer", v2Rows); header.Get("Serin-Model-Used") != want {
			t.Errorf("%s: answered by %s", version, header.Get("Serin-Model-Used"))
		}
	}
}

// TestPagesOfOthersAreNoEvidence: a browser sends a plain POST without asking.
func TestPagesOfOthersAreNoEvidence(t *testing.T) {
	t.Parallel()
	mux, stable, canary := protocolServer(t)
	for path, body := range map[string]string{"/v2/models/churn/infer": v2Rows, "/v1/models/churn:predict": `{"instances":[[60,"gold"]]}`, "/invocations": `{"instances":[[60,"gold"]]}`} {
		status, answer, _ := send(mux, "POST", path, body, "Content-Type", "text/plain", "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site")
		if status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	// A page may leave the type out: the body is a Blob without one.
	if status, answer, _ := send(mux, "POST", "/predict", `{"instances":[[60,"gold"]]}`, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("/predict: %d %s", status, answer)
	}
	if s, c := stable.Evidence.Snapshot(), canary.Evidence.Snapshot(); s.Started+c.Started != 0 {
		t.Errorf("%d are counted", s.Started+c.Started)
	}
}

// TestAnswersAreBounded: few bytes may not ask for many numbers.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	p := &fixed{signature: model.Signature{Features: model.Numbers(1, nil), Task: model.Regression, Values: model.Quantities, Outputs: 1000}}
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(p, route.Stable)})
	h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("POST /predict", h)
	h.Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	many := `{"instances":[` + strings.TrimSuffix(strings.Repeat("[1],", 2000), ",") + `]}`
	for _, path := range []string{"/predict", "/v1/models/churn:predict", "/invocations"} {
		if status, answer, _ := send(mux, "POST", path, many, "Content-Type", "application/json"); status != http.StatusBadRequest || !strings.Contains(answer, "2000000 numbers") {
			t.Errorf("%s: %d %.200s", path, status, answer)
		}
	}
}

// TestLongNamesCostOnce: columns are looked at once, and not for each row.
func TestLongNamesCostOnce(t *testing.T) {
	mux, _, _ := protocolServer(t)
	long := strings.Repeat("x", 30_000)
	rows := strings.TrimSuffix(strings.Repeat(`[1,"gold",0],`, 2000), ",")
	body := `{"dataframe_split":{"columns":["age","plan","` + long + `"],"data":[` + rows + `]}}`
	before := testing.AllocsPerRun(1, func() { send(mux, "POST", "/invocations", body) })
	status, answer, _ := send(mux, "POST", "/invocations", body)
	if status != http.StatusOK || before > 60_000 {
		t.Errorf("%d %.100s, %v allocations", status, answer, before)
	}
	var m, n runtime.MemStats
	runtime.ReadMemStats(&m)
	send(mux, "POST", "/invocations", body)
	if runtime.ReadMemStats(&n); n.TotalAlloc-m.TotalAlloc > 16<<20 {
		t.Errorf("%d MiB for a body of %d kB", (n.TotalAlloc-m.TotalAlloc)>>20, len(body)>>10)
	}
}

// TestAPanicInAnotherProtocol fails one request, and is told in its shape.
func TestAPanicInAnotherProtocol(t *testing.T) {
	t.Parallel()
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(twoClasses(), route.Stable)})
	mux := http.NewServeMux()
	NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler)).Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	status, body, _ := send(mux, "POST", "/v1/models/churn:predict", `{"instances":[[666,0,0,0,0]]}`)
	if status != http.StatusInternalServerError || !strings.Contains(body, `"error":"The model failed on this row`) {
		t.Errorf("%d %s", status, body)
	}
}

// FuzzBodies sends anything to every protocol: an answer or a refusal in JSON.
func FuzzBodies(f *testing.F) {
	paths := []string{"/v2/models/churn/infer", "/v1/models/churn:predict", "/invocations", "/predict"}
	for i, seed := range []string{
		v2Rows, `{"instances":[[60,"gold"],{"plan":"basic","age":20}]}`, `{"inputs":{"age":[60,20],"plan":["gold","basic"]}}`, `{"instances":[[60,"gold"]]}`,
		"", "", "plan,age\ngold,60\n", "", "", "", `{"dataframe_split":{"columns":["plan","age"],"data":[["gold",60],["basic",20]]}}`,
	} {
		f.Add(i%4, []byte(seed), i == 6)
	}
	f.Fuzz(func(t *testing.T, path int, body []byte, table bool) {
		mux, stable, canary := protocolServer(&testing.T{})
		contentType := map[bool]string{false: "application/json", true: "text/csv"}[table]
		status, answer, _ := send(mux, "POST", paths[uint(path)%4], string(body), "Content-Type", contentType)
		if !json.Valid([]byte(answer)) || status >= 500 {
			t.Fatalf("%d %s", status, answer)
		}
		s, c := stable.Evidence.Snapshot(), canary.Evidence.Snapshot()
		if done := s.Count + s.Failures + c.Count + c.Failures; s.Started+c.Started != done || status == http.StatusOK && done != 1 {
			t.Fatalf("%d: %d started, %d ended", status, s.Started+c.Started, done)
		}
	})
}

// TestHugeRequestsAreNotKept: whichever buffer of a request became huge.
func TestHugeRequestsAreNotKept(t *testing.T) {
	t.Parallel()
	h := handlerFor(&route.Table{Stable: armFor(twoClasses(), route.Stable)})
	for _, body := range []string{
		`{"features":[1,2,3,4,5]` + strings.Repeat(" ", keep) + `}`,
		`{"instances":[` + strings.Repeat("[1,2,3,4,5],", 30_000) + `[1,2,3,4,5]]}`,
	} {
		if w := post(h, body); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
	}
	var kept []*request
	for range 100 {
		kept = append(kept, requests.Get().(*request))
	}
	for _, req := range kept {
		if req.held() > keep || req.batch.N != 0 {
			t.Errorf("a request with %d bytes and %d rows was kept", req.held(), req.batch.N)
		}
		req.release()
	}
}
