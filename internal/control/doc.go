// Package control is the pilot: the only loop, and the only one who moves a
// rollout.
//
//	commands (HTTP) --+
//	file stored ------+--> one goroutine, one event at a time
//	canary loaded ----+        |
//	each second ------+        +-- gauges -> record.Trail -> evidence
//	                           +-- judge: both rules
//	                           +-- rollout.Next(state, event, now)
//	                           +-- Store.Commit: durable
//	                           +-- effects: Engines.Load aside, Engines.Serve
//	                           +-- answer
//
// Commit, then act: nothing is routed, loaded or answered before the state
// that says so is durable, and what is routed is always compiled from committed
// state, also after a restart. So there is one truth, and a crash between a
// commit and its effects is repaired by starting: Boot carries the effects out
// again.
//
// Slow work (reading a file, parsing a model) runs aside and comes back as an
// event, so a rollback never waits behind it.
//
// What may not happen: an acknowledged command that a crash forgets; an event
// that is half applied; a prediction that waits for this loop or for the
// store; an automatic decision from a repeated look at Welch's test.
//
// When the store fails, commands are answered with StoreDown and the state
// stays as it is, in memory and on the routes; the loop goes on and the next
// command tries again. A commit whose outcome is not known is looked up before
// the next event: if it is there it has happened, and until that is known
// nothing is committed. That a canary is loaded is tried again at each tick.
//
// # Several replicas, one truth
//
// Replicas that share a store each run this loop, and none is in charge: a
// decision names the generation that it was made from, the store accepts each
// generation once, and who was slower reads what was decided and decides again.
//
//	each second   Fleet: Beat -- what this replica has counted, and that it lives
//	                     <----- generations, and who leads
//	              Pilot: another generation? read it, serve it
//	                     leader? add up what all have counted -> Trail -> judge
//
// What a replica has counted are rows that only grow, a row for each planned
// share, so one that is lost or told twice does no harm, and those of a replica
// that died stay. The leader spares the others work and decides nothing alone: it
// holds nothing but the evidence that it saves each second, so another one goes on
// from there. Time without a leader is not observed.
//
// A canary is loaded by the replica that was asked to deploy it, and by the others
// once it is live; until then, and where it cannot be loaded, a replica serves
// stable only and counts nothing. So does one that has not heard the store for too
// long, since the canary may have been rolled back. A store that shows less than
// was known to be there is not believed: everybody goes on as before and nothing
// is decided.
//
// Terms: observed time is time in which this process served the split, by the
// monotonic clock. It is what the period is made of, and it is saved with the
// evidence each second, so a restart continues where the process was.
package control
