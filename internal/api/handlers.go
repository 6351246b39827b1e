package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/rollout"
)

// maxBody is the largest body of an admin call, in bytes.
const maxBody = 64 << 10

// Pilot is who carries out commands.
type Pilot interface {
	Do(context.Context, control.Command) (control.Health, error)
	Check(context.Context) (control.Health, error)
	Peek() control.Health
	Gauges() control.Gauges
}

// History tells how rollouts were judged.
type History interface {
	// Cases gives every judged moment of a rollout that is stored to yield, and
	// ends with its error.
	Cases(ctx context.Context, rolloutID string, yield func(judge.Case) error) error
	// Looks are those of the monitor that come after a number, oldest first.
	Looks(ctx context.Context, rolloutID string, after uint64, limit int) ([]control.Look, error)
	// Recent are events of the model, newest first: those below a number, or for 0
	// the latest. One that cannot be read has nothing but its number.
	Recent(ctx context.Context, before uint64, limit int) ([]control.Entry, error)
}

// mux is where paths are put: a ServeMux, or one that keeps a list of them.
type mux interface {
	http.Handler

	Handle(pattern string, handler http.Handler)
	HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request))
}

// Register puts the admin calls and /openapi.json on the mux. The models are
// those that are served at the moment of a call; the version is serin's own, for
// the description; maxModel is the most bytes that an upload may have. The end
// that it returns ends the streams to pages, which last as long as a page is
// open, and lets none begin.
func Register(mux mux, models func() []Model, version string, maxModel int64) (end func()) {
	config := huma.DefaultConfig("serin", version)
	config.Info.Description = "Serves machine-learning models and releases their next versions as canaries."
	config.Tags = tags
	config.Components.SecuritySchemes, config.Security = tokens, []map[string][]string{{}, {"token": {}}}
	config.DocsPath, config.SchemasPath, config.OpenAPIPath = "", "", ""
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{explain}
	// The second entry is for media types that end in +json, like a problem's.
	config.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	here := newRoll(models, version)
	uploads := &uploader{here: here, limit: maxModel, pace: uploadPace}
	api := humago.New(&doorway{mux, uploads}, config)
	uploads.registry = api.OpenAPI().Components.Schemas
	huma.Register(api, modelsOperation, here.list)
	huma.Register(api, replicasOperation, here.replicas)
	each(api, here, post("deploy-canary", "Deploy a canary", "Loads a version, checks it against stable, warms it, and gives it its share of the requests."), (*handlers).deploy)
	each(api, here, post("rollback-canary", "Roll the canary back", "Takes the canary out. Always works while there is one."), (*handlers).rollback)
	each(api, here, post("promote-canary", "Promote the canary", "Makes the canary stable if the verdict of this moment is a pass."), (*handlers).promote)
	each(api, here, post("toggle-slowdown", "Start or end a drill", "Slows canary predictions down on purpose, to see the alert work."), (*handlers).toggle)
	each(api, here, post("canary-weight", "Change the canary's share", "Gives the canary another share of the requests. What was observed at the old one stays evidence, judged apart."), (*handlers).reweigh)
	each(api, here, get("check-canary-health", "Judge the canary", "Welch's t-test on the latencies of both arms, which counts as a look, and what the monitor says."), (*handlers).check)
	each(api, here, get("state", "Read the state", "What is stable, what is on trial, and what was observed."), (*handlers).state)
	each(api, here, rolloutsOperation, (*handlers).rollouts)
	each(api, here, casesOperation, (*handlers).cases)
	each(api, here, liveOperation, (*handlers).watch)
	registerGates(api, here)
	for path, item := range api.OpenAPI().Paths {
		if item.Post != nil {
			mux.Handle(path, MethodNotAllowed(http.MethodPost))
		} else {
			mux.Handle(path, MethodNotAllowed(http.MethodGet))
		}
	}
	describePredict(api)
	describeProtocols(api)
	describeJudge(api)
	describeWebhooks(api)
	describeUploads(api)
	correct(api.OpenAPI())
	mux.HandleFunc("GET /openapi.json", here.describe(api.OpenAPI()))
	mux.Handle("/admin/", NotFound("GET /openapi.json lists the calls below /admin/."))
	for _, path := range []string{"/gate/", byName("/gate/")} {
		mux.Handle(path, NotFound("There are /gate/verdict, /gate/advance, /gate/promote and /gate/rollback."))
	}
	return here.end
}

