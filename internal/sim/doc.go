// Package sim is the flight simulator: thousands of canaries in virtual time,
// through the real gauges, judge, law and split.
//
//	Scenario --Fly--> a Run of each canary --Summarise--> Report: rates, delays
//
//	a run:  install, traffic on stable alone (the baseline), deploy, loaded
//	        then, until the period is over:
//	          requests    route.Table.Pick --> a latency, an error or a score
//	                      --> record.Arm.Observe, once the request has ended
//	          each 10 s   record.Trail.Update closes a window; the weather changes
//	          each look   judge.Monitor.Opinion, of both rules, as the server asks
//	                      for it; what they find becomes an event of rollout.Next
//	        then period-over, and the law says how it ended
//
// It answers what a formula promises and only a trial shows: how often does a
// rule cry wolf when it is asked every ten seconds for an hour, how soon does it
// see a slowdown, what does it make of a cold start or of a load that rises
// while the weight does. Nothing of the product is copied here. What is invented
// is only what a production system would bring: requests, their latencies,
// errors and scores, and the weather, which is what disturbs them.
//
// What may not happen: a clock, or a random number that the seed does not
// decide. The same scenario and seed give the same runs on any number of
// workers; run number i draws from a PCG generator of its own, seeded by (seed, i).
//
// What it leaves out: requests do not queue, so a slow canary does not slow its
// own later requests; and the traffic is Poisson, without bursts other than
// those of sessions.
//
// Terms: a mark is something that a run may reach, such as an alarm of one rule;
// the first look at which it was reached is its moment. A trial is a scenario
// with limits that its report must keep; the suite is all of them.
package sim
