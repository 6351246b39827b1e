package app

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"serin/internal/api"
	pb "serin/internal/infer/inferencepb"
	"serin/internal/trace"
)

// collector takes OTLP over HTTP, as OpenTelemetry's does.
type collector struct {
	t       *testing.T
	mu      sync.Mutex
	service string
	spans   []*tracepb.Span
	metrics map[string]*metricpb.Metric
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s: %v, %v", r.URL.Path, r.Header, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var in coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &in); err != nil {
			c.t.Error(err)
		}
		for _, resource := range in.GetResourceSpans() {
			for _, a := range resource.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					c.service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	case "/v1/metrics":
		var in colmetricpb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &in); err != nil {
			c.t.Error(err)
		}
		for _, resource := range in.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					c.metrics[m.GetName()] = m
				}
			}
		}
	default:
		http.NotFound(w, r)
	}
}

// named is the only span of that name.
func (c *collector) named(name string) *tracepb.Span {
	c.t.Helper()
	var found []*tracepb.Span
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		c.t.Fatalf("%d spans are called %q", len(found), name)
	}
	return found[0]
}

func attributes(s *tracepb.Span) map[string]string {
	all := map[string]string{}
	for _, a := range s.GetAttributes() {
		all[a.GetKey()] = strings.Trim(strings.TrimPrefix(a.GetValue().String(), "string_value:"), `"`)
	}
	return all
}

// lockedBuffer is where a log goes that many write to.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

const (
	wantedTrace  = "0af7651916cd43dd8448eb211c80319c"
	wantedParent = "b7ad6b7169203331"
)

