package infer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"serin/internal/infer/oip"
	"serin/internal/route"
	"serin/internal/trace"
)

// trouble is why a request gets no answer. There is one kind of it, and each
// protocol has its own words for the same one:
//
//	         ┌─ problem   POST /predict   RFC 9457: title, status, detail, code, errors
//	         ├─ plain     V2 and V1       {"error": detail} and a problem's members
//	trouble ─┼─ scoring   /invocations    {"error_code", "message"}
//	         ├─ line      a stream        {"error": detail, "code"} after the answers
//	         └─ status    gRPC            a code and the detail
type trouble struct {
	status int          // HTTP's
	code   string       // the word for programs; empty for the status' own
	detail string       // what is wrong, where, and what to do next
	fields []fieldError // the values that are wrong, where that is known
	cause  []any        // what the log shall have of it, as slog takes it; nil for what is the client's
}

// fieldError says which value is wrong.
type fieldError struct {
	Message  string `json:"message"`
	Location string `json:"location"`
}

func (t *trouble) Error() string { return t.detail }

// troubled is trouble whose status says all that a program needs to know.
func troubled(status int, format string, args ...any) *trouble {
	return &trouble{status: status, detail: fmt.Sprintf(format, args...)}
}

// What may happen to any request, whatever it asks.
var (
	overloaded = &trouble{
		status: http.StatusServiceUnavailable, code: "overloaded",
		detail: "The server is busy with other predictions: send the request again in a second.",
	}
	notLoaded = &trouble{
		status: http.StatusServiceUnavailable, code: "no_model",
		detail: "No model is loaded yet: ask again when GET /readyz answers 200.",
	}
	stopping = &trouble{
		status: http.StatusServiceUnavailable, code: "shutting_down",
		detail: "The server stops: send the rows without an answer again.",
	}
	late = &trouble{
		status: http.StatusGatewayTimeout,
		detail: "The prediction was not ready at its deadline: send fewer rows, or wait longer (" + askHeader + "; the server's --predict-timeout).",
	}
	gone    = &trouble{status: clientGone, detail: "The client has gone."} // which nobody reads, but it is counted
	tooSlow = &trouble{
		status: http.StatusRequestTimeout,
		detail: "The body did not come to its end in time: send it without a pause, or the rows in several requests.",
	}
	tooLarge = &trouble{
		status: http.StatusRequestEntityTooLarge,
		detail: fmt.Sprintf("The body is larger than %d bytes: send the rows in several requests.", maxBody),
	}
)

// clientGone is a status that is only counted; proxies use the same.
const clientGone = 499

// meaning is what a status is called by programs.
type meaning struct {
	code   string // ours, the same as on the control side
	mlflow string // of MLflow's error codes
	rpc    codes.Code
}

// meanings are of the statuses that are not simply a bad request.
var meanings = map[int]meaning{
	http.StatusUnauthorized:          {"unauthenticated", "UNAUTHENTICATED", codes.Unauthenticated},
	http.StatusTooManyRequests:       {"too_many_attempts", "UNAUTHENTICATED", codes.ResourceExhausted},
	http.StatusForbidden:             {"forbidden", "PERMISSION_DENIED", codes.PermissionDenied},
	http.StatusNotFound:              {"not_found", "RESOURCE_DOES_NOT_EXIST", codes.NotFound},
	http.StatusConflict:              {"conflict", "INVALID_STATE", codes.FailedPrecondition},
	http.StatusMethodNotAllowed:      {"method_not_allowed", "BAD_REQUEST", codes.Unimplemented},
	http.StatusRequestTimeout:        {"too_slow", "BAD_REQUEST", codes.DeadlineExceeded},
	http.StatusRequestEntityTooLarge: {"too_large", "BAD_REQUEST", codes.ResourceExhausted},
	http.StatusInternalServerError:   {"internal", "INTERNAL_ERROR", codes.Internal},
	http.StatusServiceUnavailable:    {"unavailable", "TEMPORARILY_UNAVAILABLE", codes.Unavailable},
	http.StatusGatewayTimeout:        {"deadline_exceeded", "DEADLINE_EXCEEDED", codes.DeadlineExceeded},
	clientGone:                       {"client_gone", "CANCELLED", codes.Canceled},
}

func (t *trouble) meaning() meaning {
	m, known := meanings[t.status]
	if !known {
		m = meaning{"invalid_request", "BAD_REQUEST", codes.InvalidArgument}
	}
	m.code = cmp.Or(t.code, m.code)
	return m
}

// refusal finds the trouble that an error is, and counts it. An error that is
// nobody's trouble is ours: the log has it, and the client need not. The id is that
// of the request, if it has one yet.
func (h *Handler) refusal(in route.Protocol, err error, id string) *trouble {
	t, ok := errors.AsType[*trouble](err)
	if fault, wrong := errors.AsType[*oip.Fault](err); !ok && wrong {
		t, ok = &trouble{status: http.StatusBadRequest, detail: fault.Detail}, true
	}
	if !ok {
		t = troubled(http.StatusInternalServerError, "The server failed on this request; its log says how.")
		t.cause = []any{"err", err}
	}
	if t.cause != nil {
		h.log.Error("a request could not be answered", append([]any{"request_id", id, "protocol", in.String()}, t.cause...)...)
	}
	h.refusals[in][min(max(t.status-http.StatusBadRequest, 0), len(h.refusals[in])-1)].Add(1)
	return t
}

// problem is RFC 9457's document.
type problem struct {
	Type   string       `json:"type"` // where it is explained
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail"`
	Code   string       `json:"code"`
	Errors []fieldError `json:"errors,omitempty"`
	// Request is the id that the log has the request by, and the answer's header.
	Request string `json:"request_id"`
}

func (t *trouble) document(id string) problem {
	code := t.meaning().code
	return problem{"/docs/errors#" + code, http.StatusText(t.status), t.status, t.detail, code, t.fields, id}
}

func (t *trouble) problem(w http.ResponseWriter) {
	w.Header()["Content-Type"] = []string{"application/problem+json"}
	writeJSON(w, t.status, t.document(trace.ID(w.Header())))
}

func (t *trouble) plain(w http.ResponseWriter) {
	writeJSON(w, t.status, struct {
		Error string `json:"error"`
		problem
	}{t.detail, t.document(trace.ID(w.Header()))})
}

func (t *trouble) scoring(w http.ResponseWriter) {
	writeJSON(w, t.status, struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}{t.meaning().mlflow, t.detail})
}

func (t *trouble) line() []byte {
	return append(encoded(struct {
		Error string `json:"error"`
		Code  string `json:"code"`
	}{t.detail, t.meaning().code}), '\n')
}

func (t *trouble) rpc() error { return status.Error(t.meaning().rpc, t.detail) }

// writeJSON answers a value, as JSON where the header names no other type. Whoever
// is told that the server cannot answer now is told when to come again.
func writeJSON(w http.ResponseWriter, status int, v any) {
	if len(w.Header()["Content-Type"]) == 0 {
		w.Header()["Content-Type"] = contentTypeJSON
	}
	if status == http.StatusServiceUnavailable {
		w.Header()["Retry-After"] = []string{"1"}
	}
	w.WriteHeader(status)
	_, _ = w.Write(encoded(v)) //nolint:gosec // it is JSON, and Marshal escapes what HTML would read
}

func encoded(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil { // cannot happen: names, numbers and texts always encode
		return []byte("{}")
	}
	return body
}
