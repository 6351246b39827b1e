package infer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/route"
)

// twoModels serve churn, which is the default, and fraud.
func twoModels(t *testing.T) (p *Protocols, mux *http.ServeMux, fraud *route.Switch) {
	t.Helper()
	churn := new(route.Switch)
	fraud = new(route.Switch)
	churn.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
	fraud.Swap(&route.Table{Stable: armFor(twoClasses(), route.Stable)})
	first := handlerFor(nil)
	first.table = churn
	p = first.Protocols("churn", "0.1", func() bool { return true })
	p.Serve("churn", Model{"churn", first}, Model{"fraud", first.Beside(fraud)})
	mux = http.NewServeMux()
	p.Register(mux)
	return p, mux, fraud
}

const (
	churnRow = `{"instances":[[60,"gold"]]}`
	fraudRow = `{"instances":[[1,2,3,4,5]]}`
	fraudV2  = `{"inputs":[{"name":"features","shape":[1,5],"datatype":"FP64","data":[1,2,3,4,5]}]}`
)

// TestEachModelByItsName: whatever the protocol, a row gets to the model that
// the request names, whose features are not the other's.
func TestEachModelByItsName(t *testing.T) {
	t.Parallel()
	p, mux, _ := twoModels(t)
	const here = `this server has \"churn\" and \"fraud\"`
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/models/churn/predict", `{"features":[60,"gold"]}`, 200, `"probability":0.6`},
		{"POST", "/models/fraud/predict", `{"features":[1,2,3,4,5]}`, 200, `"model_used":"stable"`},
		{"POST", "/models/fraud/predict", `{"features":[60,"gold"]}`, 422, `"code":"invalid_request"`},
		{"POST", "/models/spam/predict", `{"features":[1]}`, 404, `"detail":"There is no model \"spam\": ` + here + `."`},
		{"GET", "/signature", "", 200, `"classes":["stays","goes"],"features":[{"name":"age","kind":"number","may_be_missing":false},{"name":"plan","kind":"text","may_be_missing":false}],"example":{"age":0.5,"plan":"text"}`},
		{"GET", "/models/fraud/signature", "", 200, `{"model":"fraud",`},
		{"GET", "/models/spam/signature", "", 404, `"detail":"There is no model \"spam\": ` + here + `."`},
		{"POST", "/invocations", churnRow, 200, `{"predictions":["goes"]}`},
		{"POST", "/models/fraud/invocations", fraudRow, 200, `{"predictions":[`},
		{"POST", "/models/spam/invocations", fraudRow, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"There is no model \"spam\": ` + here + `."}`},
		{"POST", "/v1/models/churn:predict", churnRow, 200, `{"predictions":["goes"]}`},
		{"POST", "/v1/models/fraud:predict", fraudRow, 200, `{"predictions":[`},
		{"POST", "/v1/models/fraud/labels/stable:predict", fraudRow, 200, `{"predictions":[`},
		{"POST", "/v1/models/spam:predict", fraudRow, 404, `"error":"There is no model \"spam\": ` + here},
		{"GET", "/v1/models", "", 200, `{"models":["churn","fraud"]}`},
		{"GET", "/v1/models/fraud", "", 200, `"name":"fraud","ready":true`},
		{"POST", "/v2/models/fraud/infer", fraudV2, 200, `{"model_name":"fraud","model_version":"model_stable"`},
		{"POST", "/v2/models/churn/infer", v2Rows, 200, `{"model_name":"churn"`},
		{"POST", "/v2/models/spam/infer", fraudV2, 404, here},
		{"GET", "/v2/models/fraud", "", 200, `{"name":"fraud","versions":["model_stable"]`},
		{"GET", "/v2/models/fraud/ready", "", 200, `{"name":"fraud","ready":true}`},
		{"GET", "/v2/models/spam/ready", "", 404, here},
		{"POST", "/v2/repository/index", "{}", 200, `[{"name":"churn","version":"model_stable","state":"READY","reason":"stable"},{"name":"fraud",`},
	} {
		code, body, _ := send(mux, tt.method, tt.path, tt.body, "Content-Type", "application/json")
		if code != tt.status || !strings.Contains(body, tt.want) || tt.body != "" && !json.Valid([]byte(body)) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, code, body, tt.status, tt.want)
		}
	}
	lost := map[int]uint64{}
	p.Lost(func(_ route.Protocol, status int, n uint64) { lost[status] += n })
	if lost[404] != 6 {
		t.Errorf("refused for nobody: %v, want six with 404", lost)
	}
}

func TestEachModelByItsNameOverGRPC(t *testing.T) {
	t.Parallel()
	p, _, _ := twoModels(t)
	s := &service{Protocols: p}
	ctx := t.Context()
	five := &pb.ModelInferRequest_InferInputTensor{Name: "features", Datatype: "FP64", Shape: []int64{1, 5}, Contents: &pb.InferTensorContents{Fp64Contents: []float64{1, 2, 3, 4, 5}}}
	for name, inputs := range map[string][]*pb.ModelInferRequest_InferInputTensor{"fraud": {five}, "churn": two()} {
		answer, err := s.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: name, Inputs: inputs})
		if err != nil || answer.GetModelName() != name {
			t.Errorf("%s: %v %v", name, answer, err)
		}
		if ready, err := s.ModelReady(ctx, &pb.ModelReadyRequest{Name: name}); err != nil || !ready.GetReady() {
			t.Errorf("%s: %v %v", name, ready, err)
		}
		if meta, err := s.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: name}); err != nil || meta.GetName() != name {
			t.Errorf("%s: %v %v", name, meta, err)
		}
	}
	for what, ask := range map[string]func() error{
		"infer":    func() error { _, err := s.ModelInfer(ctx, &pb.ModelInferRequest{ModelName: "spam"}); return err },
		"ready":    func() error { _, err := s.ModelReady(ctx, &pb.ModelReadyRequest{Name: "spam"}); return err },
		"metadata": func() error { _, err := s.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "spam"}); return err },
	} {
		if err := ask(); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), `this server has "churn" and "fraud"`) {
			t.Errorf("%s: %v", what, err)
		}
	}
	index, err := s.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{})
	if err != nil || len(index.GetModels()) != 2 || index.GetModels()[1].GetName() != "fraud" {
		t.Errorf("%v %v", index, err)
	}
}

