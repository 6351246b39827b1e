package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"

	prom "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/bridges/prometheus"
	global "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
)

// Tracer records spans, and sends them and the metrics to a collector over OTLP. Nil
// records and sends nothing.
type Tracer struct {
	sampler sampler
	spans   otel.Tracer // nil if only metrics are sent
	stop    []func(context.Context) error
}

// Open reads OpenTelemetry's variables from the environment, and returns nil if they
// do not ask for anything. The metrics are those that are gathered, the version is
// serin's. Errors say which variable is wrong; a collector that is not there is none.
func Open(ctx context.Context, version string, metrics prom.Gatherer, log *slog.Logger) (*Tracer, error) {
	traces, numbers, err := asked(os.Getenv)
	if err != nil || !traces && !numbers {
		return nil, err
	}
	rule, err := samplerOf(os.Getenv("OTEL_TRACES_SAMPLER"), os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
	if err != nil {
		return nil, err
	}
	// OpenTelemetry has one place for the errors of its background work; a process has one serin.
	global.SetErrorHandler(global.ErrorHandlerFunc(func(err error) { log.Warn("telemetry could not be sent", "err", err) }))
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "serin"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Tracer{sampler: rule}
	if traces {
		to, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("sending traces over OTLP: %w", err)
		}
		p := sdk.NewTracerProvider(sdk.WithBatcher(to), sdk.WithResource(about), sdk.WithSampler(sdk.AlwaysSample()), sdk.WithIDGenerator(ids{}))
		t.spans, t.stop = p.Tracer("serin", otel.WithInstrumentationVersion(version)), append(t.stop, p.Shutdown)
	}
	if numbers {
		to, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sending metrics over OTLP: %w", err), t.Close(ctx))
		}
		from := prometheus.NewMetricProducer(prometheus.WithGatherer(metrics))
		p := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(to, metric.WithProducer(from))), metric.WithResource(about))
		t.stop = append(t.stop, p.Shutdown)
	}
	return t, nil
}

// asked says what the variables ask for: nothing, unless one of them names a place to
// send it to, or says otlp.
func asked(env func(string) string) (traces, metrics bool, err error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return false, false, nil
	}
	wants := func(signal string) (bool, error) {
		place := env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
		switch exporter := env("OTEL_" + signal + "_EXPORTER"); exporter {
		case "":
			return place, nil
		case "otlp":
			return true, nil
		case "none":
			return false, nil
		default:
			return false, fmt.Errorf("OTEL_%s_EXPORTER is %q: serin knows otlp and none", signal, exporter)
		}
	}
	if traces, err = wants("TRACES"); err != nil {
		return false, false, err
	}
	if metrics, err = wants("METRICS"); err != nil {
		return false, false, err
	}
	if protocol := cmp.Or(env("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf"); (traces || metrics) && protocol != "http/protobuf" {
		return false, false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: serin sends http/protobuf, which collectors take on port 4318", protocol)
	}
	return traces, metrics, nil
}

// Close sends what has not been sent yet, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	failed := make([]error, len(t.stop))
	for i, stop := range t.stop {
		failed[i] = stop(ctx)
	}
	return errors.Join(failed...)
}

// ids gives a new trace the id that its sampling was decided by.
type ids struct{}

type newTrace struct{}

func (ids) NewIDs(ctx context.Context) (trace otel.TraceID, span otel.SpanID) {
	at, ok := ctx.Value(newTrace{}).(place)
	if !ok {
		at, _ = sampler{}.decide("")
	}
	return at.trace, ids{}.NewSpanID(ctx, at.trace)
}

func (ids) NewSpanID(context.Context, otel.TraceID) (id otel.SpanID) {
	n := rand.Uint64() | 1
	for i := range id {
		id[i] = byte(n >> (8 * i))
	}
	return id
}

// under is the context of a request that is sampled.
func (p place) under(ctx context.Context, state string) context.Context {
	if !p.parent.IsValid() {
		return context.WithValue(ctx, newTrace{}, p)
	}
	known, _ := otel.ParseTraceState(state) // one that is none is not passed on
	return otel.ContextWithRemoteSpanContext(ctx, otel.NewSpanContext(otel.SpanContextConfig{
		TraceID: p.trace, SpanID: p.parent, TraceFlags: p.flags, TraceState: known, Remote: true,
	}))
}

// Start begins a span of something that serin does for a request that is sampled, or
// by itself. What ends it says how that went. The attributes are pairs of a name and
// a text.
func (t *Tracer) Start(ctx context.Context, name string, pairs ...string) (inside context.Context, end func(error)) {
	own := !otel.SpanContextFromContext(ctx).IsValid()
	if t == nil || t.spans == nil || own && For(ctx) != "" || t.sampler.ratio == 0 && own {
		return ctx, func(error) {}
	}
	inside, span := t.spans.Start(ctx, name, otel.WithAttributes(texts(pairs)...)) //nolint:spancheck // its end is returned
	return inside, func(err error) {                                               //nolint:spancheck // as above
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func texts(pairs []string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, attribute.String(pairs[i], pairs[i+1]))
		}
	}
	return all
}

// Sampled decides about a request by its headers. What it returns is for Serve.
func (t *Tracer) Sampled(h http.Header) (at Place, yes bool) {
	if t == nil || t.spans == nil {
		return Place{}, false
	}
	parent := ""
	if values := h["Traceparent"]; len(values) == 1 {
		parent = values[0]
	}
	p, yes := t.sampler.decide(parent)
	return Place{p}, yes
}

// Place is where a sampled request belongs.
type Place struct{ place }
