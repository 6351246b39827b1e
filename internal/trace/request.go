package trace

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"

	otel "go.opentelemetry.io/otel/trace"
)

// Header is the one that carries a request's id, in its canonical form.
const Header = "X-Request-Id"

// longest is the most bytes that a client's id may have.
const longest = 128

// plain tells whether a client's id may be repeated: in a header, in a log, on a
// terminal.
func plain(id string) bool {
	if id == "" || len(id) > longest {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}

// Echo puts the client's id on the answer, if it is fit for one.
func Echo(answer, asked http.Header) {
	if id := asked[Header]; len(id) == 1 && plain(id[0]) {
		answer[Header] = id
	}
}

// ID is the id on an answer; one that has none gets one.
func ID(answer http.Header) string {
	if id := answer[Header]; len(id) > 0 {
		return id[0]
	}
	id := rand.Text()
	answer[Header] = []string{id}
	return id
}

type key struct{}

// With is a context in which everything is done for the request of this id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// For is the id of the request that something is done for; "" if it is for none.
func For(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// Logs adds to each line that is logged with a context for which request it was
// done, and where in a trace, if it is sampled.
func Logs(next slog.Handler) slog.Handler { return lines{next} }

type lines struct{ slog.Handler }

func (l lines) Handle(ctx context.Context, r slog.Record) error {
	if id := For(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if at := otel.SpanContextFromContext(ctx); at.IsSampled() {
		r.AddAttrs(slog.String("trace_id", at.TraceID().String()), slog.String("span_id", at.SpanID().String()))
	}
	return l.Handler.Handle(ctx, r)
}

func (l lines) WithAttrs(attrs []slog.Attr) slog.Handler { return lines{l.Handler.WithAttrs(attrs)} }

func (l lines) WithGroup(name string) slog.Handler { return lines{l.Handler.WithGroup(name)} }
