// Package load is the wind: it puts requests on a server from outside, as
// clients do, and tells how long they took and which arm answered.
//
//	Target: rows -> requests of a protocol ── Dial
//	                                           │
//	Plan ── open loop: a timetable ──┐    connection ── Call ── Call ...
//	     └─ closed loop: no timetable┴──> connection ── ...      │
//	                                      connection ── ...      v
//	                              Report <── merged histograms, by arm
//
// In an open loop requests are due at fixed times, whether or not the server
// keeps up, as they are in the world: customers do not wait for each other. A
// latency is counted from when its request was due, not from when a connection
// was free to send it; a server that stands still for a second is charged for
// every request of that second, and not for the one that happened to be under
// way (coordinated omission, as Gil Tene named it). Report.Waited says how much
// of it was waiting for a connection.
//
// In a closed loop each connection sends its next request when the last one is
// answered: it finds how much a server can do, and its latencies say little.
//
// Every connection has one request under way at a time, in HTTP/2 and gRPC, too:
// so the number of connections means the same everywhere.
//
// What may not happen here: a run without an end (Plan.Duration and
// Plan.Requests bound it, Plan.Timeout bounds each request), memory that grows
// with the number of requests, or a number that hides errors: they are counted
// by what was answered, and never in a latency.
//
// Terms: the rate is requests per second over all connections. An arm is what
// the server says answered: stable or canary. The timetable is the time of each
// request, counted from the beginning.
package load
