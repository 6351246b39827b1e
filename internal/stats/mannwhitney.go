package stats

import (
	"errors"
	"math"
)

// MannWhitneyTest is the answer of the Mann-Whitney U test. Every field is
// finite.
type MannWhitneyTest struct {
	// U1 counts the pairs of a value of sample 1 and one of sample 2 in which that
	// of 1 is higher, U2 those in which that of 2 is; a tie counts as half of each.
	// U1 + U2 = n1 n2, and SciPy's mannwhitneyu(one, two) answers with U1.
	U1, U2 float64
	// Higher is U2/(n1 n2), the estimate of P(a value of 2 is above one of 1) plus
	// half of P(they are equal): 1/2 without an effect.
	Higher float64
	// Method is Exact or Asymptotic, whichever was used.
	Method Method
	// TwoSided is twice the smaller of Greater, the p-value against "2 tends to be
	// higher", and Less, that against "2 tends to be lower". SciPy's alternative is
	// about its first sample: greater here is what it calls less for (one, two).
	TwoSided, Greater, Less PValue
}

// MannWhitney tests whether the values of one sample tend to be higher than
// those of the other: Wilcoxon's rank sum test. One-sided p-values are
// P(U2 >= u) and P(U2 <= u) under the null hypothesis that all ways to divide
// the values between the samples are equally likely.
//
// Exact is that distribution itself, with the ties as they are (then it is
// conditional on them; SciPy has it only by enumeration, PermutationMethod).
// Asymptotic is the normal law with its variance corrected for ties and 1/2 for
// continuity, as SciPy's method="asymptotic":
//
//	z = (u - n1 n2/2 - 1/2)/s,   s² = n1 n2/12 (n + 1 - Sum(t³ - t)/(n(n-1)))
//
// n = n1 + n2, t the number of times that each value occurs. If all values are
// the same there is no evidence: every p-value is 1. Auto is exact up to 500
// values a sample, with ties 100, and beyond that where one sample is smaller.
//
// Assumes independent values; valid for one look. An error tells which sample
// is empty or which value is not finite, and refuses Exact for larger samples.
// Source: H. B. Mann and D. R. Whitney, Ann. Math. Statist. 18 (1947) 50-60.
func MannWhitney(one, two []float64, method Method) (MannWhitneyTest, error) {
	one, err1 := sorted("sample 1", one)
	two, err2 := sorted("sample 2", two)
	if err := errors.Join(err1, err2); err != nil {
		return MannWhitneyTest{}, err
	}
	r := ranks{n1: len(one), n2: len(two)}
	for t := range pooled(one, two) {
		r.add(t)
	}
	n1, n2 := float64(r.n1), float64(r.n2)
	answer := MannWhitneyTest{U2: r.twiceU / 2, Higher: r.twiceU / (2 * n1 * n2)}
	answer.U1 = n1*n2 - answer.U2
	var err error
	if answer.Method, err = method.choose(r.affordable(), r.n1, r.n2); err != nil {
		return MannWhitneyTest{}, err
	}
	switch {
	case answer.Method == Asymptotic:
		answer.Greater, answer.Less = r.normal()
	case !r.ties:
		answer.Greater, answer.Less = r.untied()
	case r.n2 <= r.n1:
		answer.Greater, answer.Less = r.tied(pooled(one, two))
	default: // the counting is over the smaller sample, so exchange the two
		swapped := ranks{n1: r.n2, n2: r.n1, twiceU: 2 * answer.U1}
		answer.Less, answer.Greater = swapped.tied(pooled(two, one))
	}
	answer.TwoSided = twice(answer.Greater, answer.Less)
	return answer, nil
}

// ranks is what the test needs of the pooled values. Whole numbers, all below
// 2^53 where samples fit in memory.
type ranks struct {
	n1, n2 int
	seen   int     // values of sample 1 so far
	twiceU float64 // 2 U2
	ties   bool
	spread float64 // n³ - n - Sum(t³ - t), as Sum(t (n-t) (n+t)), where nothing cancels
}

