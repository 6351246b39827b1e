// Package notify is the herald: it tells web hooks what was committed.
//
//	journal (committed) --> hook "ops"   one goroutine: read, encode, sign, post, remember
//	                   \--> hook "team"  another: neither waits for the other
//
// # Model
//
// The journal is the outbox. A hook has a position in it, the number of the last
// event that it is done with, which is kept durably in its memo. So an event is
// told if and only if it was committed, also if the process was killed between the
// commit and the telling: the next start goes on after the position. What it may
// not know is whether the last event arrived, so that one may be told again, under
// the same id. Receivers drop an id that they know.
//
// Events are told in the order of the journal, one at a time. One that does not
// arrive is tried again, ever more slowly; after some tries it is a dead letter, and
// the hook goes on. A dead letter is told again when somebody asks for it: what it
// says is still in the journal.
//
//	2xx             the event has arrived
//	408, 425, 429,  it is tried again, up to 20 times over two hours; not before
//	5xx, no answer  the time that Retry-After asks for
//	anything else   the receiver does not want it: a dead letter after 3 tries
//
// A hook that is configured for the first time begins at the end of the journal; one
// that was away is told what it has missed.
//
// Of several processes that share a journal one tells, the one whose turn it is. Memos
// are shared, too, so another goes on where it has stopped.
//
// # What may not happen
//
// A decision, or a start, that waits for a hook. A hook that waits for another. An event that is
// told before it is durable, or under two ids. A redirect that is followed, an answer
// that is read without bound, or an address with its secrets in a log.
//
// Terms: a hook is an address and how it is spoken to; a memo is what is durably
// known of a hook; a letter is an event that was given up; to tell is to post until
// it has arrived or is given up.
package notify
