package infer

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"serin/internal/infer/oip"
	"serin/internal/route"
)

// TestEveryProtocolTellsTheSameTrouble: one error, in everybody's words.
func TestEveryProtocolTellsTheSameTrouble(t *testing.T) {
	t.Parallel()
	h := NewHandler(nil, DefaultLimits(), slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		err          error
		status       int
		code, mlflow string
		rpc          codes.Code
		comeAgain    string
	}{
		{overloaded, 503, "overloaded", "TEMPORARILY_UNAVAILABLE", codes.Unavailable, "1"},
		{notLoaded, 503, "no_model", "TEMPORARILY_UNAVAILABLE", codes.Unavailable, "1"},
		{stopping, 503, "shutting_down", "TEMPORARILY_UNAVAILABLE", codes.Unavailable, "1"},
		{tooLarge, 413, "too_large", "BAD_REQUEST", codes.ResourceExhausted, ""},
		{troubled(404, "There is none."), 404, "not_found", "RESOURCE_DOES_NOT_EXIST", codes.NotFound, ""},
		{troubled(403, "Not here."), 403, "forbidden", "PERMISSION_DENIED", codes.PermissionDenied, ""},
		{troubled(415, "Not so."), 415, "invalid_request", "BAD_REQUEST", codes.InvalidArgument, ""},
		{&oip.Fault{Detail: "Not this."}, 400, "invalid_request", "BAD_REQUEST", codes.InvalidArgument, ""},
		{errors.New("unknown"), 500, "internal", "INTERNAL_ERROR", codes.Internal, ""},
	} {
		told := h.refusal(route.Native, tt.err, "7")
		for name, write := range map[string]func(http.ResponseWriter){"problem": told.problem, "plain": told.plain, "scoring": told.scoring} {
			w := httptest.NewRecorder()
			write(w)
			want := map[string]string{"problem": `"code":"` + tt.code, "plain": `"code":"` + tt.code, "scoring": `{"error_code":"` + tt.mlflow}[name]
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.comeAgain || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), told.detail) {
				t.Errorf("%v as %s: %d %v %s", tt.err, name, w.Code, w.Header(), w.Body)
			}
		}
		if line := string(told.line()); !strings.Contains(line, `"code":"`+tt.code) || !strings.HasPrefix(line, `{"error":"`) || !strings.HasSuffix(line, "}\n") {
			t.Errorf("%v as a line: %q", tt.err, line)
		}
		if s := status.Convert(told.rpc()); s.Code() != tt.rpc || s.Message() != told.detail {
			t.Errorf("%v over gRPC: %v", tt.err, s)
		}
	}
	count := uint64(0)
	h.Refused(func(_ route.Protocol, _ int, n uint64) { count += n })
	if count != 9 {
		t.Errorf("%d refusals counted", count)
	}
}
