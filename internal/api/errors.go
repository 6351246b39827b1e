package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
	"serin/internal/notify"
	"serin/internal/rollout"
	"serin/internal/trace"
)

// ExitCode is what the command line ends with; scripts may rely on it.
type ExitCode int

const (
	// ExitOK: done, promoted, healthy.
	ExitOK ExitCode = 0
	// ExitInternal: serin itself failed.
	ExitInternal ExitCode = 1
	// ExitUsage: the command was not given as it should be.
	ExitUsage ExitCode = 2
	// ExitRegression: the canary is worse than stable.
	ExitRegression ExitCode = 3
	// ExitInconclusive: the evidence cannot tell, or there is nothing to judge.
	ExitInconclusive ExitCode = 4
	// exitDenied: who asks is not known, or may not.
	exitDenied ExitCode = 5
	// ExitConflict: not possible in the present state.
	ExitConflict ExitCode = 6
	// ExitUnreachable: no server, or one that cannot make anything durable.
	ExitUnreachable ExitCode = 7
	// ExitRefused: the model file is not accepted.
	ExitRefused ExitCode = 8
	// ExitInvalid: what was observed cannot be judged, as where the split is off.
	ExitInvalid ExitCode = 9
	// ExitInterrupted: stopped by the user.
	ExitInterrupted ExitCode = 130
)

type outcome struct {
	status int
	exit   ExitCode
}

// outcomes is the one table of errors: what a code means over HTTP and for a
// script.
var outcomes = map[string]outcome{
	string(rollout.NoCanary):             {http.StatusConflict, ExitConflict},
	string(rollout.CanaryActive):         {http.StatusConflict, ExitConflict},
	string(rollout.CanaryLoading):        {http.StatusConflict, ExitConflict},
	string(rollout.CanaryUnhealthy):      {http.StatusConflict, ExitRegression},
	string(rollout.EvidenceInsufficient): {http.StatusConflict, ExitInconclusive},
	string(rollout.EvidenceInvalid):      {http.StatusConflict, ExitInvalid},
	string(rollout.WeightUnchanged):      {http.StatusConflict, ExitConflict},
	string(rollout.WeightSettled):        {http.StatusConflict, ExitConflict},
	string(rollout.Quarantined):          {http.StatusConflict, ExitRefused},
	string(rollout.NoModel):              {http.StatusConflict, ExitConflict},
	string(rollout.ReasonMissing):        {http.StatusUnprocessableEntity, ExitUsage},
	string(rollout.Impossible):           {http.StatusConflict, ExitInternal},
	string(control.FileMissing):          {http.StatusNotFound, ExitRefused},
	string(control.FileDiffers):          {http.StatusUnprocessableEntity, ExitRefused},
	string(control.FileTooLarge):         {http.StatusRequestEntityTooLarge, ExitRefused},
	string(control.UploadBroken):         {http.StatusBadRequest, ExitUnreachable},
	string(control.FileRefused):          {http.StatusUnprocessableEntity, ExitRefused},
	string(control.FileUnreachable):      {http.StatusBadGateway, ExitUnreachable},
	string(control.ModelRefused):         {http.StatusUnprocessableEntity, ExitRefused},
	string(control.ModelIncompatible):    {http.StatusUnprocessableEntity, ExitRefused},
	string(control.DrillsOff):            {http.StatusForbidden, ExitConflict},
	string(control.RolledBack):           {http.StatusConflict, ExitConflict},
	string(control.RolloutUnknown):       {http.StatusNotFound, ExitUsage},
	string(control.StoreDown):            {http.StatusServiceUnavailable, ExitUnreachable},
	string(control.Stopping):             {http.StatusServiceUnavailable, ExitUnreachable},
	codeForbidden:                        {http.StatusForbidden, exitDenied},
	codeUnknown:                          {http.StatusUnauthorized, exitDenied},
	codeTries:                            {http.StatusTooManyRequests, exitDenied},
	codeMethod:                           {http.StatusMethodNotAllowed, ExitUsage},
	codeModel:                            {http.StatusNotFound, ExitUsage},
	codeNotFound:                         {http.StatusNotFound, ExitUsage},
	codeInvalid:                          {http.StatusUnprocessableEntity, ExitUsage},
	codeBusy:                             {http.StatusServiceUnavailable, ExitUnreachable},
	notify.CodeHook:                      {http.StatusNotFound, ExitUsage},
	notify.CodeLetter:                    {http.StatusNotFound, ExitUsage},
	codeInternal:                         {http.StatusInternalServerError, ExitInternal},
}

