package infer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"serin/internal/infer/oip"
	"serin/internal/model"
	"serin/internal/route"
)

// Protocols answer in the words of other model servers, so that their clients
// need not change:
//
//	/v2/...                    the Open Inference Protocol: KServe, Triton, MLServer
//	/v1/models/NAME:predict    KServe's V1 and TensorFlow Serving
//	/invocations, /ping        MLflow's scoring server, and SageMaker
//
// A request that names no version is dealt like any other; the version that it
// was dealt is in its answer, or in the headers Serin-Model-Used and
// Serin-Model-Version. One that names a version, or the labels stable and
// canary, gets that one and is in no evidence.
type Protocols struct {
	front  *Handler
	name   string      // of the model
	server string      // serin's version
	ready  func() bool // whether predictions are welcome
}

// Protocols make the other ways to ask for the model's predictions.
func (h *Handler) Protocols(name, server string, ready func() bool) *Protocols {
	return &Protocols{front: h, name: name, server: server, ready: ready}
}

// Register puts the protocols' paths on a mux.
func (p *Protocols) Register(mux *http.ServeMux) {
	p.registerV2(mux)
	p.registerV1(mux)
	p.registerScoring(mux)
}

// crossOrigin keeps web pages out: these protocols take bodies of any type, so
// that a browser would not ask first, as it does for JSON.
var crossOrigin = http.NewCrossOriginProtection()

// asking is one request on its way.
type asking struct {
	*request

	arm *route.Arm
}

// ask carries an HTTP request through: its body, its arm, its rows (read), its
// prediction, its answer (write, which returns the body). What it returns is for
// the protocol to say.
func (p *Protocols) ask(w http.ResponseWriter, r *http.Request, to choice, read func(a *asking) error, write func(a *asking) []byte) error {
	if err := crossOrigin.Check(r); err != nil {
		return troubled(http.StatusForbidden, "A page of another origin may not ask for predictions here: its rows would be evidence.")
	}
	arrived := time.Now()
	req := requests.Get().(*request)
	defer req.release()
	if t := req.take(w, r); t != nil {
		return t
	}
	a := &asking{request: req}
	if err := p.answer(r.Context(), a, to, func() error { return read(a) }); err != nil {
		return err
	}
	w.Header()["Serin-Model-Used"] = []string{string(a.arm.Role)}
	w.Header()["Serin-Model-Version"] = []string{a.arm.Version.Name}
	body := write(a)
	req.leave() // sending is the client's time
	// A client that has gone does not read its answer; there is nobody to tell.
	_, _ = w.Write(body)
	a.arm.Served.Time(time.Since(arrived))
	return nil
}

// answer finds the arm, has the rows read, and predicts them. Errors of read are
// *oip.Fault or *trouble.
func (p *Protocols) answer(ctx context.Context, a *asking, to choice, read func() error) (err error) {
	if t := a.enter(ctx, &p.front.gate); t != nil {
		return t
	}
	var dealt bool // by the split, and not chosen by the client
	if a.arm, dealt, err = p.choose(to); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	if t := answerable(a.arm.Predictor.Signature(), &a.batch); t != nil {
		return t
	}
	if dealt { // only now: a request that is refused is dealt to nobody
		a.arm = p.front.table.Table().Pick()
	}
	if _, err = a.request.answer(ctx, a.arm, dealt); err != nil {
		return p.explain(err, a.arm)
	}
	return nil
}

// choice is who shall answer: a model, and a version or the label of an arm;
// where both are empty, whoever is dealt.
type choice struct{ model, version, label string }

// choose finds the arm. Where the split will deal one, it is stable's, whose
// signature says what the rows must be.
func (p *Protocols) choose(to choice) (arm *route.Arm, dealt bool, err error) {
	if to.model != "" && to.model != p.name {
		return nil, false, troubled(http.StatusNotFound, "There is no model %q: this server has %q.", clip(to.model), p.name)
	}
	table := p.front.table.Table()
	if table == nil { // who drains is not ready and still answers
		return nil, false, notLoaded
	}
	if to.version == "" && to.label == "" {
		return table.Stable, true, nil
	}
	for _, is := range []func(*route.Arm) bool{
		func(a *route.Arm) bool { return a.Version.Name == to.version },
		func(a *route.Arm) bool { return string(a.Role) == cmp.Or(to.label, to.version) }, // a version may be called by its arm
	} {
		for _, arm := range []*route.Arm{table.Stable, table.Canary} {
			if arm != nil && is(arm) {
				return arm, false, nil
			}
		}
	}
	if to.label != "" {
		return nil, false, troubled(http.StatusNotFound, "Model %q has no version with the label %q now.", p.name, clip(to.label))
	}
	return nil, false, troubled(http.StatusNotFound, "Model %q has no version %q now: it has %s.", p.name, clip(to.version), versionsOf(table))
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
func (p *Protocols) contractOf(arm *route.Arm) *oip.Contract {
	return p.front.termsOf(arm.Predictor.Signature()).tensors
}

// explain turns a failed prediction into what the client may know of it.
func (p *Protocols) explain(err error, arm *route.Arm) error {
	u, ok := errors.AsType[*model.Unanswerable](err)
	if !ok {
		if t := p.front.broke(err, arm); t != nil {
			return t
		}
		return err
	}
	features := arm.Predictor.Signature().Features
	if u.Feature >= 0 && u.Feature < len(features) && features[u.Feature].Name != "" {
		return troubled(http.StatusBadRequest, "Row %d, feature %q: %s.", u.Row, clip(features[u.Feature].Name), u.Reason)
	}
	return troubled(http.StatusBadRequest, "Row %d: %s.", u.Row, u.Reason)
}

// refuse tells of an error in the shape that V2 and V1 share.
func (p *Protocols) refuse(w http.ResponseWriter, err error) { p.front.refusal(err).plain(w) }
