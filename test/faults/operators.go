package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// operatorCount is how many operators command at once; operatorPatience how long each
// waits for an answer.
const (
	operatorCount    = 3
	operatorPatience = 15 * time.Second
)

// operation is one command as its sender saw it.
type operation struct {
	// Actor is its own alone, so that the journal says which rows are its.
	Actor     string
	Kind      string // deploy, rollback, promote
	Version   string // a deploy's
	replica   int
	call, ret time.Duration
	outcome   outcome
	// code is the problem's; stable, canary and rollout are what a success names.
	code, detail            string
	stable, canary, rollout string
}

// outcome is what an answer says about an operation.
type outcome int

const (
	unknown  outcome = iota // it may have been carried out, now or a little later
	carried                 // it was, and that is durable
	refused                 // it was not, because of the state that it found
	unstored                // it was not, by the answer's own word, because the store failed
)

func (o outcome) String() string {
	return []string{"unknown", "carried out", "refused", "not stored"}[o]
}

// operate commands until ctx ends.
func (w *world) operate(ctx context.Context, operator int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, uint64(operator)))
	for n := 0; ctx.Err() == nil; n++ {
		o := operation{Kind: []string{"deploy", "deploy", "deploy", "rollback", "rollback", "promote"}[r.IntN(6)], replica: r.IntN(fleetSize)}
		o.Actor = fmt.Sprintf("operator %d, round %d, %d", operator, w.rounds, n)
		w.command(context.WithoutCancel(ctx), &o)
		wait(ctx, time.Duration(r.IntN(400))*time.Millisecond)
	}
}

// command carries out an operation and records it. What was not sent is not.
func (w *world) command(ctx context.Context, o *operation) {
	server, _ := w.replicas[o.replica].at()
	if server == nil {
		return
	}
	var body struct {
		Path   string `json:"model_path,omitempty"`
		Force  bool   `json:"force,omitempty"`
		Reason string `json:"reason,omitempty"`
	}
	switch o.Kind {
	case "deploy":
		version, err := w.shop.version()
		if err != nil {
			return // no space for a file: the deploy would not find it
		}
		o.Version = version
		body.Path = "models/" + version + ".joblib"
	case "promote":
		body.Force, body.Reason = true, "the test wants it"
	}
	content, err := json.Marshal(body)
	if err != nil {
		return // it has words in it, and no more
	}
	ctx, cancel := context.WithTimeout(ctx, operatorPatience)
	defer cancel()
	o.call = w.now()
	o.answered(post(ctx, server.URL+"/admin/"+o.Kind+"-canary", o.Actor, content))
	o.ret = w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.operations = append(w.operations, *o)
}

func post(ctx context.Context, url, actor string, content []byte) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Serin-Actor", actor)
	request.GetBody = nil
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer got.Body.Close()
	text, err = io.ReadAll(io.LimitReader(got.Body, 1<<20))
	return got.StatusCode, text, err
}

// answered takes what an answer says. One that cannot be read says nothing.
func (o *operation) answered(status int, text []byte, err error) {
	var a struct {
		Stable struct {
			Name string `json:"name"`
		} `json:"stable"`
		Rollout *struct {
			ID     string `json:"id"`
			Canary struct {
				Name string `json:"name"`
			} `json:"canary"`
		} `json:"rollout"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	}
	if err != nil {
		o.code = "no answer"
		return
	}
	if json.Unmarshal(text, &a) != nil {
		o.code = "unreadable answer"
		return
	}
	o.code, o.detail = a.Code, a.Detail
	switch {
	case status == http.StatusOK:
		o.outcome, o.code, o.stable = carried, "carried out", a.Stable.Name
		if a.Rollout != nil {
			o.rollout, o.canary = a.Rollout.ID, a.Rollout.Canary.Name
		}
	case status < http.StatusInternalServerError:
		o.outcome = refused
	case strings.Contains(a.Detail, "nothing was changed") || strings.Contains(a.Detail, "so nothing is decided"):
		o.outcome = unstored
	}
}
