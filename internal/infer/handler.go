package infer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"mime"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"serin/internal/model"
	"serin/internal/model/rows"
	"serin/internal/record"
	"serin/internal/route"
	"serin/internal/trace"
)

// maxBody is the largest body of a prediction request, in bytes, and maxRows the
// most rows that one may hold.
const (
	maxBody = 8 << 20
	maxRows = 100_000
)

// smallBody is the largest body that must arrive in the time of any request, in
// bytes.
const smallBody = 64 << 10

// maxAnswers bounds the numbers in an answer, which a small body can ask for: a
// hundred thousand rows of bytes, and a model of hundreds of classes.
const maxAnswers = 1 << 20

// answerable tells whether the answer to a batch stays within bounds.
func answerable(s *model.Signature, b *rows.Batch) *trouble {
	if b.N*s.Outputs > maxAnswers {
		return troubled(http.StatusBadRequest, "The answer would have %d numbers, %d for each of %d rows, and %d are the limit: send the rows in several requests.", b.N*s.Outputs, s.Outputs, b.N, maxAnswers)
	}
	return nil
}

// Handler answers POST /predict for one model.
type Handler struct {
	table *route.Switch
	gate  *gate // of all handlers of the server, as streams and log are
	// streams ends when no stream may go on.
	streams    context.Context
	endStreams context.CancelFunc
	log        *slog.Logger
	refusals   [route.Protocols][200]atomic.Uint64 // by protocol and status, from 400 on
	known      atomic.Pointer[known]
	away       atomic.Pointer[trouble] // why the switch holds no table
}

// NewHandler answers from whatever table the switch holds, within limits that
// all protocols share.
func NewHandler(table *route.Switch, limits Limits, log *slog.Logger) *Handler {
	limits.Standstill, limits.Bodies = cmp.Or(limits.Standstill, 30*time.Second), cmp.Or(limits.Bodies, 256<<20)
	h := &Handler{table: table, gate: &gate{limits: limits}, log: log}
	h.known.Store(&known{})
	h.away.Store(notLoaded)
	h.streams, h.endStreams = context.WithCancel(context.Background())
	return h
}

// Beside makes the handler of another model of the same server: within the same
// limits, with the same log, and EndStreams of either ends the streams of both.
func (h *Handler) Beside(table *route.Switch) *Handler {
	other := &Handler{table: table, gate: h.gate, streams: h.streams, endStreams: h.endStreams, log: h.log}
	other.known.Store(&known{})
	other.away.Store(notLoaded)
	return other
}

// Away says why the switch holds no table, to those who ask meanwhile.
func (h *Handler) Away(why string) {
	h.away.Store(&trouble{status: notLoaded.status, code: notLoaded.code, detail: why})
}

// Refused calls f for every HTTP status that requests were refused with in a
// protocol, and how many they were. Answered requests are counted by the arms.
func (h *Handler) Refused(f func(in route.Protocol, status int, count uint64)) {
	for in := range h.refusals {
		for i := range h.refusals[in] {
			if n := h.refusals[in][i].Load(); n > 0 {
				f(route.Protocol(in), http.StatusBadRequest+i, n)
			}
		}
	}
}

// request is the memory of one request, used again by a later one, for which its
// batch is empty.
type request struct {
	body      []byte
	batch     rows.Batch
	instances bool // it is a list of rows, and so is its answer
	reply     []byte
	slot      *gate         // that the request is in, nil if it is in none
	until     time.Time     // its deadline, zero if it has none
	waited    time.Duration // for the slot
	lender    *gate         // that has lent it memory for its body, and how much
	lent      int64
}

var requests = sync.Pool{New: func() any { return &request{body: make([]byte, 0, 1024)} }}

// enter waits for a slot of the gate, at most until the deadline that its client
// has asked for, if it has.
func (req *request) enter(ctx context.Context, g *gate, asked time.Time) *trouble {
	req.until = asked
	if g.limits.Timeout > 0 {
		req.until = sooner(asked, time.Now().Add(g.limits.Timeout))
	}
	waited, t := g.enter(ctx, req.until)
	if t == nil {
		req.slot, req.waited = g, waited
	}
	return t
}

// leave gives the slot back, once.
func (req *request) leave() {
	if req.slot != nil {
		req.slot.leave()
		req.slot = nil
	}
}

