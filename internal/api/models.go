package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
	"serin/internal/keys"
	"serin/internal/rollout"
)

// A server may have several models, each with rollouts of its own. Every call is
// there twice:
//
//	/admin/state                  of the default model, as the seed has it
//	/admin/models/churn/state     of the model that is named

// Model is the control of one model.
type Model struct {
	Name string
	// Default is true for the one that is meant where none is named.
	Default bool
	Pilot   Pilot
	History History
	// Plan is what a deploy gets where it asks for nothing else.
	Plan rollout.Plan
	// Fleet is this process among those that share the store; nil where none do.
	Fleet *control.Fleet
	// Signature is what GET /signature answers of the model, nil while it is not
	// loaded: the description of the API has its features in it.
	Signature func() []byte
}

// roll calls the models that are served now.
type roll struct {
	models  func() []Model
	version string
	ended   chan struct{}
	end     func() // of the streams to pages

	mu    sync.Mutex
	pages map[string]weak.Pointer[gallery] // by model; pages hold theirs, and nobody one that is unloaded

	listing sync.Mutex
	listed  time.Time
	all     []byte // the message about all models that was made then
}

func newRoll(models func() []Model, version string) *roll {
	ended := make(chan struct{})
	return &roll{models: models, version: version, ended: ended, end: sync.OnceFunc(func() { close(ended) }), pages: map[string]weak.Pointer[gallery]{}}
}

// gallery is that of a model, and a new one where the model was loaded anew.
func (r *roll) gallery(m *Model) *gallery {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.pages[m.Name].Value()
	if g == nil || g.pilot != m.Pilot {
		g = newGallery(*m, r)
		r.pages[m.Name] = weak.Make(g)
	}
	return g
}

// find is the model of a name, or of none. Whose key is not for a model is told
// nothing of it, not even by a body that names another one than the path.
func (r *roll) find(ctx context.Context, name string) (*handlers, *Problem) {
	var names []string
	for _, m := range r.models() {
		if !keys.Covers(ctx, m.Name) {
			continue
		}
		if m.Name == name || name == "" && m.Default {
			live := r.gallery(&m)
			return &handlers{waking{m.Pilot, live}, m.History, m.Plan, live}, nil
		}
		names = append(names, m.Name)
	}
	here := "This server serves none now"
	if names != nil {
		here = "This server has " + strings.Join(names, ", ")
	}
	if name == "" {
		return nil, problem(codeModel, "the default model is not loaded. "+here+"; name one, or load it")
	}
	return nil, problem(codeModel, fmt.Sprintf("there is no model %s. %s", control.Printable(name), here))
}

// named is where the name of a call's model is in its context.
type named struct{}

// each registers a call of the default model, and of any by its name.
func each[I, O any](api huma.API, here *roll, op huma.Operation, call func(*handlers, context.Context, *I) (*O, error)) {
	handle := func(ctx context.Context, in *I) (*O, error) {
		name, _ := ctx.Value(named{}).(string)
		h, p := here.find(ctx, name)
		if p != nil {
			return nil, p
		}
		return call(h, ctx, in)
	}
	huma.Register(api, op, handle)
	huma.Register(api, ofModel(op), handle)
}

// ofModel is an operation with the model's name in its path.
func ofModel(op huma.Operation) huma.Operation {
	op.OperationID += "-of-model"
	op.Path = byName(op.Path)
	op.Summary += " of a model"
	op.Tags = []string{op.Tags[0] + " by model"}
	op.Errors = append(slices.Clone(op.Errors), http.StatusNotFound)
	op.Parameters = []*huma.Param{nameOfModel}
	op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		next(huma.WithValue(ctx, named{}, ctx.Param("model")))
	}}
	return op
}

var nameOfModel = &huma.Param{Name: "model", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}, Example: "churn", Description: "The model's name; GET /admin/models lists them."}

// byName is the path of a call that names its model.
func byName(path string) string {
	if below, ok := strings.CutPrefix(path, "/admin"); ok {
		return "/admin/models/{model}" + below
	}
	return "/models/{model}" + path
}

// Standing is how one model stands, in a list.
type Standing struct {
	Model   string   `json:"model"`
	Default bool     `json:"default" doc:"It is the one that is meant where none is named."`
	Phase   string   `json:"phase" doc:"Where the model stands: idle, loading, canary, due."`
	Stable  version  `json:"stable"`
	Rollout *attempt `json:"rollout" doc:"The attempt in progress."`
	Status  string   `json:"status" enum:"no_canary,insufficient_data,healthy,alert"`
	Finding string   `json:"finding" doc:"What raises the alert, or else the verdict, in one sentence."`
	// Requests are those observed in the rollout.
	Requests struct {
		Stable uint64 `json:"stable"`
		Canary uint64 `json:"canary"`
	} `json:"requests" doc:"Observations of the rollout per arm."`
	SimulateSlowdown bool `json:"simulate_slowdown"`
	// What follows is the monitor's, as in a check.
	MonitorVerdict string  `json:"monitor_verdict" enum:"none,insufficient,pass,fail,invalid"`
	AlarmTime      string  `json:"alarm_time" doc:"When the monitor latched its alarm, RFC 3339; empty without one."`
	Ratio          float64 `json:"ratio" doc:"The canary's typical latency over stable's; 1 while nothing was judged."`
	RatioLower     float64 `json:"ratio_lower"`
	RatioUpper     float64 `json:"ratio_upper"`
}

// standings are a list, in an object that may get more members.
type standings struct {
	Models []Standing `json:"models"`
}

var modelsOperation = get("models", "List the models", "What each model that is served has as stable and on trial. Asking here is not counted as a look.")

func (r *roll) list(ctx context.Context, _ *struct{}) (*reply[standings], error) {
	out := standings{Models: []Standing{}}
	for _, m := range r.models() {
		if !keys.Covers(ctx, m.Name) {
			continue
		}
		h := m.Pilot.Peek()
		health := healthOf(h, m.Plan)
		s := Standing{
			Model: m.Name, Default: m.Default, Phase: string(h.State.Phase), Stable: versionOf(h.State.Stable), Rollout: rolloutOf(h),
			Status: health.Status, Finding: health.Finding, SimulateSlowdown: h.State.Slowdown,
		}
		s.MonitorVerdict, s.AlarmTime = health.MonitorVerdict, health.AlarmTime
		s.Ratio, s.RatioLower, s.RatioUpper = health.Monitor.Ratio, health.Monitor.RatioLower, health.Monitor.RatioUpper
		s.Requests.Stable, s.Requests.Canary = health.Samples.Stable, health.Samples.Canary
		out.Models = append(out.Models, s)
	}
	return &reply[standings]{out}, nil
}

// Models lists the models that the server serves.
func (c *Client) Models(ctx context.Context) ([]Standing, error) {
	out, err := call[standings](ctx, c, patience, http.MethodGet, "/admin/models", nil)
	return out.Models, err
}
