// Package api is the side door: control over HTTP. Wire types, handlers, the
// table of errors and the Go client live together, because they change
// together.
//
//	serin deploy --Client--> POST /admin/deploy-canary --guard--> handler --> control.Pilot.Do
//	curl         --------->                                          |
//	                         errors.go: code -> HTTP status, exit code
//
// The paths, names and bodies are those of the system that serin's first user
// asked for; whatever was added since is optional in requests and additional in
// answers. The handlers are described to huma by their own types, which is
// where /openapi.json comes from.
//
// What may not happen: an answer before the change is durable and in force; an
// unknown or doubled field that is silently ignored; an error without a code, a
// sentence about what is wrong, and one about what to do; a browser page of
// somebody else that reaches a command (guard.go).
package api
