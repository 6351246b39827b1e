package app

import (
	"errors"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"serin/internal/record"
	"serin/internal/route"
)

// protobuf is how Prometheus asks for native histograms.
const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// scrape reads /metrics in the format that is accepted.
func (r *running) scrape(accept string) (format, text string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/metrics", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.Header.Get("Content-Type"), string(body)
}

// BenchmarkScrape is one reading of /metrics over loopback with a canary live, the
// client's part included.
func BenchmarkScrape(b *testing.B) {
	r := launch(b, configFor(b))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		b.Fatal(err)
	}
	for range 1000 {
		if _, _, err := r.predict(http.DefaultClient); err != nil {
			b.Fatal(err)
		}
	}
	for name, accept := range map[string]string{"text": "text/plain", "protobuf": protobuf} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, text := r.scrape(accept)
				b.ReportMetric(float64(len(text)), "bytes/scrape")
			}
		})
	}
}

// families reads what a scrape has, as Prometheus' own library does.
func families(t *testing.T, format, text string) map[string]*dto.MetricFamily {
	t.Helper()
	found := map[string]*dto.MetricFamily{}
	decoder := expfmt.NewDecoder(strings.NewReader(text), expfmt.ResponseFormat(http.Header{"Content-Type": {format}}))
	for {
		family := new(dto.MetricFamily)
		if err := decoder.Decode(family); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		found[family.GetName()] = family
	}
}

// TestMetricsInEveryFormat: what is asked for is what comes, the same metrics are in
// all of them, and native histograms are where the format has them.
func TestMetricsInEveryFormat(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if _, _, err := r.predict(http.DefaultClient); err != nil {
			t.Fatal(err)
		}
	}
	format, text := r.scrape("text/plain;version=0.0.4")
	plain := families(t, format, text)
	format, text = r.scrape(protobuf)
	rich := families(t, format, text)
	format, open := r.scrape("application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(format, "application/openmetrics-text") || !strings.HasSuffix(open, "# EOF\n") {
		t.Errorf("no OpenMetrics: %s", format)
	}
	if a, b := slices.Sorted(maps.Keys(plain)), slices.Sorted(maps.Keys(rich)); !slices.Equal(a, b) {
		t.Errorf("text has %v, protobuf %v", a, b)
	}
	for name, family := range plain {
		if name = strings.TrimSuffix(name, "_total"); strings.HasPrefix(name, "serin_") && !strings.Contains(open, "# TYPE "+name+" ") {
			t.Errorf("OpenMetrics has no %s", name)
		}
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
	}
	predictions := rich["serin_predict_duration_seconds"].GetMetric()
	if len(predictions) != 2 {
		t.Fatalf("%d histograms for two arms", len(predictions))
	}
	for _, m := range predictions {
		h, inside := m.GetHistogram(), uint64(0)
		total, count := h.GetZeroCount(), int64(0)
		for _, delta := range h.GetPositiveDelta() {
			count += delta
			total += uint64(count)
		}
		for _, span := range h.GetPositiveSpan() {
			inside += uint64(span.GetLength())
		}
		if h.GetSchema() != schema || total != h.GetSampleCount() || inside != uint64(len(h.GetPositiveDelta())) || len(h.GetBucket()) < len(bounds) {
			t.Errorf("the native histogram of %v has %d of %d samples", m.GetLabel(), total, h.GetSampleCount())
		}
	}
}

