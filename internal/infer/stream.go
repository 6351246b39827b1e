package infer

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"serin/internal/keys"
	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
	"serin/internal/trace"
)

// A stream is a POST /predict whose body is rows and not one JSON value: JSON
// lines or CSV, as many as the client likes, answered by one arm.
//
//	body ── rows ── a batch ── gate ── Predict ──> lines
//	  ^  reads only when the batch before is answered and sent: whoever is slow,
//	     the client that sends, the model or the client that reads, slows the others
//
// Memory is that of one batch. Each read and each write has its own deadline, so
// a stream may last for hours, and not stand still for long. What is wrong with a
// row ends the stream after the answers to the rows before it: with a problem if
// nothing was sent yet, else with a last line {"error": "...", "code": "..."}.
//
// As evidence a stream is one request, dealt when its first rows are there, whose
// latency is the time that its predictions took. It ends early when its version is
// taken out, when its key is no longer good for it, or the server stops.

// isStream tells rows from a JSON value by the content type.
func isStream(r *http.Request) bool {
	ct := r.Header["Content-Type"]
	if len(ct) == 0 || ct[0] == contentTypeJSON[0] { // nearly always
		return false
	}
	media, _, err := mime.ParseMediaType(ct[0])
	return err == nil && (media == "application/x-ndjson" || media == "application/jsonl" || media == "text/csv")
}

// stream answers rows as they come.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	table := h.table.Table()
	if table == nil {
		h.refuse(route.Stream, w, h.away.Load())
		return
	}
	s := &streaming{front: h, w: w, control: http.NewResponseController(w), r: r, signature: table.Stable.Predictor.Signature()}
	woken := make(chan struct{})
	stop := context.AfterFunc(h.streams, func() {
		defer close(woken)
		_ = s.control.SetReadDeadline(time.Now())
	})
	defer func() {
		if !stop() {
			<-woken // when we have returned, the writer is no longer ours
		}
	}()
	err := s.answer()
	if s.arm != nil {
		if span := trace.Of(w); span != nil {
			span.Predicted(told(s.arm, route.Stream, s.rows, true))
		}
		s.observe()
		s.arm.Served.Time(route.Stream, time.Since(arrived))
	}
	if err != nil {
		s.end(err)
	}
}

// observe tells the arm's gauge how the stream went.
func (s *streaming) observe() {
	if s.arm.Slowdown > 0 { // a drill, once for a request
		<-time.After(s.arm.Slowdown)
	}
	if s.broken != nil {
		s.arm.Evidence.Fail(reason(s.broken))
		s.arm.Served.Fail(reason(s.broken))
		return
	}
	s.arm.Evidence.Observe(s.worked+s.arm.Slowdown, s.score)
	if s.r.Context().Err() != nil {
		s.arm.Evidence.Abandon()
	}
}

// EndStreams ends the streams under way, each after its batch, and lets none
// begin: a server that stops does not wait for what may last for hours.
func (h *Handler) EndStreams() { h.endStreams() }

// streaming is a stream under way: its reader, its writer, and the predictor of
// its batches.
type streaming struct {
	front   *Handler
	w       http.ResponseWriter
	control *http.ResponseController
	r       *http.Request
	// signature is stable's when the stream began; a canary's is compatible.
	signature *model.Signature
	// arm is dealt when the first rows are there; nil before. Its evidence is that
	// of one request: broken if the arm failed, and by what, else worked and score.
	arm    *route.Arm
	worked time.Duration
	score  float64 // of the first row
	broken error
	rows   int   // that were answered
	begun  bool  // something was sent
	failed error // what is not the rows' fault
}

func (s *streaming) answer() error {
	// Without it the server would not read on once it has answered. HTTP/2 has
	// nothing to switch on.
	_ = s.control.EnableFullDuplex()
	name := "body.jsonl"
	if mediaType(s.r) == "text/csv" {
		name = "body.csv"
	}
	source, err := rows.NewSource(name, s, s.front.termsOf(s.signature).rows)
	if err != nil {
		return err
	}
	err = source.Answer(s, s, func(n int) { s.rows = n })
	switch {
	case s.failed != nil:
		return s.failed
	case err == nil && s.rows == 0:
		return errors.New("the body has no rows")
	default:
		return err
	}
}

