package trace

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	otel "go.opentelemetry.io/otel/trace"
)

const (
	sampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// FuzzTraceparent: what is read, and whether it is, is as OpenTelemetry's own reader
// has it.
func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{
		"", sampled, unsampled, sampled[:54], sampled + "-x", "01" + sampled[2:] + "-x", "ff" + sampled[2:], "01" + sampled[2:],
		strings.ToUpper(sampled), strings.Replace(sampled, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1),
		strings.Replace(sampled, "b7ad6b7169203331", strings.Repeat("0", 16), 1), sampled[:53] + "ff", "01" + sampled[2:53] + "ff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := otel.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{"traceparent": s}))
		at, ok := parse(s)
		if ok != want.IsValid() {
			t.Fatalf("%q is read: %v, and by OpenTelemetry: %v", s, ok, want.IsValid())
		}
		if ok && (at.trace != want.TraceID() || at.parent != want.SpanID() || at.flags != want.TraceFlags()) {
			t.Errorf("%q: %v, want %v", s, at, want)
		}
	})
}

// TestSampler: a parent's word counts where the sampler says so, else the share of
// the traces, by the same digits as elsewhere.
func TestSampler(t *testing.T) {
	t.Parallel()
	const many = 100_000
	for _, tt := range []struct {
		name, arg, parent string
		share             float64
	}{
		{"", "", "", 1},
		{"", "", unsampled, 0},
		{"parentbased_always_off", "", "", 0},
		{"parentbased_always_off", "", sampled, 1},
		{"parentbased_traceidratio", "0.1", "", 0.1},
		{"parentbased_traceidratio", "0", sampled, 1},
		{"traceidratio", "0.25", "", 0.25},
		{"traceidratio", "0", sampled, 0},
		{"traceidratio", "1", unsampled, 1},
		{"always_on", "", unsampled, 1},
		{"always_off", "", sampled, 0},
		{"always_on", "", "nonsense", 1},
	} {
		rule, err := samplerOf(tt.name, tt.arg)
		if err != nil {
			t.Fatal(err)
		}
		yes := 0
		for range many {
			at, ok := rule.decide(tt.parent)
			if ok {
				yes++
			}
			if !at.trace.IsValid() || tt.parent == sampled && at.trace.String() != sampled[3:35] {
				t.Fatalf("%+v: trace %v", tt, at.trace)
			}
		}
		// Six standard deviations of a tenth are 0.006.
		if share := float64(yes) / many; share < tt.share-0.01 || share > tt.share+0.01 {
			t.Errorf("%+v: %.3f are sampled", tt, share)
		}
	}
	for _, bad := range [][2]string{{"jaeger_remote", ""}, {"traceidratio", "2"}, {"traceidratio", "NaN"}, {"traceidratio", "x"}} {
		if _, err := samplerOf(bad[0], bad[1]); err == nil || !strings.HasPrefix(err.Error(), "OTEL_TRACES_SAMPLER") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestNothingForTheUnsampled: neither without a tracer nor with one does a request
// that is not sampled allocate anything.
func TestNothingForTheUnsampled(t *testing.T) { //nolint:paralleltest // allocations are counted
	never := &Tracer{sampler: sampler{byParent: true}, spans: otel.NewNoopTracerProvider().Tracer("")} //nolint:staticcheck // any tracer will do
	var off *Tracer
	w := http.ResponseWriter(httptest.NewRecorder())
	for name, h := range map[string]http.Header{"plain": {}, "with a parent": {"Traceparent": {unsampled}, Header: {"7-up"}}} {
		answer := http.Header{Header: nil}
		if n := testing.AllocsPerRun(100, func() {
			for _, tracer := range []*Tracer{off, never} {
				if _, yes := tracer.Sampled(h); yes {
					t.Error("it is sampled")
				}
			}
			Echo(answer, h)
			if Of(w) != nil {
				t.Error("it has a span")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env             string
		traces, metrics bool
		err             string
	}{
		{"", false, false, ""},
		{"OTEL_SERVICE_NAME=x OTEL_TRACES_SAMPLER=always_on", false, false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", true, true, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SDK_DISABLED=true", false, false, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_METRICS_EXPORTER=none", true, false, ""},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:4318/v1/metrics", false, true, ""},
		{"OTEL_TRACES_EXPORTER=otlp", true, false, ""},
		{"OTEL_TRACES_EXPORTER=zipkin", false, false, "OTEL_TRACES_EXPORTER"},
		{"OTEL_METRICS_EXPORTER=prometheus", false, false, "OTEL_METRICS_EXPORTER"},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_PROTOCOL=grpc", false, false, "port 4318"},
	} {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(tt.env) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		traces, metrics, err := asked(func(name string) string { return env[name] })
		if traces != tt.traces || metrics != tt.metrics || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v %v %v", tt.env, traces, metrics, err)
		}
	}
}

// TestIDs: a client's id comes back if it is fit for a header and a log, else there
// is none until somebody needs one, which stays.
func TestIDs(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"7": true, "a1b2-C3_.:/+=@": true, strings.Repeat("x", longest): true,
		"": false, "a b": false, "a\"b": false, "a\r\nb": false, "ä": false, "<img>": false, strings.Repeat("x", longest+1): false,
	} {
		answer := http.Header{}
		Echo(answer, http.Header{Header: {id}})
		if got := slices.Equal(answer[Header], []string{id}); got != ok {
			t.Errorf("%q comes back: %v", id, got)
		}
		if made := ID(answer); made == "" || made != answer[Header][0] || made != ID(answer) || ok != (made == id) {
			t.Errorf("%q: %q", id, made)
		}
	}
	twice := http.Header{}
	if Echo(twice, http.Header{Header: {"a", "b"}}); len(twice) != 0 {
		t.Error("of two ids one was taken")
	}
}

// TestLogs: lines say for which request, also below attributes of their own.
func TestLogs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(Logs(slog.NewJSONHandler(&out, nil))).With("a", 1)
	log.Info("nobody's")
	at, _ := parse(sampled)
	ctx := at.under(With(t.Context(), "r-7"), "k=v")
	log.InfoContext(ctx, "somebody's")
	lines := strings.Split(out.String(), "\n")
	if strings.Contains(lines[0], "request_id") || !strings.Contains(lines[1], `"a":1,"request_id":"r-7","trace_id":"0af7651916cd43dd8448eb211c80319c"`) {
		t.Error(out.String())
	}
}