// TestNativeBuckets holds the native histogram to the latencies that it was made
// from: all are there, none more than a hundredth outside its bucket.
func TestNativeBuckets(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var arm record.Arm
	var true50 []float64
	for range 20_000 {
		latency := max(2*shortest*1e9, time.Duration(200e3*math.Exp(random.NormFloat64()*2)))
		arm.Observe(latency, 0.5)
		true50 = append(true50, latency.Seconds())
	}
	arm.Observe(0, 0.5)
	arm.Observe(time.Hour, 0.5)
	slices.Sort(true50)
	var m dto.Metric
	if err := distributed(predictSeconds, &arm, "m", "v", "r", "p").Write(&m); err != nil {
		t.Fatal(err)
	}
	h := m.GetHistogram()
	if h.GetZeroCount() != 1 || h.GetSampleCount() != 20_002 {
		t.Fatalf("%d around zero, %d in all", h.GetZeroCount(), h.GetSampleCount())
	}
	// Cumulative counts at each native border against the latencies themselves.
	at, n, total, next := 0, int64(0), h.GetZeroCount(), 0
	for _, span := range h.GetPositiveSpan() {
		at += int(span.GetOffset())
		for range span.GetLength() {
			n += h.GetPositiveDelta()[next]
			total += uint64(n)
			next++
			border := math.Exp2(float64(at) / (1 << schema))
			low, _ := slices.BinarySearch(true50, border/1.0101)
			high, _ := slices.BinarySearch(true50, border*1.0101)
			if below := int(total) - 1; (below < low || below > high) && below < 20_000 {
				t.Errorf("%d latencies up to %g s, and there are %d to %d", below, border, low, high)
			}
			at++
		}
	}
	for _, b := range h.GetBucket() {
		if want := arm.AtMost(time.Duration(math.Round(b.GetUpperBound() * 1e9))); b.GetCumulativeCount() != want {
			t.Errorf("%d up to %g s, and the gauge has %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}
}

// TestMetricsFollowTheRules: promlint, which is what promtool says.
func TestMetricsFollowTheRules(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	format, text := r.scrape("text/plain;version=0.0.4")
	found := families(t, format, text)
	problems, err := testutil.GatherAndLint(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return slices.Collect(maps.Values(found)), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "serin_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestMetricsOfProtocols: each says in whose words it was asked, answered or not.
func TestMetricsOfProtocols(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	for _, ask := range []struct{ path, media, body string }{
		{"/predict", "application/json", row},
		{"/predict", "application/x-ndjson", "[0.5, 1.2, 0.8, 0.3, 1.1]\n"},
		{"/predict", "application/x-ndjson", "{}\n"},
		{"/v1/models/churn:predict", "application/json", `{"instances": [[0.5, 1.2, 0.8, 0.3, 1.1]]}`},
		{"/v1/models/churn:predict", "application/json", `{}`},
		{"/v2/models/churn/infer", "application/json", `{}`},
		{"/invocations", "application/json", `{"inputs": [[0.5, 1.2, 0.8, 0.3, 1.1]]}`},
	} {
		res, err := http.Post(r.url+ask.path, ask.media, strings.NewReader(ask.body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	text := r.metrics()
	for protocol, codes := range map[route.Protocol][]string{
		route.Native: {"200"}, route.Stream: {"200", "422"}, route.V1: {"200", "400"}, route.V2: {"400"}, route.Scoring: {"200"},
	} {
		for _, code := range codes {
			version, role := "model_v1", "stable"
			if code != "200" {
				version, role = "", ""
			}
			if want := `serin_predict_requests_total{code="` + code + `",model="churn",protocol="` + protocol.String() + `",role="` + role + `",version="` + version + `"} 1`; !strings.Contains(text, want) {
				t.Errorf("%s is missing", want)
			}
		}
	}
	for _, want := range []string{
		`serin_predict_failures_total{model="churn",reason="panic",role="stable",version="model_v1"} 0`,
		`serin_predict_in_flight 0`, `serin_predict_queued 0`, `serin_predict_shed_total{reason="queue_full"} 0`,
		`serin_model_load_duration_seconds_count{model="churn"} 1`, `serin_model_info{model="churn",role="stable",`,
		`serin_store_write_duration_seconds_count{operation="commit"} 1`, `serin_store_write_failures_total{operation="commit"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// TestNoSeriesOfModelsThatWent: a model that is unloaded leaves none behind.
func TestNoSeriesOfModelsThatWent(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	r.ask("fraud")
	if !strings.Contains(r.metrics(), `model="fraud"`) {
		t.Fatal("fraud has no series")
	}
	res, err := http.Post(r.url+"/v2/repository/models/fraud/unload", "", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if text := r.metrics(); res.StatusCode != http.StatusOK || strings.Contains(text, `model="fraud"`) {
		t.Errorf("%s, and fraud still has series", res.Status)
	}
}