// end tells what ended the stream before its rows did.
func (s *streaming) end(err error) {
	t, ok := errors.AsType[*trouble](err)
	if !ok {
		t = s.front.broke(err, s.arm)
	}
	if t == nil { // it is about the rows
		t = troubled(http.StatusUnprocessableEntity, "%s.", strings.TrimSuffix(err.Error(), "."))
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(s.front.gate.limits.Standstill))
	if !s.begun {
		s.front.refuse(route.Stream, s.w, t)
		return
	}
	// A client that has gone does not read its answer; there is nobody to tell.
	_, _ = s.Write(s.front.refusal(route.Stream, t, trace.ID(s.w.Header())).line())
}

// Read is of the body.
func (s *streaming) Read(b []byte) (int, error) {
	// A server without deadlines needs none put off.
	_ = s.control.SetReadDeadline(time.Now().Add(s.front.gate.limits.Standstill))
	if s.front.streams.Err() != nil { // after the deadline, or it would undo EndStreams'
		return 0, stopping
	}
	n, err := s.r.Body.Read(b)
	switch {
	case err != nil && s.front.streams.Err() != nil:
		err = stopping
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = tooSlow
	}
	return n, err
}

// Write is of answers.
func (s *streaming) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.w.Header().Set("Serin-Model-Used", string(s.arm.Role))
		s.w.Header().Set("Serin-Model-Version", s.arm.Version.Name)
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(s.front.gate.limits.Standstill))
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	return n, err
}

// Signature is what rows must be.
func (s *streaming) Signature() *model.Signature { return s.signature }

// Predict is the arm's, in its turn. What goes wrong beside the rows is kept,
// since an engine only speaks of rows.
func (s *streaming) Predict(in model.Rows, out model.Answers) (err error) {
	if _, t := s.front.gate.enter(s.r.Context(), time.Time{}); t != nil {
		return s.fail(t)
	}
	defer s.front.gate.leave()
	if s.front.streams.Err() != nil {
		return s.fail(stopping)
	}
	if out := keys.Still(s.r.Context()); out != nil {
		return s.fail(troubled(out.Status, "%s", out.Detail))
	}
	first := s.arm == nil
	if t := s.onTable(); t != nil {
		return s.fail(t)
	}
	begun := time.Now()
	defer func() {
		s.worked += time.Since(begun)
		if v := recover(); v != nil {
			s.broken = &panicked{v, debug.Stack()}
			err = s.fail(s.broken)
		}
	}()
	if err = s.arm.Predictor.Predict(in, out); err == nil {
		if row := notFinite(out.Values, s.signature.Outputs); row >= 0 {
			err = overflowOf(row)
		}
	}
	if s.broken == nil {
		s.broken = err
	}
	if err == nil && first {
		class := 0
		if len(out.Classes) > 0 {
			class = out.Classes[0]
		}
		s.score = score(s.signature, out.Values[:s.signature.Outputs], class)
	}
	return err
}

// onTable deals the arm when the first rows are there, and afterwards looks whether
// its version is still one that may answer. Trouble says that there is none.
func (s *streaming) onTable() *trouble {
	table := s.front.table.Table()
	switch {
	case s.arm == nil && table == nil: // the model was unloaded meanwhile
		return s.front.away.Load()
	case s.arm == nil:
		arm := table.Pick()
		if why := arm.Predictor.Signature().Compatible(s.signature); why != "" { // another model was loaded: its rows are others
			return &trouble{
				status: http.StatusServiceUnavailable, code: "version_gone",
				detail: fmt.Sprintf("The model was replaced while its rows came (%s): send them again.", why),
			}
		}
		s.arm = arm
		s.arm.Evidence.Begin()
		return nil
	case table != nil:
		for _, arm := range []*route.Arm{table.Stable, table.Canary} {
			if arm != nil && arm.Version.SHA256 == s.arm.Version.SHA256 {
				return nil
			}
		}
	}
	return &trouble{
		status: http.StatusServiceUnavailable, code: "version_gone",
		detail: fmt.Sprintf("Version %s, which answered so far, was taken out: send the rows without an answer again.", s.arm.Version.Name),
	}
}

// fail keeps what went wrong, and blames a row in its place.
func (s *streaming) fail(err error) error {
	s.failed = err
	return &model.Unanswerable{Feature: -1, Reason: "it has no answer"}
}
