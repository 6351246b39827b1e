package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
	"serin/internal/rollout"
)

// Gates are for release tools that ask again and again. So they go by the
// monitor alone, whose verdict stays true however often it is asked for, they
// only peek, and they change nothing.
//
//	GET  /gate/verdict    all of it, in numbers, for Argo Rollouts
//	POST /gate/advance    200: may the canary get more? pass, or nothing against it yet
//	POST /gate/promote    200: is it shown to be good? only a pass
//	POST /gate/rollback   200: must it go? only a fail
//
// What is not said by 200 is said by 409, and a line why. A tool that names the
// version also learns how its rollout has ended; one that does not is never told
// of a rollout that is over, because that may be of last year.

// ruling is the verdict in one flat object. Every key is always there, and every
// number is one.
type ruling struct {
	Model         string  `json:"model"`
	Verdict       string  `json:"verdict" enum:"none,loading,insufficient,pass,fail,invalid,promoted,rolled_back" doc:"Of the monitor; or how the rollout of the version that was asked about has ended."`
	Reason        string  `json:"reason" doc:"Why, in one sentence."`
	Alert         bool    `json:"alert" doc:"The seed's rule or the monitor has something against the canary at this moment."`
	Rollout       string  `json:"rollout"`
	StableVersion string  `json:"stable_version"`
	CanaryVersion string  `json:"canary_version"`
	Weight        float64 `json:"weight" doc:"The canary's share of the requests."`
	Slowdown      float64 `json:"slowdown" doc:"How much slower the canary typically is: 0.1 is 10 %. 0 while nothing can be said."`
	Lower         float64 `json:"lower" doc:"Lower end of its confidence sequence."`
	Upper         float64 `json:"upper"`
	LogE          float64 `json:"log_e" doc:"Evidence against the canary; an alarm at log_threshold."`
	LogThreshold  float64 `json:"log_threshold"`
	Stable        uint64  `json:"n_stable"`
	Canary        uint64  `json:"n_canary"`
	MDE           float64 `json:"mde" doc:"The smallest slowdown that would have been seen by now; -1 while nothing can be said."`
	ETASeconds    float64 `json:"eta_seconds" doc:"How long a pass still takes at this traffic; -1 while nothing can be said, or after a verdict."`
	ElapsedS      float64 `json:"elapsed_seconds"`
	RemainingS    float64 `json:"remaining_seconds"`
}

// rule judges the rollout of a version: named, by its digest, or by the rollout's
// id. "" is the rollout in progress, whichever that is.
func (h *handlers) rule(version string) ruling {
	now := h.pilot.Peek()
	s := &now.State
	health := healthOf(now, h.plan)
	r := ruling{Model: s.Model, StableVersion: s.Stable.Name, Verdict: "none", Reason: "no canary is active", MDE: -1, ETASeconds: -1}
	a := s.Rollout
	switch {
	case a != nil && slices.Contains([]string{"", a.Canary.Name, a.Canary.SHA256, a.ID}, version):
	case version == "":
		return r
	case s.Last != nil && slices.Contains([]string{s.Last.Version, s.Last.Rollout}, version):
		r.Rollout, r.CanaryVersion, r.Reason = s.Last.Rollout, s.Last.Version, s.Last.Reason
		r.Verdict = "rolled_back"
		if promoted(s) {
			r.Verdict = "promoted"
		}
		return r
	default:
		r.Reason = control.Printable(version) + " is not on trial"
		return r
	}
	r.Rollout, r.CanaryVersion, r.Weight = a.ID, a.Canary.Name, a.Weight.Fraction()
	if !s.Phase.Split() {
		r.Verdict, r.Reason = "loading", "the canary is still loading"
		return r
	}
	m := &health.Monitor
	r.Verdict, r.Reason, r.Alert = health.MonitorVerdict, health.MonitorFinding, health.AlertTriggered
	if health.AlertSource == "monitor" || health.AlertSource == "both" {
		r.Verdict = rollout.Fail.String() // an alarm stays
	}
	r.LogE, r.LogThreshold, r.Stable, r.Canary = m.LogE, m.LogThreshold, health.Samples.Stable, health.Samples.Canary
	if m.RatioLower != m.RatioUpper {
		r.Slowdown, r.Lower, r.Upper = m.Ratio-1, m.RatioLower-1, m.RatioUpper-1
	}
	if m.SmallestSlowdown != nil {
		r.MDE = *m.SmallestSlowdown
	}
	if m.ExpectedSeconds != nil {
		r.ETASeconds = *m.ExpectedSeconds
	}
	r.ElapsedS, r.RemainingS = health.ElapsedS, health.RemainingS
	return r
}

// promoted tells how the latest rollout has ended.
func promoted(s *rollout.State) bool {
	held := slices.ContainsFunc(s.Past, func(p rollout.Past) bool { return p.Rollout == s.Last.Rollout })
	return s.Last.Event == rollout.Promote || s.Last.Event == rollout.PeriodOver && !held
}

