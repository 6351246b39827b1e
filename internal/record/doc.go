// Package record is the gauges: what was observed of each arm, as state whose
// size does not depend on the traffic and that is merged by addition.
//
//	request --Observe--> Gauge (one per arm; a lane per processor)
//	                       |
//	                       +--Snapshot--> Arm --Add--> Arm of all lanes, restarts, replicas
//	                                       |
//	                                       +--> Moments, Quantile, bytes for the store
//
// Latencies are whole nanoseconds, so every sum is an exact integer: the count,
// the sum, the sum of squares in 128 bits, and one counter per bucket. Adding
// exact integers is associative and commutative, which floating-point moments
// are not: however the observations were spread over processors, restarts and
// replicas, and in whatever order the parts are added, mean and variance come
// out the same to the last bit. (docs/decisions/0002 has the reasoning.)
//
// What may not happen: no list of latencies; no lock that all requests share;
// no allocation in Observe; nothing decoded from bytes is believed before it
// was checked against itself.
//
// Terms: an observation is one finished prediction; a failure is one that gave
// no answer and therefore has no latency. Evidence is both arms of one rollout.
package record
