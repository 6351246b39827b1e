// Package trace is the thread: which request something was done for, and where in
// the traces of others that request belongs.
//
//	X-Request-Id, traceparent ──> Tracer.Serve or Unary ──> context ──> log lines (Logs)
//	        |                          |                        └─────> spans of decisions, loads
//	        └── echoed, or made ──> answer, problem's request_id
//
// A request has an id: its client's, if it is short and plain, else one of ours. All
// answers have it but those of predictions whose client sent none: making one up for
// each would cost more than it tells, and a refused prediction gets one.
//
// A trace is others' business, switched on by OpenTelemetry's own variables. Without
// them Open returns nil, and a nil Tracer is one comparison for each request. With
// them each request is decided on before anything is made of it: one that is not
// sampled costs a look at its headers and a random number, and allocates nothing;
// one that is sampled is carried by a Span, which nobody but its request writes to.
//
// What may not happen here: a request that waits for a collector, or fails with it;
// what a client sends in a log line or a header, unless it is plain; a span for a
// request that was not sampled.
//
// Terms: sampled is a request of which a span is recorded, by the word of its parent,
// or by the sampler where it has none. A traceparent names trace, parent and whether
// that was sampled, as the W3C has it.
package trace