// Codes of errors that arise at this door.
const (
	codeForbidden = "forbidden"
	codeUnknown   = "unauthenticated"
	codeTries     = "too_many_attempts"
	codeMethod    = "method_not_allowed"
	codeModel     = "model_unknown"
	codeNotFound  = "not_found"
	codeInvalid   = "invalid_request"
	codeBusy      = "too_many_pages"
	codeInternal  = "internal"
)

// Problem is an error answer, RFC 9457.
type Problem struct {
	// Type is where the error is explained, on the server that answered.
	Type   string `json:"type,omitempty" example:"/docs/errors#no_canary"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what is wrong and what to do next.
	Detail string `json:"detail"`
	// Code is stable and meant for programs.
	Code string `json:"code"`
	// Errors say which fields are wrong.
	Errors []*huma.ErrorDetail `json:"errors,omitempty"`
	// Health is the verdict that stands against a promotion.
	Health *Health `json:"health,omitempty"`
	// RequestID is what the log has the call by, and the header X-Request-Id.
	RequestID string `json:"request_id,omitempty"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// Exit is the command line's exit code for this problem.
func (p *Problem) Exit() ExitCode {
	if o, ok := outcomes[p.Code]; ok {
		return o.exit
	}
	if p.Status >= http.StatusInternalServerError {
		return ExitInternal
	}
	return ExitUsage
}

// ExitOf is the command line's exit code for an error of a client or a server.
func ExitOf(err error) ExitCode {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Exit()
	}
	if fault, ok := errors.AsType[*control.Fault](err); ok {
		return outcomes[string(fault.Code)].exit
	}
	if _, ok := errors.AsType[*Unreachable](err); ok {
		return ExitUnreachable
	}
	if errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	return ExitInternal
}

// typeOf is the place of a code on the page of errors.
func typeOf(code string) string { return "/docs/errors#" + code }

func problem(code, detail string) *Problem {
	status := outcomes[code].status
	return &Problem{Type: typeOf(code), Title: http.StatusText(status), Status: status, Detail: sentence(detail), Code: code}
}

// problemOf turns what control answers into what the client reads.
func problemOf(err error) *Problem {
	if refusal, ok := errors.AsType[*rollout.Refusal](err); ok {
		return problem(string(refusal.Code), refusal.Error())
	}
	if fault, ok := errors.AsType[*control.Fault](err); ok {
		return problem(string(fault.Code), fault.Error())
	}
	return problem(codeInternal, "the command failed: "+err.Error()+". The server's log may say more; the state is as GET /admin/state tells")
}

// sentence ends with a full stop.
func sentence(s string) string {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// plain leaves out of a decoder's message what is about Go.
func plain(message string) string {
	if rest, ok := strings.CutPrefix(message, "json: "); ok {
		return rest[strings.LastIndex(rest, ": ")+len(": "):]
	}
	return strings.TrimPrefix(message, "jsontext: ")
}

// explain rewrites huma's own errors, whose detail is "validation failed", so
// that the detail says which field is wrong and how. The body is not sent back.
func explain(c huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		named := *p
		named.RequestID = trace.For(c.Context())
		return &named, nil
	}
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Type: typeOf(codeInvalid), Title: model.Title, Status: model.Status, Detail: model.Detail, Code: codeInvalid, RequestID: trace.For(c.Context())}
	var parts []string
	for _, e := range model.Errors {
		message := plain(e.Message)
		switch {
		case model.Status == http.StatusBadRequest && e.Location == "body":
			message = "the body is not one JSON value: " + message
		case model.Status == http.StatusUnsupportedMediaType:
			message = "send JSON with the header Content-Type: application/json"
		}
		p.Errors = append(p.Errors, &huma.ErrorDetail{Message: message, Location: e.Location})
		parts = append(parts, e.Location+": "+message)
	}
	if parts != nil {
		p.Detail = strings.Join(parts, "; ")
	}
	if model.Status == http.StatusBadRequest && parts == nil {
		p.Detail += ": send a JSON object; GET /openapi.json describes it"
	}
	if model.Status == http.StatusRequestEntityTooLarge {
		p.Detail = fmt.Sprintf("the body is larger than %d bytes", maxBody)
	}
	p.Detail = sentence(p.Detail)
	return p, nil
}