// strictJSON refuses what encoding/json accepts in silence: doubled names,
// names in another case, invalid UTF-8.
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		data, err := jsonv2.Marshal(v, jsonv2.Deterministic(true), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return err
		}
		_, err = w.Write(append(data, '\n')) // for people who use curl
		return err
	},
	Unmarshal: func(data []byte, v any) error { return jsonv2.Unmarshal(data, v, jsonv2.RejectUnknownMembers(true)) },
}

func post(name, summary, description string) huma.Operation {
	op := get(name, summary, description)
	op.Method = http.MethodPost
	op.Errors = []int{http.StatusConflict, http.StatusServiceUnavailable}
	op.MaxBodyBytes = maxBody
	op.BodyReadTimeout = 30 * time.Second
	return op
}

func get(name, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: name, Method: http.MethodGet, Path: "/admin/" + name, Summary: summary, Description: description, Tags: []string{"admin"},
	}
}

// handlers carry out the calls of one model.
type handlers struct {
	pilot Pilot
	past  History
	plan  rollout.Plan
	live  *gallery
}

// reply is a body for huma.
type reply[T any] struct{ Body T }

// Caller is who sends a command, by their own word; a server that asks for keys has
// put the key's name in its place.
type Caller struct {
	Actor string `header:"Serin-Actor" maxLength:"100" doc:"Who asks; goes into the journal." default:"operator"`
}

func (h *handlers) deploy(ctx context.Context, in *struct {
	Caller
	Body DeployRequest
}) (*reply[Change], error) {
	return h.release(ctx, in.Actor, &in.Body, control.Source{Path: in.Body.ModelPath, SHA256: in.Body.SHA256, GoldenSHA256: in.Body.GoldenSHA256})
}

// release asks for a canary.
func (h *handlers) release(ctx context.Context, actor string, r *DeployRequest, from control.Source) (*reply[Change], error) {
	plan, err := planOf(r, h.plan)
	if err != nil {
		return nil, err
	}
	done, failed := h.pilot.Do(ctx, control.Command{
		Kind: rollout.Deploy, Actor: actor, Reason: r.Reason, Source: from, Plan: plan, Force: r.Force,
	})
	if failed != nil {
		return nil, problemOf(failed)
	}
	message := fmt.Sprintf("canary %s is live with %s of the requests for %v", done.Rollout.Canary.Name, plan.Weight, plan.Period)
	if b := done.Rollout.Before; b != nil {
		what := "rolled back"
		if b.Quarantined {
			what = "quarantined"
		}
		message += fmt.Sprintf("; this version was %s in %s at %s: %s", what, b.Rollout, b.At.UTC().Format(time.RFC3339), b.Reason)
	}
	if n := done.Rollout.Canary.GoldenRows; n > 0 {
		message += fmt.Sprintf("; its golden predictions are reproduced, %d in all", n)
	}
	if done.Rollout.Canary.SHA256 == done.State.Stable.SHA256 {
		message += "; it is the same file as stable, so a version is compared with itself"
	}
	if plan.InitialDelay >= plan.Period {
		message += fmt.Sprintf("; the monitor will not judge its latencies, since the initial delay of %v is not shorter", plan.InitialDelay)
	}
	if done.State.Slowdown {
		message += "; a drill is on and slows it down on purpose"
	}
	return change(message, done), nil
}

// planOf fills a request up with the defaults.
func planOf(r *DeployRequest, plan rollout.Plan) (rollout.Plan, error) {
	if r.Weight != nil {
		w, err := rollout.WeightOf(*r.Weight)
		if err != nil {
			return plan, problem(codeInvalid, "body."+err.Error())
		}
		plan.Weight = w
	}
	if err := duration(r.Duration, "duration", &plan.Period); err != nil {
		return plan, err
	}
	if r.Policy != nil {
		if err := r.Policy.apply(&plan); err != nil {
			return plan, err
		}
	}
	if err := plan.Check(); err != nil {
		return plan, problem(codeInvalid, "body.policy: "+err.Error())
	}
	return plan, nil
}