func (r *ranks) add(v tie) {
	r.twiceU += float64(v.n2) * float64(2*r.seen+v.n1)
	r.seen += v.n1
	n, t := float64(r.n1+r.n2), float64(v.n1+v.n2)
	r.ties = r.ties || t > 1
	r.spread += t * (n - t) * (n + t)
}

// affordable says whether the exact distribution takes well under a second, and
// whether its smallest probability is a normal number.
func (r *ranks) affordable() bool {
	few, many := float64(min(r.n1, r.n2)), float64(max(r.n1, r.n2))
	steps := few * few * many / 2
	if r.ties {
		steps = (few + many) * few * few * many / 2
	}
	return steps <= 1e8 && logChoose(few+many, few) < 700
}

// logChoose is ln of n choose k.
func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

func (r *ranks) normal() (greater, less PValue) {
	n1, n2 := float64(r.n1), float64(r.n2)
	n := n1 + n2
	if r.spread == 0 { // all values are the same
		return PValue{P: 1}, PValue{P: 1}
	}
	excess, sd := (r.twiceU-n1*n2)/2, math.Sqrt(n1*n2/12*r.spread/(n*(n-1)))
	return fromLog(logPhi((0.5 - excess) / sd)), fromLog(logPhi((0.5 + excess) / sd))
}

// untied counts the divisions with each U by their generating function, the
// Gaussian binomial coefficient, with k values in the smaller sample, m in the other:
//
//	Sum_u count(u) q^u = Product_{i=1..k} (1 - q^(m+i))/(1 - q^i)
//
// Factor by factor, each product so far is again such a coefficient, with counts
// that rise up to the middle; as only the half below is kept, sums and
// differences lose nothing, and below 2^53 all counts are exact.
func (r *ranks) untied() (greater, less PValue) {
	k, m := min(r.n1, r.n2), max(r.n1, r.n2)
	u := int(r.twiceU) / 2
	near := min(u, k*m-u) // the distribution is symmetric
	count := make([]float64, near+1)
	count[0] = 1
	total := 1.
	for i := 1; i <= k; i++ {
		for v := near; v >= m+i; v-- {
			count[v] -= count[v-m-i]
		}
		for v := i; v <= near; v++ {
			count[v] += count[v-i]
		}
		total *= float64(m+i) / float64(i)
	}
	sum := 0.
	for _, c := range count {
		sum += c
	}
	tail, rest := fromP(sum/total), without((sum-count[near])/total)
	if u == near {
		return rest, tail
	}
	return tail, rest
}

// tied counts the divisions by 2U value by value: a value that occurs t times,
// of which j go to sample 2, with c in sample 2 and b in sample 1 below, has
// t over j ways and adds j (2b + t - j).
func (r *ranks) tied(values func(func(tie) bool)) (greater, less PValue) {
	k := r.n2
	counts := make([][]float64, k+1) // by the number of values in sample 2, then by 2U
	for c := range counts {
		counts[c] = make([]float64, 2*c*r.n1+1)
	}
	counts[0][0] = 1
	below := 0
	for v := range values {
		t := v.n1 + v.n2
		for c := min(k, below+t); c > 0; c-- { // downwards, so that c-j is still as it was
			ways := 1.
			for j := 1; j <= min(t, c); j++ {
				ways *= float64(t-j+1) / float64(j)
				b := below - (c - j)
				if b < 0 || b > r.n1 || b+t-j > r.n1 {
					continue
				}
				from, to := counts[c-j], counts[c][j*(2*b+t-j):]
				for u := range 2*(c-j)*b + 1 {
					to[u] += ways * from[u]
				}
			}
		}
		below += t
	}
	var total, up, down float64
	for u, c := range counts[k] {
		total += c
		if float64(u) >= r.twiceU {
			up += c
		}
		if float64(u) <= r.twiceU {
			down += c
		}
	}
	return fromP(up / total), fromP(down / total)
}
