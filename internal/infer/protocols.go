package infer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"serin/internal/infer/oip"
	"serin/internal/keys"
	"serin/internal/model"
	"serin/internal/route"
	"serin/internal/trace"
)

// Protocols answer in the words of other model servers, so that their clients
// need not change:
//
//	/v2/...                    the Open Inference Protocol: KServe, Triton, MLServer
//	/v1/models/NAME:predict    KServe's V1 and TensorFlow Serving
//	/invocations, /ping        MLflow's scoring server, and SageMaker
//	/models/NAME/...           predict and invocations of any model
//
// A request that names no version is dealt like any other; the version that it
// was dealt is in its answer, or in the headers Serin-Model-Used and
// Serin-Model-Version. One that names a version, or the labels stable and
// canary, gets that one and is in no evidence.
//
// Each model has a desk, which knows nothing of the others. Who names no model,
// as in /invocations, is sent to the default one's.
type Protocols struct {
	server string      // serin's version
	ready  func() bool // whether predictions are welcome
	desks  atomic.Pointer[desks]
	lost   *desk // of those who name a model that is not here

	repository Repository  // nil if nothing is loaded and unloaded
	guard      *keys.Guard // nil if nobody is asked for a key
	elsewhere  bool        // control is at another address
}

// desk is where one model is asked for.
type desk struct {
	name  string
	front *Handler
	ready func() bool
}

// desks are those of one moment: a change is another one of these.
type desks struct {
	standard string // the name of the default model, which may have no desk
	all      []*desk
	named    map[string]*desk
}

// Model is a model and the name that clients ask for it by.
type Model struct {
	Name  string
	Front *Handler
}

// Protocols make the other ways to ask for predictions: of this model, the
// default one, until Serve names others.
func (h *Handler) Protocols(name, server string, ready func() bool) *Protocols {
	p := &Protocols{server: server, ready: ready, lost: &desk{front: h.Beside(new(route.Switch))}}
	p.Serve(name, Model{name, h})
	return p
}

// Serve makes these the models that can be asked for, in their order, from the
// next request on. One that is no longer among them finishes what it has begun.
func (p *Protocols) Serve(standard string, models ...Model) {
	next := &desks{standard: standard, named: make(map[string]*desk, len(models))}
	for _, m := range models {
		d := &desk{m.Name, m.Front, p.ready}
		next.all, next.named[m.Name] = append(next.all, d), d
	}
	p.desks.Store(next)
}

// Lost is Refused for requests that named no model that is here.
func (p *Protocols) Lost(f func(in route.Protocol, status int, count uint64)) {
	p.lost.front.Refused(f)
}

// find is where a model is asked for, the default one where the name is empty.
// With an error it is the desk where that is counted.
func (p *Protocols) find(name string) (*desk, error) {
	known := p.desks.Load()
	if d := known.named[cmp.Or(name, known.standard)]; d != nil {
		return d, nil
	}
	here := "this server has none now"
	switch {
	case p.guard != nil: // whose key is for some models is not told of the others
		here = "GET /admin/models lists those of a key with the role viewer"
	case len(known.all) > 0:
		here = "this server has " + strings.Join(known.names(strconv.Quote), " and ")
	}
	if name == "" {
		t := troubled(http.StatusServiceUnavailable, "The default model %q is not loaded: load it with POST /v2/repository/models/%[1]s/load, or ask for another by its name; %s.", known.standard, here)
		t.code = notLoaded.code
		return p.lost, t
	}
	return p.lost, troubled(http.StatusNotFound, "There is no model %q: %s.", model.Clip(name), here)
}

// Refuse refuses a request before anybody has looked at it, in the words of the
// protocol that its path is of. The status is 401, 403 or 429.
func (p *Protocols) Refuse(w http.ResponseWriter, r *http.Request, status int, detail string) {
	p.lost.front.refuse(spoken(r.URL.Path), w, troubled(status, "%s", detail))
}

