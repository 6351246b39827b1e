// Package anytime is the mathematics of looking again and again. A p-value is a
// promise about one look that was planned beforehand; a monitor looks every few
// seconds and acts when it first sees something, and for that it needs another
// kind of number.
//
// # E-processes
//
// An e-process is the capital of a gambler who bets against a hypothesis, such
// as "the canary is not slower", and began with 1. The bets are such that, if the
// hypothesis is true, he can expect to gain nothing at any step. Then, Ville's
// inequality (1939), his capital E ever reaches 1/alpha with probability at most
// alpha, whenever and however often somebody looks:
//
//	ln E
//	  |                                            . false hypothesis: grows with the
//	3 +- - - - - - - - - - - - - - - - - - - .-*- -  observations, and passes ln(1/alpha)
//	  |                              . .-'           = ln 20 for alpha = 0.05: an alarm
//	  |                    .  . . -'
//	0 +*--.-.--.----.-.-'--------------------------> observations
//	  |     '  '.-' ' '-. . .
//	  |                      '  '-. .- . . _ .       true hypothesis: sinks, and passes
//	  |                                              ln(1/alpha) once in 20 times, ever
//
// So E may be looked at after every request, by several people, by a loop that
// stops at the first alarm; the run may be cut short or prolonged; and a look
// costs nothing, because nothing is kept but the counts that E is a function of.
// E-processes of independent stretches of time multiply, and any E-values with
// weights that add up to 1 average (Average), into one again. What is paid for
// this is delay: about twice the observations of a test whose one look was placed
// by somebody who knew the effect.
//
//	counts of events   --Label-----> Above, Below, TwoSided --\
//	counts of buckets  --Shape-----> LogE                      \
//	counts of bins     --Drift-----> ln E                       >--Average--> ln E
//	sums of windows    --Blocks----> Z, N --\                  /
//	t, df, clock       --NormalScore-> z ----Mixture.LogE ----/
//	                                         Mixture.Boundary --> confidence sequence
//
// What may not happen here: a panic on any input; a NaN; an alarm from input that
// makes no sense, which shows nothing and gives ln E = 0 (the gambler did not
// bet); a clock, a random number, or a bet that depends on what it is placed on:
// all that is tuned (Rho, Concentration, a Shape's reference) must be fixed before
// the observations that are judged by it.
//
// Terms: alpha is the probability of a false alarm, ever. ln E is the natural
// logarithm. The two arms are called stable and canary; the share is the canary's
// part of the requests. Clock is how many independent observations an average is
// worth.
//
// This room imports no other, so that it stands beside stats at the bottom of the
// house; the few lines of special functions that both need stand in both.
package anytime