// keep bounds the memory of a request that is kept for another one, in bytes. A
// thousand rows of twenty numbers take some 400 KB: body, numbers and answer.
const keep = 512 << 10

// held is how much memory the request would keep.
func (req *request) held() int { return cap(req.body) + cap(req.reply) + req.batch.Held() }

// release keeps the memory for another request, unless this one was huge. A small
// body may have many rows, and a few rows a huge answer.
func (req *request) release() {
	req.leave()
	req.giveBack()
	if req.held() <= keep {
		req.batch.Reset()
		requests.Put(req)
	}
}

// send writes the answer. That is the client's time: it takes no slot, and for one
// that reads slowly nothing but its answer is held where that is much, in memory
// that the gate lends, or does not.
func (req *request) send(w io.Writer, answer []byte, g *gate) *trouble {
	req.leave()
	if req.held() > keep {
		req.body, req.batch = nil, rows.Batch{}
		req.giveBack()
	}
	if !req.borrow(g, cap(answer)) {
		return overloaded
	}
	// A client that has gone does not read its answer; there is nobody to tell.
	_, _ = w.Write(answer)
	return nil
}

// ServeHTTP predicts.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isStream(r) {
		h.stream(w, r)
		return
	}
	arrived := time.Now()
	req := requests.Get().(*request)
	defer req.release()
	if t := req.read(w, r, h.gate); t != nil {
		h.refuse(route.Native, w, t)
		return
	}
	asked, t := askedDeadline(r.Header, arrived)
	if t == nil {
		t = req.enter(r.Context(), h.gate, asked)
	}
	if t != nil {
		h.refuse(route.Native, w, t)
		return
	}
	// Only now: who sends its body slowly, or had to wait, must not reach a version
	// that was rolled back meanwhile.
	table := h.table.Table()
	if table == nil {
		h.refuse(route.Native, w, h.away.Load())
		return
	}
	schema := h.termsOf(table.Stable.Predictor.Signature()).rows
	if t := req.decode(schema); t != nil {
		h.refuse(route.Native, w, t)
		return
	}
	if t := answerable(schema.Signature(), &req.batch); t != nil {
		h.refuse(route.Native, w, t)
		return
	}
	arm := table.Pick()
	latency, err := req.answer(r.Context(), arm, true)
	if err != nil {
		h.refuse(route.Native, w, h.explain(err, req, arm, schema))
		return
	}
	if req.instances {
		req.reply = appendReplies(req.reply[:0], arm, &req.batch, latency)
	} else {
		req.reply = appendReply(req.reply[:0], arm, &req.batch, latency)
	}
	w.Header()["Content-Type"] = contentTypeJSON
	if s := trace.Of(w); s != nil {
		s.Predicted(told(arm, route.Native, req.batch.N, true))
	}
	if t := req.send(w, req.reply, h.gate); t != nil {
		h.refuse(route.Native, w, t)
		return
	}
	arm.Served.Time(route.Native, time.Since(arrived))
}

// told is what the span of a sampled request tells.
func told(arm *route.Arm, in route.Protocol, n int, dealt bool) *trace.Prediction {
	return &trace.Prediction{
		Model: arm.Model, Version: arm.Version.Name, SHA256: arm.Version.SHA256, Arm: string(arm.Role),
		Protocol: in.String(), Rows: n, Dealt: dealt,
	}
}

var contentTypeJSON = []string{"application/json"}

// read takes the body, which must be JSON.
func (req *request) read(w http.ResponseWriter, r *http.Request, g *gate) *trouble {
	if t := checkType(r); t != nil {
		return t
	}
	return req.take(w, r, g)
}

// take takes the body, in memory that the gate lends if it is large.
func (req *request) take(w http.ResponseWriter, r *http.Request, g *gate) *trouble {
	if t := checkEncoding(w, r); t != nil {
		return t
	}
	if r.ContentLength > maxBody {
		return tooLarge
	}
	if r.ContentLength < 0 || r.ContentLength > smallBody {
		// A server without deadlines needs none put off.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(g.limits.Standstill))
	}
	body := r.Body
	if r.ContentLength < 0 { // else net/http stops at the length that was promised
		body = http.MaxBytesReader(w, body, maxBody)
	}
	return req.readAll(body, g)
}