// TestModelsComeAndGo while they are asked for: whoever found the model gets an
// answer of it, and nobody another model's.
func TestModelsComeAndGo(t *testing.T) {
	t.Parallel()
	p, mux, fraud := twoModels(t)
	churn := p.desks.Load().named["churn"].front
	beside := p.desks.Load().named["fraud"].front
	table := fraud.Table()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for _, ask := range []struct {
		path, body string
		may        []int
	}{
		{"/models/fraud/predict", `{"features":[1,2,3,4,5]}`, []int{200, 404, 503}},
		{"/v2/models/fraud/infer", fraudV2, []int{200, 404, 503}},
		{"/models/churn/predict", `{"features":[60,"gold"]}`, []int{200}},
		{"/invocations", churnRow, []int{200}},
	} {
		clients.Go(func() {
			for {
				code, body, _ := send(mux, "POST", ask.path, ask.body, "Content-Type", "application/json")
				if !slices.Contains(ask.may, code) {
					t.Errorf("%s: %d %s", ask.path, code, body)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 500 {
		p.Serve("churn", Model{"churn", churn})
		fraud.Swap(nil)
		fraud.Swap(table)
		p.Serve("churn", Model{"churn", churn}, Model{"fraud", beside})
	}
	close(stop)
	clients.Wait()
}

// TestWithoutTheDefaultModel says which model is missing, and who is there.
func TestWithoutTheDefaultModel(t *testing.T) {
	t.Parallel()
	p, mux, _ := twoModels(t)
	p.Serve("churn", Model{"fraud", p.desks.Load().named["fraud"].front})
	code, body, header := send(mux, "POST", "/invocations", churnRow)
	if code != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, `The default model \"churn\" is not loaded: load it with POST /v2/repository/models/churn/load, or ask for another by its name; this server has \"fraud\".`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body, _ := send(mux, "GET", "/v2/health/ready", ""); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	p.Serve("churn")
	if code, body, _ := send(mux, "POST", "/models/churn/predict", "{}"); code != 404 || !strings.Contains(body, "this server has none now") {
		t.Errorf("%d %s", code, body)
	}
}
