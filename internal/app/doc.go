// Package app is the wiring: configuration in, a running server out. It is the
// one room that knows every room, and it decides nothing about rollouts.
//
//	Run: validate -> listen -> open store -> a line for each model: pilot.Recall -> answer -> pilot.Boot -> ready
//	stop, in reverse: not ready -> deploys called off -> drain -> no new connections -> last requests
//	                  -> pilot -> store
//
// A line (line.go) is all that one model has of its own, and the yard is what the
// lines share:
//
//	churn  front -- switch -- engines -- pilot \   one HTTP server, one gRPC server, one gate,
//	fraud  front -- switch -- engines -- pilot --  one store, one shelf of artifacts
//
// What may not happen: a start that half succeeds (everything that was begun is
// ended again, and one error says why); a stop that fails a request which was
// sent before the client could know; a listener beyond this machine without
// credentials, which serin does not have yet; anything done to one model that another
// one's requests, rollout or evidence notice.
package app