// Plain lets in what has no body or one that is not compressed.
func (p *Protocols) Plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t := checkEncoding(w, r); t != nil {
			p.lost.front.refuse(spoken(r.URL.Path), w, t)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// spoken is the protocol that a path is of.
func spoken(path string) route.Protocol {
	switch {
	case strings.HasPrefix(path, "/v2"):
		return route.V2
	case strings.HasPrefix(path, "/v1/"):
		return route.V1
	case strings.HasSuffix(path, "/invocations"):
		return route.Scoring
	}
	return route.Native
}

func (k *desks) names(write func(string) string) []string {
	names := make([]string, len(k.all))
	for i, d := range k.all {
		names[i] = write(d.name)
	}
	return names
}

// loaded says whether every model can answer.
func (k *desks) loaded() bool {
	return !slices.ContainsFunc(k.all, func(d *desk) bool { return d.front.table.Table() == nil })
}

// at leads to the desk that the path names. Who finds none is told so in the
// protocol's words.
func (p *Protocols) at(in route.Protocol, do func(*desk, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(r.PathValue("model"), ":") // V1 has a verb behind it
		d, err := p.find(cmp.Or(name, r.PathValue("model"))) // a verb alone is no question for the default model
		if err != nil {
			d.front.refuse(in, w, err)
			return
		}
		do(d, w, r)
	}
}

// Predict answers POST /models/NAME/predict, which is POST /predict by name, for
// those who have found the name in the path themselves.
func (p *Protocols) Predict(name string, w http.ResponseWriter, r *http.Request) {
	d, err := p.find(name)
	if err != nil {
		d.front.refuse(route.Native, w, err)
		return
	}
	d.front.ServeHTTP(w, r)
}

// mux is where paths are put: a ServeMux, or one that keeps a list of them.
type mux interface {
	Handle(pattern string, handler http.Handler)
	HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
}

// Register puts the protocols' paths on a mux.
func (p *Protocols) Register(mux mux) {
	mux.HandleFunc("POST /models/{model}/predict", func(w http.ResponseWriter, r *http.Request) { p.Predict(r.PathValue("model"), w, r) })
	for _, path := range []string{"GET /signature", "GET /models/{model}/signature"} {
		mux.HandleFunc(path, p.at(route.Native, (*desk).signature))
	}
	p.registerV2(mux)
	p.registerV1(mux)
	p.registerScoring(mux)
}

// crossOrigin keeps web pages out where a body may be of any type or of none, so
// that a browser would not ask first, as it does for JSON.
var crossOrigin = http.NewCrossOriginProtection()

// foreign is told to such a page.
var foreign = troubled(http.StatusForbidden, "A page of another origin may not ask for predictions here: its rows would be evidence.")

// asking is one request on its way.
type asking struct {
	*request

	arm     *route.Arm
	arrived time.Time
	asked   time.Time // the deadline that the client asks for, zero if it does not
}

// ask carries an HTTP request through: its body, its arm, its rows (read), its
// prediction, its answer (write, which returns the body). What it returns is for
// the protocol to say.
func (d *desk) ask(in route.Protocol, w http.ResponseWriter, r *http.Request, to choice, read func(a *asking) error, write func(a *asking) []byte) error {
	if crossOrigin.Check(r) != nil {
		return foreign
	}
	arrived := time.Now()
	req := requests.Get().(*request)
	defer req.release()
	if t := req.take(w, r, d.front.gate); t != nil {
		return t
	}
	asked, t := askedDeadline(r.Header, arrived)
	if t != nil {
		return t
	}
	a := &asking{request: req, arrived: arrived, asked: asked}
	if err := d.answer(r.Context(), a, to, func() error { return read(a) }); err != nil {
		return err
	}
	w.Header()["Serin-Model-Used"] = []string{string(a.arm.Role)}
	w.Header()["Serin-Model-Version"] = []string{a.arm.Version.Name}
	if s := trace.Of(w); s != nil {
		s.Predicted(told(a.arm, in, a.batch.N, to == choice{}))
	}
	if t := req.send(w, write(a), d.front.gate); t != nil {
		for _, of := range []string{"Content-Type", jsonLength} { // the answer's
			w.Header().Del(of)
		}
		return t
	}
	a.arm.Served.Time(in, time.Since(arrived))
	return nil
}

// timeout takes a deadline from within the body: so many microseconds, 0 for none.
func (a *asking) timeout(microseconds int64) {
	a.until = sooner(a.until, within(a.arrived, microseconds))
}

// answer finds the arm, has the rows read, and predicts them. Errors of read are
// *oip.Fault or *trouble.
func (d *desk) answer(ctx context.Context, a *asking, to choice, read func() error) (err error) {
	if t := a.enter(ctx, d.front.gate, a.asked); t != nil {
		return t
	}
	var dealer *route.Table
	if a.arm, dealer, err = d.choose(to); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	if t := answerable(a.arm.Predictor.Signature(), &a.batch); t != nil {
		return t
	}
	if dealer != nil { // only now: a request that is refused is dealt to nobody
		// By the same table: on another one may be a model that takes other rows.
		a.arm = dealer.Pick()
	}
	if _, err = a.request.answer(ctx, a.arm, dealer != nil); err != nil {
		return d.explain(err, a.arm)
	}
	return nil
}

// choice is which version shall answer, by its name or by the label of its arm;
// where both are empty, whoever is dealt.
type choice struct{ version, label string }

// choose finds the arm. Where the client chose none, there is a dealer, the table
// that will deal one, and the arm is its stable, whose signature says what the
// rows must be.
func (d *desk) choose(to choice) (arm *route.Arm, dealer *route.Table, err error) {
	table := d.front.table.Table()
	if table == nil { // who drains is not ready and still answers
		return nil, nil, d.front.away.Load()
	}
	if to.version == "" && to.label == "" {
		return table.Stable, table, nil
	}
	for _, is := range []func(*route.Arm) bool{
		func(a *route.Arm) bool { return a.Version.Name == to.version },
		func(a *route.Arm) bool { return string(a.Role) == cmp.Or(to.label, to.version) }, // a version may be called by its arm
	} {
		for _, arm := range []*route.Arm{table.Stable, table.Canary} {
			if arm != nil && is(arm) {
				return arm, nil, nil
			}
		}
	}
	if to.label != "" {
		return nil, nil, troubled(http.StatusNotFound, "Model %q has no version with the label %q now.", d.name, model.Clip(to.label))
	}
	return nil, nil, troubled(http.StatusNotFound, "Model %q has no version %q now: it has %s.", d.name, model.Clip(to.version), versionsOf(table))
}

func versionsOf(t *route.Table) string {
	text := fmt.Sprintf("%q", t.Stable.Version.Name)
	if t.Canary != nil {
		text += fmt.Sprintf(" and %q", t.Canary.Version.Name)
	}
	return text
}

// contractOf says what tensors are to an arm. The canary's are stable's, and may
// have labels of their own.
func (d *desk) contractOf(arm *route.Arm) *oip.Contract {
	return d.front.termsOf(arm.Predictor.Signature()).tensors
}

// explain turns a failed prediction into what the client may know of it.
func (d *desk) explain(err error, arm *route.Arm) error {
	u, ok := errors.AsType[*model.Unanswerable](err)
	if !ok {
		if t := d.front.broke(err, arm); t != nil {
			return t
		}
		return err
	}
	features := arm.Predictor.Signature().Features
	if u.Feature >= 0 && u.Feature < len(features) && features[u.Feature].Name != "" {
		return troubled(http.StatusBadRequest, "Row %d, feature %q: %s.", u.Row, model.Clip(features[u.Feature].Name), u.Reason)
	}
	return troubled(http.StatusBadRequest, "Row %d: %s.", u.Row, u.Reason)
}

func (d *desk) refuse(in route.Protocol, w http.ResponseWriter, err error) {
	d.front.refuse(in, w, err)
}
