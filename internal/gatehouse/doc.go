// Package gatehouse is the gatehouse: at which addresses the server is asked, under
// which names, with TLS or without, and whether who comes has a key. It knows
// requests by their path and nothing of what answers them.
//
//	Listen ──> House: certificates, keys ──> KnownHost ──> Lock ──> a route's handler
//	addresses       read again when                \         \
//	                their files change              403       401, 403, 429, /login
//
// What may not happen: an address that other machines reach, without keys, or
// without TLS and nobody who says that a proxy has it; a path that is served and has
// no row in the table of keys; a call that is carried out, or logged, in the name that
// its client has given itself, where keys are asked for; an answer without an end
// that outlives the key which it was begun with.
//
// Terms: admission is what the settings say of all this, the house what it takes
// while the server runs. A corridor is a mux, each of whose paths has its lock.
package gatehouse
