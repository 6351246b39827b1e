package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"serin/internal/control"
	"serin/internal/infer"
	"serin/internal/rollout"
)

// What comes and goes while the server runs is not durable: the command line says
// what the next start serves. What a model has decided stays in its state.

var _ infer.Repository = (*yard)(nil)

var errStarting = infer.Refusal(http.StatusServiceUnavailable, "The server starts, and models neither come nor go yet: ask again when GET /readyz answers 200.")

var errClosing = infer.Refusal(http.StatusServiceUnavailable, "The server stops, and models neither come nor go any more.")

// Load serves a model that was named, or lies in the folder, or has a state.
func (y *yard) Load(ctx context.Context, name string) error {
	y.change.Lock()
	defer y.change.Unlock()
	switch {
	case y.shut != nil:
		return y.shut
	case y.line(name) != nil:
		return nil
	}
	m, err := y.known(ctx, name)
	if err != nil {
		return err
	}
	l := y.lay(m)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(y.leaving, cancel)()
	if err := l.pilot.Boot(ctx, control.Start{Model: m.Path}); err != nil {
		return refusal(fmt.Errorf("model %s: %w", name, err))
	}
	l.start(ctx)
	lines := slices.Clone(y.lines())
	if l.standard {
		lines = slices.Insert(lines, 0, l)
	} else {
		lines = append(lines, l)
	}
	y.serve(lines)
	y.config.Log.Info("model loaded", "model", name, "stable", l.pilot.Peek().State.Stable.Name)
	return nil
}

// known is what the server knows of a model that it does not serve.
func (y *yard) known(ctx context.Context, name string) (Model, error) {
	if i := slices.IndexFunc(y.models, func(m Model) bool { return m.Name == name }); i >= 0 {
		return y.models[i], nil
	}
	found, err := y.later()
	if err != nil {
		return Model{}, refusal(err)
	}
	if i := slices.IndexFunc(found, func(m Model) bool { return m.Name == name }); i >= 0 {
		return found[i], nil
	}
	if slices.Contains(y.resting(ctx), name) {
		return Model{Name: name}, nil
	}
	return Model{}, infer.Refusal(http.StatusNotFound, fmt.Sprintf("There is no model %s to load: it was not named at the start, has no state, and is no file of the folder of models.", control.Printable(name)))
}

// Unload serves a model no longer. Requests that have found it are answered by it.
func (y *yard) Unload(ctx context.Context, name string) error {
	y.change.Lock()
	defer y.change.Unlock()
	if y.shut != nil {
		return y.shut
	}
	l := y.line(name)
	if l == nil {
		return infer.Refusal(http.StatusNotFound, fmt.Sprintf("There is no model %s here to unload.", control.Printable(name)))
	}
	// Once it is asked for it may be done, whether or not the client waits to hear it.
	if err := l.pilot.Retire(context.WithoutCancel(ctx)); err != nil {
		return refusal(err)
	}
	l.front.Away(fmt.Sprintf("The model %s is not loaded: load it with POST /v2/repository/models/%[1]s/load, or ask another one with POST /models/NAME/predict.", name))
	y.serve(slices.DeleteFunc(slices.Clone(y.lines()), func(other *line) bool { return other == l }))
	l.stop()
	l.table.Swap(nil)
	y.config.Log.Info("model unloaded", "model", name)
	return nil
}

// Resting are the models that Load would find.
func (y *yard) Resting(ctx context.Context) []string {
	known := y.resting(ctx)
	for _, m := range y.models {
		known = append(known, m.Name)
	}
	found, err := y.later()
	if err != nil {
		y.config.Log.Warn("the folder of models cannot be read", "err", err)
	}
	for _, m := range found {
		known = append(known, m.Name)
	}
	slices.Sort(known)
	return slices.DeleteFunc(slices.Compact(known), func(name string) bool { return y.line(name) != nil })
}

// refusal puts what control says into the words of the protocols.
func refusal(err error) error {
	status := http.StatusUnprocessableEntity
	if _, ok := errors.AsType[*rollout.Refusal](err); ok {
		status = http.StatusConflict
	}
	if fault, ok := errors.AsType[*control.Fault](err); ok && (fault.Code == control.StoreDown || fault.Code == control.Stopping) {
		status = http.StatusServiceUnavailable
	}
	return infer.Refusal(status, err.Error())
}