// decode takes the row from the body.
func (req *request) decode(schema *rows.Schema) *trouble {
	req.instances = false
	if scanRow(req.body, &req.batch, schema) {
		return nil
	}
	req.batch.Reset()
	var t *trouble
	req.instances, t = parseDocument(req.body, &req.batch, schema)
	return t
}

// readAll is io.ReadAll into memory that is there already, or that is lent.
func (req *request) readAll(r io.Reader, g *gate) *trouble {
	into := req.body[:0]
	defer func() { req.body = into }()
	for {
		if len(into) == cap(into) {
			size := max(1024, 2*cap(into))
			if !req.borrow(g, size) {
				return overloaded
			}
			into = append(make([]byte, 0, size), into...)
		}
		n, err := r.Read(into[len(into):cap(into)])
		into = into[:len(into)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
	}
}

// borrow makes so many bytes its own, of which the first count for nothing.
func (req *request) borrow(g *gate, bytes int) bool {
	if more := int64(bytes) - smallBody - req.lent; more > 0 {
		if !g.lend(more) {
			return false
		}
		req.lender, req.lent = g, req.lent+more
	}
	return true
}

// giveBackTo gives back what was lent beyond so many bytes.
func (req *request) giveBackTo(bytes int) {
	if over := req.lent - max(0, int64(bytes)-smallBody); req.lender != nil && over > 0 {
		req.lender.lent.Add(-over)
		req.lent -= over
	}
}

// giveBack gives back what was lent, once.
func (req *request) giveBack() {
	if req.lender != nil {
		req.lender.lent.Add(-req.lent)
		req.lender, req.lent = nil, 0
	}
}

func checkType(r *http.Request) *trouble {
	ct := r.Header["Content-Type"]
	if len(ct) == 0 && crossOrigin.Check(r) != nil {
		return foreign
	}
	if len(ct) > 0 && ct[0] != contentTypeJSON[0] {
		if media, _, err := mime.ParseMediaType(ct[0]); err != nil || media != contentTypeJSON[0] {
			return troubled(http.StatusUnsupportedMediaType, "The content type is %s: send JSON with the header Content-Type: application/json.", model.Quote(ct[0]))
		}
	}
	return nil
}

// checkEncoding lets no body in that is compressed, and says what is taken instead:
// read as it is, it would be wrong in some other way, or be as large as its client
// likes.
func checkEncoding(w http.ResponseWriter, r *http.Request) *trouble {
	encoding := r.Header["Content-Encoding"]
	if len(encoding) == 0 || len(encoding) == 1 && (encoding[0] == "" || encoding[0] == "identity") {
		return nil
	}
	w.Header().Set("Accept-Encoding", "identity")
	return troubled(http.StatusUnsupportedMediaType, "The body is encoded as %s: send it uncompressed.", model.Quote(strings.Join(encoding, ", ")))
}

func unreadable(err error) *trouble {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return tooSlow
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) { // which names addresses, and says no more
		return troubled(http.StatusBadRequest, "The body ends too early: the connection ended before it did.")
	}
	return troubled(http.StatusBadRequest, "The body could not be read to its end: %v.", err)
}

// answer predicts the batch on the arm and reports to its gauge: one request,
// however many rows it has. Only requests that the split has dealt are evidence;
// a client that chooses its version must not be counted, or the arms would no
// longer be comparable. The context ends when the client has gone. Whose fault it
// is that nobody waits any more, deadline.go says.
func (req *request) answer(ctx context.Context, arm *route.Arm, dealt bool) (latency time.Duration, err error) {
	evidence := arm.Evidence
	if !dealt {
		evidence = unread
	}
	routed := time.Now()
	if passed(req.until, routed) {
		return 0, late
	}
	evidence.Begin()
	err = req.predict(arm)
	if arm.Slowdown > 0 {
		req.leave() // a drill waits, and works on nothing
		<-time.After(req.leftOf(arm.Slowdown))
	}
	latency = time.Since(routed)
	missed := errors.Is(err, late) || err == nil && passed(req.until, routed.Add(latency))
	watched := math.NaN() // what was cut off has no score
	switch {
	case missed && req.blamed(routed, latency):
		err = late
	case err == nil:
		watched, err = req.watched(arm.Predictor.Signature())
	case missed:
		err = nil
	}
	if err != nil {
		evidence.Fail(reason(err))
		arm.Served.Fail(reason(err))
		return latency, err
	}
	evidence.Observe(latency, watched)
	if missed {
		return latency, late
	}
	if ctx.Err() != nil && latency > req.waited {
		evidence.Abandon()
	}
	return latency, nil
}

