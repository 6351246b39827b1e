package infer

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"runtime/debug"
	"time"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/route"
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
// nothing was sent yet, else with a last line {"error": "..."}.
//
// As evidence a stream is one request whose latency is the time that its
// predictions took.

// standstill is how long a stream may wait for its client.
const standstill = 30 * time.Second

// isStream tells rows from a JSON value by the content type.
func isStream(r *http.Request) bool {
	ct := r.Header.Get("Content-Type")
	if ct == contentTypeJSON[0] || ct == "" { // nearly always
		return false
	}
	media, _, err := mime.ParseMediaType(ct)
	return err == nil && (media == "application/x-ndjson" || media == "application/jsonl" || media == "text/csv")
}

// stream answers rows as they come.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	table := h.table.Table()
	if table == nil {
		h.refuse(w, notLoaded)
		return
	}
	arm := table.Pick()
	arm.Evidence.Begin()
	s := &streaming{w: w, control: http.NewResponseController(w), arm: arm, gate: &h.gate, r: r}
	if err := s.answer(); err != nil {
		arm.Evidence.Fail()
		s.end(h, err)
		return
	}
	if arm.Slowdown > 0 { // once for a request, as everywhere
		<-time.After(arm.Slowdown)
	}
	arm.Evidence.Observe(s.worked+arm.Slowdown, s.score)
	if r.Context().Err() != nil {
		arm.Evidence.Abandon()
	}
	arm.Served.Time(time.Since(arrived))
}

// streaming is a stream under way: its reader, its writer, and the predictor of
// its batches.
type streaming struct {
	w       http.ResponseWriter
	control *http.ResponseController
	r       *http.Request
	arm     *route.Arm
	gate    *gate
	begun   bool          // something was sent
	worked  time.Duration // predicting
	score   float64       // of the first row
	rows    int
	failed  error // what is not the rows' fault
}

func (s *streaming) answer() error {
	// Without it the server would not read on once it has answered. HTTP/2 has
	// nothing to switch on.
	_ = s.control.EnableFullDuplex()
	name := "body.jsonl"
	if mediaType(s.r) == "text/csv" {
		name = "body.csv"
	}
	source, err := rows.NewSource(name, s, rows.NewSchema(s.arm.Predictor.Signature()))
	if err != nil {
		return err
	}
	if err = source.Answer(s, s, func(n int) { s.rows = n }); s.failed != nil {
		return s.failed
	}
	return err
}

// end tells what ended the stream before its rows did.
func (s *streaming) end(h *Handler, err error) {
	p := &problem{Status: http.StatusUnprocessableEntity, Detail: clip(err.Error()) + "."}
	if failed, ok := errors.AsType[*panicked](err); ok {
		p = h.explain(failed, &request{}, s.arm, nil)
	} else if errors.Is(err, errOverloaded) {
		p = overloaded
	}
	if !s.begun {
		h.refuse(s.w, p)
		return
	}
	h.refused[p.Status].Add(1)
	last, err := json.Marshal(map[string]string{"error": p.Detail})
	if err != nil { // cannot happen: a string always encodes
		return
	}
	// A client that has gone does not read its answer; there is nobody to tell.
	_, _ = s.Write(append(last, '\n'))
}

var errOverloaded = errors.New("overloaded")

// Read is of the body.
func (s *streaming) Read(b []byte) (int, error) {
	// A server without deadlines needs none put off.
	_ = s.control.SetReadDeadline(time.Now().Add(standstill))
	return s.r.Body.Read(b)
}

// Write is of answers.
func (s *streaming) Write(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.w.Header().Set("Serin-Model-Used", string(s.arm.Role))
		s.w.Header().Set("Serin-Model-Version", s.arm.Version.Name)
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(standstill))
	n, err := s.w.Write(b)
	if err == nil {
		err = s.control.Flush()
	}
	return n, err
}

// Signature is the arm's.
func (s *streaming) Signature() *model.Signature { return s.arm.Predictor.Signature() }

// Predict is the arm's, in its turn. What goes wrong beside the rows is kept,
// since an engine only speaks of rows.
func (s *streaming) Predict(in model.Rows, out model.Answers) (err error) {
	if !s.gate.enter(s.r.Context()) {
		s.failed = errOverloaded
		return &model.Unanswerable{Feature: -1, Reason: "the server is busy"}
	}
	begun := time.Now()
	defer func() {
		s.worked += time.Since(begun)
		s.gate.leave()
		if v := recover(); v != nil {
			s.failed = &panicked{v, debug.Stack()}
			err = &model.Unanswerable{Feature: -1, Reason: "the model failed on it"}
		}
	}()
	if err = s.arm.Predictor.Predict(in, out); err == nil && s.rows == 0 {
		class := 0
		if len(out.Classes) > 0 {
			class = out.Classes[0]
		}
		s.score = score(s.Signature(), out.Values[:s.Signature().Outputs], class)
	}
	return err
}
