// Package app is the wiring: configuration in, a running server out. It is the
// one room that knows every room, and it decides nothing about rollouts.
//
//	Run: validate -> listen -> open store -> engines -> pilot.Boot -> serve
//	stop, in reverse: not ready -> deploys called off -> drain -> no new connections -> last requests
//	                  -> pilot -> store
//
// What may not happen: a start that half succeeds (everything that was begun is
// ended again, and one error says why); a stop that fails a request which was
// sent before the client could know; a listener beyond this machine without
// credentials, which serin does not have yet.
package app