// gate is a question that a ruling answers.
type gate struct {
	name, summary string
	open          func(*ruling) bool
}

var gates = []gate{
	{"advance", "May the canary get more requests?", func(r *ruling) bool {
		return r.Verdict == "pass" || r.Verdict == "promoted" || r.Verdict == "insufficient" && !r.Alert
	}},
	{"promote", "Is the canary shown to be good?", func(r *ruling) bool {
		return r.Verdict == "pass" && !r.Alert || r.Verdict == "promoted"
	}},
	{"rollback", "Must the canary go?", func(r *ruling) bool {
		return r.Verdict == "fail" || r.Verdict == "rolled_back"
	}},
}

// hook is what Flagger sends. Nothing of it decides but what metadata names.
type hook struct {
	_ struct{} `additionalProperties:"true" json:"-"`

	Name      string            `json:"name,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Phase     string            `json:"phase,omitempty" example:"Progressing"`
	Checksum  string            `json:"checksum,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty" doc:"May name the model and the version."`
}

// UnmarshalJSON takes what later Flaggers may send, too.
func (h *hook) UnmarshalJSON(data []byte) error {
	type known hook
	return json.Unmarshal(data, (*known)(h))
}

// word is a gate's answer: a status, and a sentence for people.
type word struct {
	Status      int
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func say(status int, sentence string) *word {
	return &word{status, "text/plain; charset=utf-8", []byte(strings.Join(strings.Fields(sentence), " ") + "\n")}
}

// registerGates puts them beside the admin calls, and by the model's name.
func registerGates(api huma.API, here *roll) {
	op := get("verdict", "Read the verdict", "The monitor's verdict in one flat object, for tools that ask again and again. It is not counted as a look.")
	op.Path, op.Tags = "/gate/verdict", []string{"gates"}
	each(api, here, op, func(h *handlers, _ context.Context, in *struct {
		Version string `query:"version" maxLength:"200" example:"model_v2" doc:"The canary's name or SHA-256, or the rollout's id. Without it the question is about the rollout in progress."`
	}) (*reply[ruling], error) {
		return &reply[ruling]{h.rule(in.Version)}, nil
	})
	for _, g := range gates {
		op := post(g.name, g.summary, "200 for yes, 409 for not now, with a line why. For Flagger's webhooks; it decides nothing and is not counted as a look.")
		op.OperationID, op.Path, op.Tags, op.Errors = "gate-"+g.name, "/gate/"+g.name, []string{"gates"}, []int{http.StatusConflict}
		ask := func(ctx context.Context, in *struct {
			Version string `query:"version" maxLength:"200" doc:"As of /gate/verdict; may also be in the metadata."`
			Body    *hook
		}) (*word, error) {
			name, _ := ctx.Value(named{}).(string)
			if in.Body == nil {
				in.Body = &hook{}
			}
			return here.ask(ctx, &g, [2]string{name, in.Body.Metadata["model"]}, [2]string{in.Version, in.Body.Metadata["version"]}), nil
		}
		huma.Register(api, op, ask)
		huma.Register(api, ofModel(op), ask)
		for _, path := range []string{op.Path, byName(op.Path)} {
			for _, response := range api.OpenAPI().Paths[path].Post.Responses {
				response.Content["text/plain"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: "A line: the verdict, and why."}}
			}
		}
	}
}

// describeJudge adds what another room answers, in words that are not serin's, to
// the description.
func describeJudge(api huma.API) {
	object := func(description string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Description: description}}}
	}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "judge", Method: http.MethodPost, Path: "/judge", Summary: "Judge for Kayenta", Tags: []string{"gates"},
		Description: "A remote judge for Spinnaker's Kayenta: two series of measurements for each metric in, classifications and a score out. It has nothing to do with the models here.",
		RequestBody: &huma.RequestBody{Required: true, Content: object("Kayenta's canaryConfig, scoreThresholds and metricSetPairList.")},
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: object("Kayenta's judgeName, results, groupScores and score.")},
			"default": {Description: "Error", Content: map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}},
		},
	})
}

// ask opens a gate or leaves it shut. Model and version are as the address names
// them and as the metadata does.
func (r *roll) ask(ctx context.Context, g *gate, model, version [2]string) *word {
	for _, both := range [][2]string{model, version} {
		if both[0] != "" && both[1] != "" && both[0] != both[1] {
			return say(http.StatusBadRequest, fmt.Sprintf("the address names %s and the metadata %s; name one", control.Printable(both[0]), control.Printable(both[1])))
		}
	}
	of, problem := r.find(ctx, cmp.Or(model[0], model[1]))
	if problem != nil {
		return say(problem.Status, problem.Detail)
	}
	ruling := of.rule(cmp.Or(version[0], version[1]))
	status := http.StatusConflict
	if g.open(&ruling) {
		status = http.StatusOK
	}
	return say(status, strings.ReplaceAll(ruling.Verdict, "_", " ")+": "+ruling.Reason)
}
