// Package record is the gauges: what was observed of each arm, as state whose
// size does not depend on the traffic and that is merged by addition.
//
//	request --Begin, Observe--> Gauge (one per arm; a lane per processor)
//	                              |
//	                              +--Snapshot--> Arm (cumulative: lanes and restarts added up)
//	                                              |
//	                    stable, canary, each second
//	                                              |
//	                                              +--Update--> Trail --> Evidence --> bytes for the store
//	                                                                        |
//	                                    stages, each with its arms, its     +--Add--> of all replicas
//	                                    reference and its windows of time
//
// All that is added up is whole numbers: latencies in ns, their logarithms in
// 2^-32, sums over windows in 2^-64, each in 128 bits, and one counter per
// bucket. Adding them is associative and commutative, which floating-point
// moments are not: however the observations were spread over processors,
// restarts and replicas, and in whatever order the parts are added, mean and
// variance come out the same to the last bit. (docs/decisions/0002 has the
// reasoning.)
//
// Evidence has stages because observations that were made under another share
// of the traffic, or are compared with another reference, must not be pooled.
// The gauges know nothing of them: they run through from the beginning of a
// rollout to its end, and a stage is the difference of two snapshots.
//
// Of a rollout on several replicas each shows what it has counted under each
// planned share, an Epoch; Follow makes the evidence out of the sums, to the same
// bits as if one process had seen it all.
//
// What may not happen: no list of latencies; no lock that all requests share;
// no allocation in Observe; nothing decoded from bytes is believed before it
// was checked against itself.
//
// Terms: an observation is one finished prediction; a failure is one that gave
// no answer and therefore has no latency; one that was abandoned was finished
// for a client that had gone. A score is the one probability of an answer whose
// distribution is watched. A window is a piece of observed time in which both
// arms were observed. Evidence is both arms of one rollout.
package record
