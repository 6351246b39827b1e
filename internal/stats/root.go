package stats

import "math"

// findRoot returns the x between lo and hi where the rising function f crosses
// zero, f(lo) <= 0 <= f(hi), to nearly the last digit: false position with the
// correction of Anderson and Bjorck (BIT 13, 1973), and a halving whenever three
// steps have not halved the bracket.
func findRoot(f func(float64) float64, lo, hi float64) float64 {
	flo, fhi := f(lo), f(hi)
	last, steps := hi-lo, 0
	side := 0 // the end that the last step moved
	for range 200 {
		if flo == 0 || fhi == 0 || hi-lo <= 4e-16*math.Abs(hi) {
			break
		}
		x := hi - fhi*(hi-lo)/(fhi-flo)
		if steps == 3 {
			x = lo + (hi-lo)/2
			last, steps, side = (hi-lo)/2, -1, 0
		}
		if !(x > lo && x < hi) {
			break
		}
		fx := f(x)
		if fx < 0 {
			if side < 0 {
				fhi *= weight(fx, flo)
			}
			lo, flo, side = x, fx, -1
		} else {
			if side > 0 {
				flo *= weight(fx, fhi)
			}
			hi, fhi, side = x, fx, 1
		}
		if steps++; hi-lo <= last/2 {
			last, steps = hi-lo, 0
		}
	}
	if -flo < fhi {
		return lo
	}
	return hi
}

// weight shrinks the value at the end that stayed twice, so that it moves too.
func weight(now, before float64) float64 {
	if m := 1 - now/before; m > 0 {
		return m
	}
	return 0.5
}
