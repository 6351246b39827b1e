package anytime

import (
	"math"
	"slices"
)

const (
	// bandwidth is Silverman's factor for a normal kernel (Density Estimation,
	// 1986, section 3.4.2).
	bandwidth = 0.9
	// clip bounds the odds of one observation, and their inverse: where the
	// reference has seen little, a single latency must not decide.
	clip = 6
	// trace stands for the density where there is none.
	trace = 1e-12
	// slowest is the share of the reference that the last bet is about; a little
	// more than 1 %, so that rounding does not leave one bucket out.
	slowest = 0.0101
)

// smooth estimates the density of a histogram over its buckets, by a normal
// kernel as wide as Silverman's rule says, at least one bucket. It returns the
// density from the bucket first on, which may be before the histogram's own
// first one; nil for an empty histogram.
func smooth(counts []uint64) (density []float64, first int) {
	lo := slices.IndexFunc(counts, func(n uint64) bool { return n > 0 })
	if lo < 0 {
		return nil, 0
	}
	hi, total := lo, 0.0
	for i, n := range counts {
		if n > 0 {
			hi, total = i, total+float64(n)
		}
	}
	h := max(1, bandwidth*spread(counts[lo:hi+1], total)*math.Pow(total, -0.2))
	reach := int(math.Ceil(4 * h))
	kernel := make([]float64, 2*reach+1)
	for i := range kernel {
		x := float64(i-reach) / h
		kernel[i] = math.Exp(-x*x/2) / (h * math.Sqrt(2*math.Pi)) / total
	}
	density = make([]float64, hi-lo+1+2*reach)
	for i, n := range counts[lo : hi+1] {
		if n == 0 {
			continue
		}
		for j, w := range kernel {
			density[i+j] += float64(n) * w
		}
	}
	return density, lo - reach
}

// spread is the smaller of the standard deviation and what the quartiles say it
// is, so that a long tail does not blur the middle. In buckets.
func spread(counts []uint64, total float64) float64 {
	n, mean, squares := 0.0, 0.0, 0.0
	first, third := -1.0, -1.0
	for i, c := range counts {
		if c == 0 {
			continue
		}
		n += float64(c)
		d := float64(i) - mean
		mean += d * float64(c) / n
		squares += float64(c) * d * (float64(i) - mean)
		if first < 0 && n >= total/4 {
			first = float64(i)
		}
		if third < 0 && n >= total*3/4 {
			third = float64(i)
		}
	}
	const ofNormal = 1.349 // its quartiles are that many standard deviations apart
	return min(math.Sqrt(squares/total), (third-first+1)/ofNormal)
}

// shifted is by how much each bucket is likelier if everything is slower by so
// many buckets, whole or not: the ratio of the density moved up and the density.
func shifted(density []float64, shift float64) []float64 {
	whole := int(shift)
	part := shift - float64(whole)
	at := func(k int) float64 {
		if k < 0 || k >= len(density) {
			return 0
		}
		return density[k]
	}
	odds := make([]float64, len(density))
	for k := range odds {
		moved := (1-part)*at(k-whole) + part*at(k-whole-1)
		odds[k] = max(1./clip, min((moved+trace)/(density[k]+trace), clip))
	}
	return odds
}

// tailDoubles is the same if the slowest of the reference become twice as many.
func tailDoubles(density []float64) []float64 {
	total := 0.0
	for _, f := range density {
		total += f
	}
	odds := make([]float64, len(density))
	above := 0.0
	for k, f := range slices.Backward(density) {
		odds[k] = 1
		if above += f; above <= slowest*total {
			odds[k] = 2
		}
	}
	return odds
}

// rising makes odds non-decreasing, by the least squares fit to them under the
// density (pooling adjacent violators: Ayer and others, Annals of Mathematical
// Statistics 26, 1955), and scales them to a mean of 1 under the density. That
// they do not fall is what makes the test valid against every canary that is not
// slower, in whatever way.
func rising(odds, density []float64) []float64 {
	type block struct {
		mean, weight float64
		end          int
	}
	blocks := make([]block, 0, len(odds))
	for k, g := range odds {
		b := block{g, density[k] + trace, k + 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean >= b.mean {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			weight := b.weight + last.weight
			b.mean = (b.mean*b.weight + last.mean*last.weight) / weight
			b.weight = weight
		}
		blocks = append(blocks, b)
	}
	sum, total := 0.0, 0.0
	for _, b := range blocks {
		sum += b.mean * b.weight
		total += b.weight
	}
	k := 0
	for _, b := range blocks {
		for ; k < b.end; k++ {
			odds[k] = b.mean * total / sum
		}
	}
	return odds
}
