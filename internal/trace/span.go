package trace

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otel "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Prediction is what a span tells of one that was answered.
type Prediction struct {
	Model, Version, SHA256 string
	Arm                    string // stable or canary
	Protocol               string
	Rows                   int
	// Dealt is true if the split chose the arm, and not the client.
	Dealt bool
}

// Span is that of a sampled request.
type Span struct{ span otel.Span }

// Of is the span of the request that this writer answers; nil if it is not sampled.
func Of(w http.ResponseWriter) *Span {
	if out, ok := w.(*Writer); ok {
		return out.span
	}
	return nil
}

// From is the span of the request that something is done for; nil if it is not sampled.
func From(ctx context.Context) *Span {
	if span := otel.SpanFromContext(ctx); span.IsRecording() {
		return &Span{span}
	}
	return nil
}

// Predicted tells of the prediction. Which version answers is also an event, as
// OpenTelemetry has it for whatever is switched for some requests and not for others.
func (s *Span) Predicted(p *Prediction) {
	reason := "targeting_match"
	if p.Dealt {
		reason = "split"
	}
	s.span.SetAttributes(
		attribute.String("serin.model", p.Model), attribute.String("serin.version", p.Version), attribute.String("serin.arm", p.Arm),
		attribute.String("serin.protocol", p.Protocol), attribute.Int("serin.rows", p.Rows),
	)
	s.span.AddEvent("feature_flag.evaluation", otel.WithAttributes(
		attribute.String("feature_flag.key", p.Model), attribute.String("feature_flag.provider.name", "serin"), attribute.String("feature_flag.result.variant", p.Arm),
		attribute.String("feature_flag.result.value", p.Version), attribute.String("feature_flag.result.reason", reason), attribute.String("feature_flag.version", p.SHA256),
	))
}

// Writer is one that knows how its request was answered.
type Writer struct {
	http.ResponseWriter

	// Status is the answer's; 0 before there is one.
	Status int
	span   *Span
}

// WriteHeader is for http.
func (w *Writer) WriteHeader(status int) {
	if w.Status < http.StatusOK { // what came before was no answer yet
		w.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is for http.
func (w *Writer) Write(b []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Serve passes a sampled request on, in a span. It is called by the pattern that a
// mux has found, or by this route where none was asked. The answer says where the
// request was in the trace.
func (t *Tracer) Serve(at Place, route string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx, span := t.spans.Start(at.under(r.Context(), strings.Join(r.Header["Tracestate"], ",")), r.Method, otel.WithSpanKind(otel.SpanKindServer),
		otel.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.scheme", "http")))
	defer span.End()
	out := &Writer{ResponseWriter: w, span: &Span{span}}
	w.Header()["Traceparent"] = []string{traceparent(span)}
	inner := r.WithContext(ctx)
	next.ServeHTTP(out, inner)
	if _, pattern, ok := strings.Cut(inner.Pattern, " "); ok {
		route = pattern
	} else if inner.Pattern != "" {
		route = inner.Pattern
	}
	span.SetName(r.Method + " " + route)
	span.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", out.Status))
	if id := w.Header()[Header]; len(id) > 0 {
		span.SetAttributes(attribute.String("serin.request_id", id[0]))
	}
	if out.Status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(out.Status))
	}
}

func traceparent(span otel.Span) string {
	at := span.SpanContext()
	return "00-" + at.TraceID().String() + "-" + at.SpanID().String() + "-" + at.TraceFlags().String()
}

// Unary gives gRPC calls that are sampled a span.
func (t *Tracer) Unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (out any, err error) {
	if t == nil || t.spans == nil {
		return handler(ctx, in)
	}
	at, sampled := t.sampler.decide(first(ctx, "traceparent"))
	if !sampled {
		return handler(ctx, in)
	}
	ctx = at.under(ctx, first(ctx, "tracestate"))
	method := strings.TrimPrefix(info.FullMethod, "/")
	ctx, span := t.spans.Start(ctx, method, otel.WithSpanKind(otel.SpanKindServer),
		otel.WithAttributes(attribute.String("rpc.system", "grpc"), attribute.String("rpc.method", method)))
	defer span.End()
	out, err = handler(ctx, in)
	code := status.Code(err)
	if err == nil {
		_ = grpc.SetHeader(ctx, metadata.Pairs("traceparent", traceparent(span)))
	}
	span.SetAttributes(attribute.Int("rpc.grpc.status_code", int(code)))
	if err != nil {
		span.SetStatus(codes.Error, code.String())
	}
	return out, err
}

// Called is the id on the answer to a gRPC call: its client's, one of ours if it
// failed, else none. Where it failed it is in the trailer, so that such an answer
// stays the one frame that gRPC has for it.
func Called(ctx context.Context, failed bool) (id string) {
	if id = first(ctx, "x-request-id"); !plain(id) {
		id = ""
	}
	put := grpc.SetHeader
	if failed {
		put, id = grpc.SetTrailer, cmp.Or(id, rand.Text())
	}
	if id != "" {
		// Without a stream to put it on (a test that calls by hand) nobody reads it.
		_ = put(ctx, metadata.Pairs("x-request-id", id))
	}
	return id
}

func first(ctx context.Context, key string) string {
	if values := metadata.ValueFromIncomingContext(ctx, key); len(values) == 1 {
		return values[0]
	}
	return ""
}