// unread is the gauge of requests that are nobody's evidence.
var unread = record.NewGauge(record.Arm{})

// notFinite finds the first row whose answer JSON cannot hold; -1 if there is none.
func notFinite(values []float64, outputs int) int {
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return i / outputs
		}
	}
	return -1
}

// watched is the score of the batch's first row, which speaks for the others. It is
// an error if there is a row without an answer, of this version; the other arm may
// well have one.
func (req *request) watched(s *model.Signature) (float64, error) {
	values, class := req.batch.Answers.Values, 0
	if row := notFinite(values, s.Outputs); row >= 0 {
		return 0, overflowOf(row)
	}
	if len(req.batch.Answers.Classes) > 0 {
		class = req.batch.Answers.Classes[0]
	}
	return score(s, values[:s.Outputs], class), nil
}

// score is the one number of an answer whose distribution is watched: of two
// classes the probability of the last, of more that of the one predicted; of
// what is no probability the first number, squashed into (0, 1).
func score(s *model.Signature, values []float64, class int) float64 {
	switch {
	case s.Values != model.Probabilities:
		return 1 / (1 + math.Exp(-math.Asinh(values[0])/2))
	case len(values) == 2:
		return values[1]
	default:
		return values[class]
	}
}

func overflowOf(row int) error {
	return &model.Unanswerable{Row: row, Feature: -1, Reason: "the features are so far from what the model was fitted on that it gives no number"}
}

// panicked is a predictor that broke its promise. One request fails; the
// process goes on.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprint("the predictor panicked: ", p.value) }

// reason is why a prediction gave no answer, for the meters.
func reason(err error) record.Failure {
	if _, ok := errors.AsType[*panicked](err); ok {
		return record.Panicked
	}
	if errors.Is(err, late) {
		return record.Late
	}
	return record.Unanswerable
}

// predict answers the batch, if it can before the deadline.
func (req *request) predict(arm *route.Arm) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{v, debug.Stack()}
		}
	}()
	return req.batch.PredictWhile(arm.Predictor, func() error {
		if passed(req.until, time.Now()) {
			return late
		}
		return nil
	})
}

// leftOf is as much of a time as there is before the deadline.
func (req *request) leftOf(d time.Duration) time.Duration {
	if req.until.IsZero() {
		return d
	}
	return min(d, time.Until(req.until))
}

// broke says of a predictor that panicked what the client may know, and the log
// the rest; nil if the prediction failed otherwise.
func (h *Handler) broke(err error, arm *route.Arm) *trouble {
	p, ok := errors.AsType[*panicked](err)
	if !ok {
		return nil
	}
	t := troubled(http.StatusInternalServerError, "The model failed on this row; the server's log says how. Other requests are not affected.")
	t.cause = []any{"err", "a predictor panicked", "model", arm.Model, "role", arm.Role, "version", arm.Version.Name, "sha256", arm.Version.SHA256, "panic", p.value, "stack", string(p.stack)}
	return t
}

// explain turns a failed prediction into what the client may know of it.
func (h *Handler) explain(err error, req *request, arm *route.Arm, schema *rows.Schema) *trouble {
	if t, ok := errors.AsType[*trouble](err); ok {
		return t
	}
	if t := h.broke(err, arm); t != nil {
		return t
	}
	place := "features"
	u, ok := errors.AsType[*model.Unanswerable](err)
	if ok && req.instances {
		place = "instances[" + strconv.Itoa(u.Row) + "]"
	}
	if ok && u.Feature >= 0 {
		return wrongRow(place, schema.Unanswerable(u), schema)
	}
	return &trouble{
		status: http.StatusUnprocessableEntity,
		detail: "No prediction: " + err.Error() + ".",
		fields: []fieldError{{Location: "body." + place, Message: "send values of the size that the model was fitted on"}},
	}
}

// refuse says in the protocol's words why there is no answer.
func (h *Handler) refuse(in route.Protocol, w http.ResponseWriter, err error) {
	switch t := h.refusal(in, err, trace.ID(w.Header())); in {
	case route.V1, route.V2:
		t.plain(w)
	case route.Scoring:
		t.scoring(w)
	default:
		t.problem(w)
	}
}