// TestTelemetry: what a collector gets over OTLP of predictions, of a deploy and of
// the metrics, and what the client and the log hear of it.
func TestTelemetry(t *testing.T) { //nolint:paralleltest // it sets variables of the environment
	to := &collector{t: t, metrics: map[string]*metricpb.Metric{}}
	receiver := httptest.NewServer(to)
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_SERVICE_NAME", "churn-eu")
	c, out := configFor(t), &lockedBuffer{}
	c.Log = slog.New(slog.NewJSONHandler(out, nil))
	r := launch(t, c)
	asked := map[string]*http.Response{}
	for name, headers := range map[string]http.Header{
		"sampled":   {"Traceparent": {"00-" + wantedTrace + "-" + wantedParent + "-01"}, "Tracestate": {"shop=7"}, "X-Request-Id": {"order-7"}},
		"unsampled": {"Traceparent": {"00-" + strings.Repeat("c", 32) + "-" + wantedParent + "-00"}},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/predict", strings.NewReader(row))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = headers
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		res.Body.Close()
		asked[name] = res
	}
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-"+strings.Repeat("d", 32)+"-"+wantedParent+"-01", "x-request-id", "call-7")
	var header metadata.MD
	if _, err := pb.NewGRPCInferenceServiceClient(conn).ModelInfer(ctx, &pb.ModelInferRequest{ModelName: "churn", Inputs: []*pb.ModelInferRequest_InferInputTensor{
		{Name: "input", Datatype: "FP64", Shape: []int64{1, 5}, Contents: &pb.InferTensorContents{Fp64Contents: []float64{0.5, 1.2, 0.8, 0.3, 1.1}}},
	}}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	r.stop()

	if got := asked["sampled"].Header; !slices.Equal(got[trace.Header], []string{"order-7"}) || !strings.HasPrefix(got.Get("Traceparent"), "00-"+wantedTrace+"-") {
		t.Errorf("the sampled answer has %v", got)
	}
	if got := asked["unsampled"].Header; len(got[trace.Header]) != 0 || got.Get("Traceparent") != "" {
		t.Errorf("the other answer has %v", got)
	}
	if !slices.Equal(header["x-request-id"], []string{"call-7"}) || len(header["traceparent"]) != 1 {
		t.Errorf("gRPC's answer has %v", header)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.predictions()
	to.deploy()
	to.numbers()
	if !strings.Contains(asked["sampled"].Header.Get("Traceparent"), hex.EncodeToString(to.named("POST /predict").GetSpanId())) {
		t.Error("the answer names another span")
	}
	decisionsAreLogged(t, out.String(), hex.EncodeToString(to.named("POST /admin/deploy-canary").GetTraceId()))
}

// predictions are in spans of their own, below the client's.
func (c *collector) predictions() {
	if c.service != "churn-eu" {
		c.t.Errorf("the service is called %q", c.service)
	}
	s := c.named("POST /predict")
	if hex.EncodeToString(s.GetTraceId()) != wantedTrace || hex.EncodeToString(s.GetParentSpanId()) != wantedParent || s.GetTraceState() != "shop=7" {
		c.t.Errorf("the span is elsewhere: %v", s)
	}
	for key, want := range map[string]string{
		"serin.model": "churn", "serin.version": "model_v1", "serin.arm": "stable", "serin.protocol": "predict", "serin.rows": "int_value:1",
		"http.route": "/predict", "http.request.method": "POST", "http.response.status_code": "int_value:200", "serin.request_id": "order-7",
	} {
		if got := attributes(s)[key]; got != want {
			c.t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if events := s.GetEvents(); len(events) != 1 || events[0].GetName() != "feature_flag.evaluation" || !strings.Contains(events[0].String(), "feature_flag.result.variant") {
		c.t.Errorf("events: %v", events)
	}
	if called := c.named("inference.GRPCInferenceService/ModelInfer"); attributes(called)["serin.protocol"] != "grpc" || hex.EncodeToString(called.GetParentSpanId()) != wantedParent {
		c.t.Errorf("%v", called)
	}
}

// deploy is one trace: the call, what was decided for it, and the load.
func (c *collector) deploy() {
	call := c.named("POST /admin/deploy-canary")
	for name, event := range map[string]string{"serin.decision deploy": "deploy", "serin.decision loaded": "loaded"} {
		if s := c.named(name); !bytes.Equal(s.GetTraceId(), call.GetTraceId()) || attributes(s)["serin.event"] != event || attributes(s)["serin.rollout"] != "r1" {
			c.t.Errorf("%s: %v", name, s)
		}
	}
	loads := 0
	for _, s := range c.spans {
		if s.GetName() == "serin.load" && bytes.Equal(s.GetTraceId(), call.GetTraceId()) && attributes(s)["serin.version"] == "model_v2" {
			loads++
		}
	}
	if loads != 1 {
		c.t.Errorf("%d loads in the deploy's trace", loads)
	}
	c.named("serin.decision install") // by itself, at the start
}

// numbers are those of /metrics.
func (c *collector) numbers() {
	for _, name := range []string{"serin_predict_requests_total", "serin_canary_phase", "serin_build_info", "go_goroutines"} {
		if c.metrics[name] == nil {
			c.t.Errorf("there is no metric %s", name)
		}
	}
	total := uint64(0)
	for _, p := range c.metrics["serin_predict_duration_seconds"].GetExponentialHistogram().GetDataPoints() {
		total += p.GetCount()
		if p.GetScale() != schema {
			c.t.Errorf("the histogram's scale is %d", p.GetScale())
		}
	}
	if total != 3 {
		c.t.Errorf("%d predictions in the histograms", total)
	}
}

// decisionsAreLogged with the id that the client got, and the trace.
func decisionsAreLogged(t *testing.T, text, traceID string) {
	t.Helper()
	ids, seen := map[string]int{}, 0
	for line := range strings.Lines(text) {
		var l struct {
			Msg     string `json:"msg"`
			Event   string `json:"event"`
			Route   string `json:"route"`
			Request string `json:"request_id"`
			Trace   string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if l.Msg == "decision" && (l.Event == "deploy" || l.Event == "loaded") || l.Route == "POST /admin/deploy-canary" {
			ids[l.Request]++
			if seen++; l.Request == "" || l.Trace != traceID {
				t.Errorf("not the call's: %s", line)
			}
		}
	}
	if len(ids) != 1 || seen != 3 {
		t.Errorf("%d lines of the deploy, ids %v\n%s", seen, ids, text)
	}
}
