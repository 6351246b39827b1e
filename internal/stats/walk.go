package stats

import "math"

// walk is the random walk behind the two-sample Kolmogorov-Smirnov test: going
// through the pooled values upwards, it steps in i at a value of sample 1 and in
// j at one of sample 2, from (0, 0) to (n1, n2), all such ways equally likely.
// Its height i n2 - j n1 is n1 n2 (F1 - F2) at that value. Read backwards, a way
// that rises is one that falls, so one law serves both directions, and for the
// loops n1 is the larger size.
type walk struct{ n1, n2 int }

func newWalk(n1, n2 int) walk { return walk{max(n1, n2), min(n1, n2)} }

// affordable says whether the exact p-values take well under a second.
func (w walk) affordable() bool {
	few := float64(w.n2)
	return float64(w.n1)*math.Min(few, 12*math.Sqrt(few)) <= 5e7
}

// scale is the height at which z = d sqrt(n1 n2/(n1+n2)) is 1.
func (w walk) scale() float64 {
	n1, n2 := float64(w.n1), float64(w.n2)
	return math.Sqrt(n1 * n2 * (n1 + n2))
}

// The z up to which a p-value is added up over the whole band, and the z that no
// walk reaches that matters: exp(-2 z²) is 2e-8 and 5e-27. Beyond the first one
// both sides of the band together are less than 1e-23 of either.
const (
	bandUpTo = 3
	cutAt    = 5.5
)

// atLeast is P(max height >= height).
func (w walk) atLeast(height int) PValue {
	switch {
	case height <= 0:
		return PValue{P: 1}
	case float64(height) > bandUpTo*w.scale():
		return fromLog(w.logBeyond(height))
	}
	return fromP(w.band(height, int(cutAt*w.scale())+1, 0))
}

// atLeastAbs is P(max |height| >= height).
func (w walk) atLeastAbs(height int) PValue {
	switch {
	case height <= 0:
		return PValue{P: 1}
	case float64(height) > bandUpTo*w.scale():
		return fromLog(math.Ln2 + w.logBeyond(height))
	}
	return fromP(w.band(height, height, 1))
}

// band is the chance to reach a height of up, or of -down if below is 1, while
// below 0 forgets the walks that come there. Of the walks that pass (i, j),
//
//	q(i, j) = i/(i+j) q(i-1, j) + j/(i+j) q(i, j-1)
//
// have done so before, and all that pass a point outside of the band. Nothing
// cancels (T. Viehmann, arXiv 2102.08037, 2021).
func (w walk) band(up, down int, below float64) float64 {
	q := make([]float64, w.n2+1) // q(i-1, j), then q(i, j)
	for j := range q {
		if j*w.n1 >= down {
			q[j] = below
		}
	}
	for i := 1; i <= w.n1; i++ {
		lo := w.lowest(i, up)
		hi := min(w.n2, (i*w.n2+down-1)/w.n1) // the last j above -down
		left := 1.                            // q(i, lo-1)
		for j := lo; j <= hi; j++ {
			x, y := float64(i), float64(j)
			left = (x*q[j] + y*left) / (x + y)
			q[j] = left
		}
	}
	return q[w.n2]
}

// lowest is the first j at which the height is below up.
func (w walk) lowest(i, up int) int {
	if i*w.n2 < up {
		return 0
	}
	return (i*w.n2-up)/w.n1 + 1
}

// logBeyond is ln P(max height >= height), as a sum over the steps in i that
// reach it first:
//
//	P = Sum b(i, j) P(the walk passes (i, j)) (n1-i)/(n1+n2-i-j)
//
// where b = 1 - q is the chance to have come to (i, j) without that. The second
// factor is hypergeometric, that of a 2x2 table, and the only one that is ever
// tiny: as a logarithm it makes ln P right however small P is. Far below the
// height b is 1 to the last digit, and needs no step.
func (w walk) logBeyond(height int) float64 {
	b := make([]float64, w.n2+1)
	for j := range b {
		b[j] = 1
	}
	log, ones := math.Inf(-1), 0 // from ones on, b(i, j) is 1
	for i := range w.n1 {
		lo, next := w.lowest(i, height), w.lowest(i+1, height)
		if i > 0 {
			left := 0.
			for j := lo; j <= w.n2; j++ {
				x, y := float64(i), float64(j)
				left = (x*b[j] + y*left) / (x + y)
				b[j] = left
				if left == 1 && j >= ones {
					ones = j
					break
				}
			}
		}
		if next > lo { // by at most 1, since n2 <= n1: a step in i from lo reaches the height
			passes := table{float64(i), float64(w.n1 - i), float64(lo), float64(w.n2 - lo)}
			log = logSum(log, math.Log(b[lo])+passes.log()+math.Log(passes.b/(passes.b+passes.d)))
		}
	}
	return log
}

// limitAtLeast and limitAtLeastAbs are what atLeast and atLeastAbs tend to.
func (w walk) limitAtLeast(height int) PValue {
	if height <= 0 {
		return PValue{P: 1}
	}
	z := w.corrected(height)
	return fromLog(-2 * z * z)
}

func (w walk) limitAtLeastAbs(height int) PValue {
	if height <= 0 {
		return PValue{P: 1}
	}
	return limit(w.corrected(height))
}

// corrected is z with Hodges' correction for finite sizes, which brings the
// limit an order of magnitude nearer, taken for the sizes' greatest common
// divisor g: heights are multiples of it, so P(height >= h) is that of half a
// step less. For equal sizes, the two cancel.
func (w walk) corrected(height int) float64 {
	g, rest := w.n1, w.n2
	for rest != 0 {
		g, rest = rest, g%rest
	}
	return (float64(height) + (float64(w.n1)+2*float64(w.n2)-3*float64(g))/6) / w.scale()
}

// limit is Kolmogorov's law of the largest distance of a Brownian bridge from 0,
//
//	2 Sum_{k>=1} (-1)^(k-1) exp(-2 k² z²)
//	= 1 - sqrt(2 pi)/z Sum_{k>=1} exp(-(2k-1)² pi²/(8 z²))
//
// by the one that has few terms (Giorn. Ist. Ital. Attuari 4 (1933) 83-91).
func limit(z float64) PValue {
	sum := 0.
	if z < 1 {
		for k := 1.; k < 8; k += 2 {
			sum += math.Exp(-k * k * math.Pi * math.Pi / (8 * z * z))
		}
		if sum == 0 {
			return PValue{P: 1}
		}
		return without(math.Sqrt(2*math.Pi) / z * sum)
	}
	for k, sign := 1., 1.; k < 6; k, sign = k+1, -sign {
		sum += sign * math.Exp(-2*(k*k-1)*z*z)
	}
	return fromLog(math.Ln2 - 2*z*z + math.Log(sum))
}
