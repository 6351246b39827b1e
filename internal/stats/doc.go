// Package stats is the mathematics room: numbers in, tests and intervals out.
// It knows nothing of canaries as a product; the two samples that it compares
// are called 1 and 2, and by the house's habit 1 is stable and 2 is the canary,
// so that a positive statistic means "2 is higher", which for latencies is
// "the canary is slower".
//
//	two samples ---Welch, WelchValues---> t, df, p, ln p, interval
//	                                          |
//	                                     logStudentTails, studentQuantile
//	                                          |
//	a plan -------Design.Power----------> noncentralTail
//	             .SampleSize   \
//	             .SmallestEffect --------> findRoot over Power
//
//	for reports, all with ln p:
//	  values ---MannWhitney-----------> ranks: divisions counted, or a normal law
//	            Shift-----------------> that test inverted: how much higher
//	            KolmogorovSmirnov-----> walk: lattice paths, or a Brownian bridge
//	  counts ---Fisher----------------> table: hypergeometric tails
//	            Proportions-----------> z, Newcombe's interval
//	            PSI-------------------> how far, which is no test
//
// How tails are computed. A p-value is never one minus a distribution function:
// that has no digits left below 1e-16, where a busy service lives. Both tails
// here are integrals of positive terms, so nothing cancels; Student's is kept as
// a logarithm, so it does not underflow either: ln p has 13 right digits at
// p = 1e-300 and at p = exp(-1e11) alike. Discrete laws are summed from the
// observed value outwards, for the same reason.
//
//   - Student's t: the substitution w = sqrt(nu ln(1 + t²/nu)) turns the density
//     into a Gaussian times sqrt(s/(1-exp(-s))), s = w²/nu, a factor so smooth
//     that one fixed Gauss-Legendre rule serves every t and every nu >= 1.
//   - noncentral t: the mean of Phi(delta - t R) over R = sqrt(chi²/nu), whose
//     integrand in ln R is log-concave: one peak, found first, then integrated
//     outwards from it.
//
// What may not happen here: a panic on any input, a NaN or an infinity in a
// result, a p-value of the wrong direction. Input that has no answer is an error
// that says which number is wrong.
//
// Terms: variance is the sample variance with divisor n-1. Effect is the
// difference of means in standard deviations (Cohen's d). Greater always means
// that 2 is higher than 1, and less that it is lower, but for Fisher's table,
// where both are about its first cell.
package stats
