package infer

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"serin/internal/infer/inferencepb"
	"serin/internal/model"
	"serin/internal/route"
)

// Repository serves models and lets them rest, by their names. An error that
// Refusal made is what the client is told; any other one is for the log.
type Repository interface {
	// Load serves a model that rests. One that is served already stays as it is.
	Load(ctx context.Context, name string) error
	// Unload serves a model no longer. Who was answered meanwhile gets the answer.
	Unload(ctx context.Context, name string) error
	// Resting are the models that are known and not served.
	Resting(ctx context.Context) []string
}

// Refusal is the error of a call that is not carried out, with its HTTP status.
func Refusal(status int, detail string) error { return &trouble{status: status, detail: detail} }

// Manage lets clients load and unload models, over HTTP behind a guard that keeps
// pages of others out. gRPC needs none: no browser speaks it to a server without
// TLS. Without a call of Manage there is nothing to load.
func (p *Protocols) Manage(mux mux, r Repository, guard func(http.Handler) http.Handler) {
	p.repository = r
	for path, do := range map[string]func(context.Context, string) error{"load": r.Load, "unload": r.Unload} {
		mux.Handle("POST /v2/repository/models/{model}/"+path, guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := parametersOf(r.Body)
			if err == nil {
				err = do(r.Context(), r.PathValue("model"))
			}
			if err != nil {
				p.lost.refuse(route.V2, w, err)
				return
			}
			w.WriteHeader(http.StatusOK)
		})))
	}
}

// mostParameters bounds the body of a load, in bytes.
const mostParameters = 64 << 10

// parametersOf refuses a body with parameters that would mean something: to load
// without what was asked for is no load of what was asked for.
func parametersOf(body io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(body, mostParameters+1))
	if err != nil {
		return unreadable(err)
	}
	if len(text) == 0 {
		return nil
	}
	var asked struct {
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if len(text) > mostParameters {
		return tooLarge
	}
	if err := json.Unmarshal(text, &asked); err != nil {
		return troubled(http.StatusBadRequest, "The body is not JSON like {\"parameters\": {}}, which may as well be left out: %v.", err)
	}
	for name := range asked.Parameters {
		if err := parameter(name); err != nil {
			return err
		}
	}
	return nil
}

// parameter knows the one that changes nothing here, since no model depends on another.
func parameter(name string) error {
	if name == "unload_dependents" {
		return nil
	}
	return troubled(http.StatusBadRequest, "The parameter %s is not taken: a model is loaded as the server knows it; release another version with serin deploy.", model.Quote(name))
}

func (s *service) RepositoryModelLoad(ctx context.Context, in *inferencepb.RepositoryModelLoadRequest) (*inferencepb.RepositoryModelLoadResponse, error) {
	if err := s.manage(in.GetModelName(), in.GetParameters(), func(r Repository, name string) error { return r.Load(ctx, name) }); err != nil {
		return nil, s.lost.status(err)
	}
	return &inferencepb.RepositoryModelLoadResponse{}, nil
}

func (s *service) RepositoryModelUnload(ctx context.Context, in *inferencepb.RepositoryModelUnloadRequest) (*inferencepb.RepositoryModelUnloadResponse, error) {
	if err := s.manage(in.GetModelName(), in.GetParameters(), func(r Repository, name string) error { return r.Unload(ctx, name) }); err != nil {
		return nil, s.lost.status(err)
	}
	return &inferencepb.RepositoryModelUnloadResponse{}, nil
}

// rests tells a model that is known and not loaded from one that is not known.
func (p *Protocols) rests(ctx context.Context, name string) bool {
	return p.repository != nil && slices.Contains(p.repository.Resting(ctx), name)
}

func (s *service) manage(name string, parameters map[string]*inferencepb.ModelRepositoryParameter, do func(Repository, string) error) error {
	for p := range parameters {
		if err := parameter(p); err != nil {
			return err
		}
	}
	if s.repository == nil {
		return troubled(http.StatusMethodNotAllowed, "This server neither loads nor unloads models.")
	}
	return do(s.repository, name)
}
