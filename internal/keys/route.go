package keys

import "strings"

// Right is what a route may ask for. A role is several.
type Right uint8

const (
	// Predict is to ask for predictions, and for what a client must know to ask.
	Predict Right = 1 << iota
	// Read is to see state, evidence, metrics and pages. A look at the canary is
	// counted and changes nothing else.
	Read
	// Release is to deploy, weigh, promote, roll back and drill.
	Release
	// Manage is to load and unload models.
	Manage
)

// anyRight is held by whoever has a key at all.
const anyRight = Predict | Read | Release | Manage

// roles are what a key may be given, one or several.
var roles = map[string]Right{
	"predictor": Predict,
	"viewer":    Read,
	"deployer":  Read | Release,
	"admin":     anyRight,
}

// subject is whose model a route is about.
type subject uint8

const (
	none     subject = iota // nobody's: it shows and does nothing with a model
	all                     // every model's, so the key's scope must be every model
	standard                // the default model's
	named                   // that of the name in the path, or in the message
	some                    // the handler leaves out what Covers says no to
)

// Rule is what a route asks of a key.
type Rule struct {
	need Right // any one of these; 0 is open to everybody
	of   subject
}

// Open tells whether the route is open to everybody.
func (r Rule) Open() bool { return r.need == 0 }

// Named tells whether the route is about the model that a request names.
func (r Rule) Named() bool { return r.of == named }

// Serves tells whether a right is among those that the rule is content with. What
// is open to everybody serves every right.
func (r Rule) Serves(right Right) bool { return r.need == 0 || r.need&right != 0 }

// HTTPRule is the rule of a pattern of net/http's mux, as it was registered. A
// pattern that the table does not have must not be served.
func HTTPRule(pattern string) (Rule, bool) {
	r, known := httpRules[pattern]
	return r, known
}

// RPCRule is the rule of a gRPC method by its full name, like /package.Service/Method.
func RPCRule(method string) (Rule, bool) {
	r, known := rpcRules[method]
	return r, known
}

type row struct {
	need   Right
	of     subject
	routes string // one a line
}

func compiled(table []row) map[string]Rule {
	rules := map[string]Rule{}
	byPath := map[string][]Rule{}
	for _, row := range table {
		for route := range strings.Lines(strings.TrimSpace(row.routes)) {
			route = strings.TrimSpace(route)
			rules[route] = Rule{row.need, row.of}
			if _, path, ok := strings.Cut(route, " "); ok {
				byPath[path] = append(byPath[path], rules[route])
			}
		}
	}
	for path, of := range byPath {
		if _, own := rules[path]; !own && len(of) == 1 { // where several methods have rules, nobody can say which is meant
			rules[path] = of[0]
		}
	}
	return rules
}

// THE TABLE. A route without a row does not exist. A pattern that has no method
// and no row is its path's by another method, and has the rule of that one.
var httpRules = compiled([]row{
	{0, none, `
		GET /healthz
		GET /readyz
		GET /v2/health/live
		GET /v2/health/ready
		GET /ping
		GET /health
		GET /login
		POST /login
		POST /logout`},

	{Predict, standard, `
		POST /predict
		POST /invocations`},
	{Predict, named, `
		POST /models/{model}/predict
		POST /models/{model}/invocations
		POST /v1/models/{model}
		POST /v1/models/{model}/versions/{version}
		POST /v1/models/{model}/labels/{label}
		POST /v2/models/{model}/infer
		POST /v2/models/{model}/versions/{version}/infer`},

	{Predict | Read, none, `
		GET /version
		GET /v2`},
	{Predict | Read, standard, `
		GET /signature`},
	{Predict | Read, named, `
		GET /models/{model}/signature
		GET /v1/models/{model}
		GET /v1/models/{model}/versions/{version}
		GET /v1/models/{model}/labels/{label}
		GET /v2/models/{model}
		GET /v2/models/{model}/ready
		GET /v2/models/{model}/versions/{version}
		GET /v2/models/{model}/versions/{version}/ready`},
	{Predict | Read, all, `
		GET /v1/models
		POST /v2/repository/index`},

	{Read, none, `
		GET /{$}
		GET /assets/
		GET /storybook.html
		GET /openapi.json
		GET /docs
		GET /docs/
		POST /judge`},
	{Read, all, `
		GET /metrics
		GET /admin/replicas
		GET /admin/webhooks`},
	{Read, some, `
		GET /admin/models`},
	{Read, standard, `
		GET /admin/state
		GET /admin/check-canary-health
		GET /admin/rollouts
		GET /admin/rollouts/{rollout}/cases
		GET /gate/verdict`},
	{Read, named, `
		GET /admin/models/{model}/state
		GET /admin/models/{model}/check-canary-health
		GET /admin/models/{model}/rollouts
		GET /admin/models/{model}/rollouts/{rollout}/cases
		GET /admin/models/{model}/live
		GET /models/{model}/gate/verdict`},
	// A live stream has a list of all models, and a question of Flagger's may name
	// a model in its body.
	{Read, some, `
		GET /admin/live
		POST /gate/advance
		POST /gate/promote
		POST /gate/rollback`},
	{Read, named, `
		POST /models/{model}/gate/advance
		POST /models/{model}/gate/promote
		POST /models/{model}/gate/rollback`},

	{Release, standard, `
		POST /admin/deploy-canary
		POST /admin/rollback-canary
		POST /admin/promote-canary
		POST /admin/canary-weight
		POST /admin/toggle-slowdown`},
	{Release, named, `
		POST /admin/models/{model}/deploy-canary
		POST /admin/models/{model}/rollback-canary
		POST /admin/models/{model}/promote-canary
		POST /admin/models/{model}/canary-weight
		POST /admin/models/{model}/toggle-slowdown`},

	{Manage, all, `
		POST /admin/webhooks/{name}/replay`},
	{Manage, named, `
		POST /v2/repository/models/{model}/load
		POST /v2/repository/models/{model}/unload`},

	{anyRight, none, `
		POST /login/link`},

	// What is not there is not there for those who have a key; others are not told.
	{anyRight, none, `
		/
		/v1/
		/v2/
		/admin/
		/gate/`},
	{anyRight, named, `
		/models/{model}/gate/`},
})

// The methods of gRPC, where a message has the model's name.
var rpcRules = compiled([]row{
	{0, none, `
		/grpc.health.v1.Health/Check
		/grpc.health.v1.Health/List
		/grpc.health.v1.Health/Watch
		/inference.GRPCInferenceService/ServerLive
		/inference.GRPCInferenceService/ServerReady`},
	{Predict, named, `
		/inference.GRPCInferenceService/ModelInfer`},
	{Predict | Read, named, `
		/inference.GRPCInferenceService/ModelReady
		/inference.GRPCInferenceService/ModelMetadata`},
	{Predict | Read, none, `
		/inference.GRPCInferenceService/ServerMetadata
		/grpc.reflection.v1.ServerReflection/ServerReflectionInfo
		/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo`},
	{Predict | Read, all, `
		/inference.GRPCInferenceService/RepositoryIndex`},
	{Manage, named, `
		/inference.GRPCInferenceService/RepositoryModelLoad
		/inference.GRPCInferenceService/RepositoryModelUnload`},
})