// apply changes what the policy names.
func (p *Policy) apply(plan *rollout.Plan) error {
	if p.AtEnd != "" {
		plan.AtEnd = rollout.AtEnd(p.AtEnd)
	}
	if p.OnAlarm != "" {
		plan.OnAlarm = rollout.OnAlarm(p.OnAlarm)
	}
	if p.MinEffectMS != nil {
		plan.MinEffect = time.Duration(*p.MinEffectMS * float64(time.Millisecond))
	}
	set(&plan.MinSamples, p.MinSamples)
	set(&plan.Alpha, p.Alpha)
	set(&plan.MinSlowdown, p.MinSlowdown)
	set(&plan.Tolerance, p.Tolerance)
	set(&plan.MinDrift, p.MinDrift)
	return duration(p.InitialDelay, "policy.initial_delay", &plan.InitialDelay)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// duration reads one; "" leaves what is there.
func duration(s, field string, to *time.Duration) error {
	if s == "" {
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return problem(codeInvalid, fmt.Sprintf("body.%s: %q is not a duration; write it like 1h, 90m or 30s", field, s))
	}
	*to = d
	return nil
}

func (h *handlers) rollback(ctx context.Context, in *struct {
	Caller
	Body *RollbackRequest
}) (*reply[Change], error) {
	command := control.Command{Kind: rollout.Rollback, Actor: in.Actor}
	if in.Body != nil {
		command.Reason = in.Body.Reason
	}
	done, err := h.pilot.Do(ctx, command)
	if err != nil {
		return nil, problemOf(err)
	}
	what := "the deploy"
	if done.Rollout != nil {
		what = "canary " + done.Rollout.Canary.Name
	}
	return change(fmt.Sprintf("%s is rolled back; %s answers every request", what, done.State.Stable.Name), done), nil
}

func (h *handlers) promote(ctx context.Context, in *struct {
	Caller
	Body *PromoteRequest
}) (*reply[Change], error) {
	command := control.Command{Kind: rollout.Promote, Actor: in.Actor}
	if in.Body != nil {
		command.Force, command.Reason = in.Body.Force, in.Body.Reason
	}
	done, err := h.pilot.Do(ctx, command)
	if err != nil {
		p := problemOf(err)
		if done.State.Phase.Split() {
			health := healthOf(done, h.plan)
			p.Health = &health
		}
		return nil, p
	}
	message := done.State.Stable.Name + " is stable now and answers every request"
	if !command.Force {
		message += "; it passed Welch's test at this look, which is what a promotion by hand goes by unless the monitor objects"
	}
	return change(message, done), nil
}

func (h *handlers) reweigh(ctx context.Context, in *struct {
	Caller
	Body WeightRequest
}) (*reply[Change], error) {
	w, err := rollout.WeightOf(in.Body.Weight)
	if err != nil {
		return nil, problem(codeInvalid, "body."+err.Error())
	}
	done, err := h.pilot.Do(ctx, control.Command{Kind: rollout.Reweigh, Actor: in.Actor, Reason: in.Body.Reason, Weight: w})
	if err != nil {
		return nil, problemOf(err)
	}
	return change(fmt.Sprintf("canary %s gets %s of the requests now", done.Rollout.Canary.Name, w), done), nil
}

func (h *handlers) toggle(ctx context.Context, in *struct {
	Caller
	Body *struct{}
}) (*reply[Slowdown], error) {
	done, err := h.pilot.Do(ctx, control.Command{Kind: rollout.Drill, Actor: in.Actor})
	if err != nil {
		return nil, problemOf(err)
	}
	return &reply[Slowdown]{Slowdown{done.State.Slowdown}}, nil
}

// lookPatience is how long a look waits to be counted.
const lookPatience = 2 * time.Second

func (h *handlers) check(ctx context.Context, _ *struct{}) (*reply[Health], error) {
	limited, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	health, err := h.pilot.Check(limited)
	if err != nil {
		// A gate reads 200 or nothing: what is known without the loop is the answer,
		// also while it waits for a slow disk.
		health = h.pilot.Peek()
	}
	return &reply[Health]{healthOf(health, h.plan)}, nil
}

func (h *handlers) state(context.Context, *struct{}) (*reply[State], error) {
	return &reply[State]{stateOf(h.pilot.Peek())}, nil
}

func change(message string, h control.Health) *reply[Change] {
	return &reply[Change]{Change{
		Message: message, Model: h.State.Model, Phase: string(h.State.Phase), Stable: versionOf(h.State.Stable), Rollout: rolloutOf(h),
	}}
}
