package kernel

import "math"

// The loops without assembly. What they add, in which order and with which
// rounding, is what kernel_amd64.s does.

// fused is a*b + c, rounded once.
func fused[T Float](a, b, c T) T {
	if panel[T]() == 8 {
		return T(math.FMA(float64(a), float64(b), float64(c)))
	}
	return T(Single(float32(a), float32(b), float32(c)))
}

// plainDot keeps two panels of sums over as long blocks; what is left goes by
// halves of a panel into the first of them, and then number by number.
func plainDot[T Float](x, y []T) T {
	lane := panel[T]() / 2 // numbers in one register
	var sums [32]T
	i := 0
	for ; i+4*lane <= len(x); i += 4 * lane {
		for j := range 4 * lane {
			sums[j] = fused(x[i+j], y[i+j], sums[j])
		}
	}
	for ; i+lane <= len(x); i += lane {
		for j := range lane {
			sums[j] = fused(x[i+j], y[i+j], sums[j])
		}
	}
	sum := folded(&sums, lane)
	for ; i < len(x); i++ {
		sum = fused(x[i], y[i], sum)
	}
	return sum
}

// plainDistance adds in the order of plainDot.
func plainDistance[T Float](x, y []T) T {
	lane := panel[T]() / 2
	var sums [32]T
	i := 0
	for ; i+4*lane <= len(x); i += 4 * lane {
		for j := range 4 * lane {
			d := x[i+j] - y[i+j]
			sums[j] = fused(d, d, sums[j])
		}
	}
	for ; i+lane <= len(x); i += lane {
		for j := range lane {
			d := x[i+j] - y[i+j]
			sums[j] = fused(d, d, sums[j])
		}
	}
	sum := folded(&sums, lane)
	for ; i < len(x); i++ {
		d := x[i] - y[i]
		sum = fused(d, d, sum)
	}
	return sum
}

// folded adds up the sums of four registers, and then of the lanes of one.
func folded[T Float](sums *[32]T, lane int) T {
	for j := range lane {
		sums[j] = (sums[j] + sums[lane+j]) + (sums[2*lane+j] + sums[3*lane+j])
	}
	for half := lane / 2; half > 0; half /= 2 {
		for j := range half {
			sums[j] += sums[half+j]
		}
	}
	return sums[0]
}

// plainPanels computes width outputs of all rows of x, and adds each to bias.
func plainPanels[T Float](x []T, inputs int, weights, bias []T, stride, width int, out []T, step int) {
	rows := 1
	if step > 0 {
		rows = 4
	}
	for r := range rows {
		sums := out[r*step : r*step+width]
		clear(sums)
		for k, v := range x[r*inputs : (r+1)*inputs] {
			for j, w := range weights[k*stride : k*stride+width] {
				sums[j] = fused(v, w, sums[j])
			}
		}
		for j := range sums {
			sums[j] += bias[j]
		}
	}
}
