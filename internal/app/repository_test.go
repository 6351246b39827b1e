package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	rpcstatus "google.golang.org/grpc/status"

	"serin/internal/api"
	pb "serin/internal/infer/inferencepb"
)

// post sends a body and returns what came back.
func (r *running) post(path, body string, headers ...string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return r.send(req)
}

// is checks an answer.
func (r *running) is(path, body string, status int, says string, headers ...string) {
	r.t.Helper()
	if code, text := r.post(path, body, headers...); code != status || !strings.Contains(text, says) {
		r.t.Errorf("%s: %d %s, want %d %s", path, code, text, status, says)
	}
}

const v2 = `{"inputs":[{"name":"features","shape":[1,5],"datatype":"FP64","data":[0.5,1.2,0.8,0.3,1.1]}]}`

// TestModelsComeAndGoUnderLoad: the other model answers everything meanwhile, and
// who asks for the one that comes and goes is answered or told that it is gone.
func TestModelsComeAndGoUnderLoad(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	wire, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	client := pb.NewGRPCInferenceServiceClient(wire)
	var answered [5]atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for i, ask := range []func() (ok, gone bool, what string){
		func() (bool, bool, string) {
			code, text := r.post("/predict", row)
			return code == 200, false, text
		},
		func() (bool, bool, string) {
			code, text := r.post("/v2/models/churn/infer", v2)
			return code == 200, false, text
		},
		func() (bool, bool, string) {
			code, text := r.post("/models/fraud/predict", row)
			return code == 200, code == 404 || code == 503, text
		},
		func() (bool, bool, string) {
			code, text := r.post("/v2/models/fraud/infer", v2)
			return code == 200, code == 404 || code == 503, text
		},
		func() (bool, bool, string) {
			_, err := client.ModelInfer(context.Background(), &pb.ModelInferRequest{ModelName: "fraud", Inputs: []*pb.ModelInferRequest_InferInputTensor{
				{Name: "features", Datatype: "FP64", Shape: []int64{1, 5}, Contents: &pb.InferTensorContents{Fp64Contents: []float64{1, 2, 3, 4, 5}}},
			}})
			return err == nil, rpcstatus.Code(err) == codes.NotFound || rpcstatus.Code(err) == codes.Unavailable, rpcstatus.Convert(err).Message()
		},
	} {
		clients.Go(func() {
			for {
				ok, gone, what := ask()
				switch {
				case ok:
					answered[i].Add(1)
				case !gone:
					t.Errorf("client %d: %s", i, what)
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
	for range 20 {
		r.is("/v2/repository/models/fraud/unload", "", 200, "")
		r.is("/v2/repository/models/fraud/load", "{}", 200, "")
	}
	close(stop)
	clients.Wait()
	for i := range answered {
		if answered[i].Load() == 0 {
			t.Errorf("client %d was never answered", i)
		}
	}
}

// TestTheDefaultModelMayGo: its paths say what to do, and it comes back to them.
func TestTheDefaultModelMayGo(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	r.is("/v2/repository/models/churn/unload", `{"parameters":{"unload_dependents":true}}`, 200, "")
	const next = "POST /v2/repository/models/churn/load"
	r.is("/predict", row, 503, next)
	r.is("/invocations", `{"instances":[[1,2,3,4,5]]}`, 503, next)
	r.is("/models/churn/predict", row, 404, `this server has \"fraud\"`)
	if text := r.metrics(); !strings.Contains(text, `serin_predict_requests_total{code="503",model="churn",`) {
		t.Errorf("the refusals of the default model are in no metric:\n%s", text)
	}
	r.is("/models/fraud/predict", row, 200, "stable")
	r.is("/v2/repository/index", "", 200, `{"name":"churn","version":"","state":"UNAVAILABLE","reason":"not loaded"}`)
	if _, text := r.post("/v2/repository/index", `{"ready":true}`); strings.Contains(text, "churn") {
		t.Errorf("ready: %s", text)
	}
	if _, err := r.client.State(t.Context()); err == nil || !strings.Contains(err.Error(), "the default model is not loaded. This server has fraud; name one, or load it") {
		t.Errorf("%v", err)
	}
	r.is("/v2/repository/models/churn/load", "", 200, "")
	r.is("/v2/repository/models/churn/load", "", 200, "") // it is there already
	r.is("/predict", row, 200, "model_v1")
	if list, err := r.client.Models(t.Context()); err != nil || len(list) != 2 || list[0].Model != "churn" || !list[0].Default {
		t.Errorf("%+v, %v", list, err)
	}
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Error(err)
	}
	r.is("/v2/repository/models/churn/unload", "", 409, "canary model_v2 of churn is in progress in rollout r1")
	r.is("/predict", row, 200, "")
	if _, err := r.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"}); err != nil {
		t.Error(err)
	}
	r.is("/v2/repository/models/churn/unload", "", 200, "")
	r.is("/v2/repository/models/churn/load", "", 200, "")
	r.is("/predict", row, 200, "model_v2") // what was decided is in its state
}

// TestNoBodyIsUnpacked: control says so, and what it takes instead.
func TestNoBodyIsUnpacked(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	for _, path := range []string{"/admin/deploy-canary", "/admin/rollback-canary", "/gate/advance", "/v2/repository/models/churn/unload", "/models/churn/gate/promote", "/predict"} {
		r.is(path, "\x1f\x8bnothing", 415, "send it uncompressed", "Content-Encoding", "gzip")
	}
	res, err := http.Post(r.url+"/admin/rollback-canary", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusConflict || res.Header.Get("Accept-Encoding") != "" {
		t.Errorf("a body as it is: %s", res.Status)
	}
	req, err := http.NewRequest(http.MethodPost, r.url+"/predict", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "br")
	refused, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer refused.Body.Close()
	if refused.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("a prediction's refusal does not say what is taken: %v", refused.Header)
	}
}

// TestWhatCanBeLoaded: what lies in the folder by now, and what has a state.
func TestWhatCanBeLoaded(t *testing.T) {
	t.Parallel()
	c := twoModels(t)
	launch(t, c).stop()
	data, err := os.ReadFile(filepath.Join(c.Root, "models/model_v1.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	c.Models, c.Folder = c.Models[:1], "models"
	if err := os.Rename(filepath.Join(c.Root, "models/model_v2.joblib"), filepath.Join(c.Root, "away.joblib")); err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	defer r.stop()
	for name, text := range map[string][]byte{"late.joblib": data, "broken.joblib": []byte("\x80\x04nothing"), "README.md": []byte("# read me"), "not so.joblib": data} {
		if err := os.WriteFile(filepath.Join(c.Root, "models", name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.is("/models/late/predict", row, 404, "")
	r.is("/v2/repository/models/late/load", "", 200, "")
	r.is("/models/late/predict", row, 200, "late")
	r.is("/v2/repository/models/fraud/load", "", 200, "") // named no longer, and known
	r.is("/models/fraud/predict", row, 200, "model_v2")
	r.is("/v2/repository/models/broken/load", "", 422, "model broken: broken is refused")
	r.is("/v2/repository/models/README/load", "", 404, "There is no model README to load")
	r.is("/v2/repository/models/spam/unload", "", 404, "There is no model spam here to unload")
	var index []struct{ Name, State string }
	_, text := r.post("/v2/repository/index", "")
	if err := json.Unmarshal([]byte(text), &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range index {
		names = append(names, e.Name+" "+e.State)
	}
	if want := []string{"churn READY", "model_v1 READY", "late READY", "fraud READY", "broken UNAVAILABLE"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

// TestWhoMayLoad: the same guard as before control, and no parameters that would
// be taken for granted.
func TestWhoMayLoad(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	const unload = "/v2/repository/models/fraud/unload"
	r.is(unload, "", 403, "another origin", "Origin", "http://evil.example")
	r.is(unload, "", 403, "is not called", "Host", "evil.example")
	r.is(unload, `{"parameters":{"config":"{}"}}`, 400, `The parameter \"config\" is not taken`)
	r.is(unload, `[`, 400, "not JSON")
	r.is(unload, `{"parameters":{"x":"`+strings.Repeat("x", 70_000)+`"}}`, 413, "")
	r.is("/models/fraud/predict", row, 200, "")
	wire, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	client := pb.NewGRPCInferenceServiceClient(wire)
	if _, err := client.RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{ModelName: "fraud"}); err != nil {
		t.Error(err)
	}
	if is, err := client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "fraud"}); err != nil || is.GetReady() {
		t.Errorf("a model that rests: ready is %v, %v", is, err)
	}
	if _, err := client.ModelReady(t.Context(), &pb.ModelReadyRequest{Name: "spam"}); rpcstatus.Code(err) != codes.NotFound {
		t.Errorf("whether a model that nobody knows is ready: %v", err)
	}
	r.is("/models/fraud/predict", row, 404, "")
	if index, err := client.RepositoryIndex(t.Context(), &pb.RepositoryIndexRequest{}); err != nil || len(index.GetModels()) != 2 || index.GetModels()[1].GetState() != "UNAVAILABLE" {
		t.Errorf("%v %v", index, err)
	}
	with := map[string]*pb.ModelRepositoryParameter{"config": {}}
	if _, err := client.RepositoryModelLoad(t.Context(), &pb.RepositoryModelLoadRequest{ModelName: "fraud", Parameters: with}); rpcstatus.Code(err) != codes.InvalidArgument {
		t.Error(err)
	}
	if _, err := client.RepositoryModelLoad(t.Context(), &pb.RepositoryModelLoadRequest{ModelName: "fraud"}); err != nil {
		t.Error(err)
	}
	r.is("/models/fraud/predict", row, 200, "")
	if _, err := client.RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{ModelName: "spam"}); rpcstatus.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

// TestNothingComesOrGoesDuringTheStart: the doors are open while models load, and
// what would come or go between would be started twice.
func TestNothingComesOrGoesDuringTheStart(t *testing.T) {
	t.Parallel()
	c := twoModels(t)
	launch(t, c).stop()
	c.Models = c.Models[:1]
	y, box := behindDoors(t, &c)
	y.protocols = y.standard.front.Protocols("churn", "", func() bool { return true })
	if err := y.Load(t.Context(), "fraud"); err == nil || !strings.Contains(err.Error(), "/readyz") {
		t.Errorf("loading: %v", err)
	}
	soon, cancel := context.WithCancel(t.Context())
	cancel() // or it would wait for the pilot
	if err := y.Unload(soon, "churn"); err == nil || !strings.Contains(err.Error(), "/readyz") {
		t.Errorf("unloading: %v", err)
	}
	if err := errors.Join(y.recall(t.Context(), box), y.boot(t.Context())); err != nil {
		t.Fatal(err)
	}
	stop := y.work(t.Context())
	// It goes also for a client that has gone, or might stay and take no deploys any more.
	if err := errors.Join(y.Load(t.Context(), "fraud"), y.Unload(soon, "fraud")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	stop()
}
