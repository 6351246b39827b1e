package anytime

import "math"

// density smooths a histogram.
func smooth(counts []uint64) (density []float64, first int) {
	lo, hi, total, mean, square := -1, 0, 0.0, 0.0, 0.0
	for i, c := range counts {
		if c == 0 {
			continue
		}
		if lo < 0 {
			lo = i
		}
		hi = i
		n, d := float64(c), float64(i)-mean
		total += n
		mean += d * n / total
		square += n * d * (float64(i) - mean)
	}
	if lo < 0 {
		return nil, 0
	}
	width := math.Sqrt(square / total)
	cum := 0.0
	q1, q3 := -1.0, -1.0
	for i := lo; i <= hi; i++ {
		cum += float64(counts[i])
		if q1 < 0 && cum >= total/4 {
			q1 = float64(i)
		}
		if q3 < 0 && cum >= total*3/4 {
			q3 = float64(i)
		}
	}
	width = math.Min(width, (q3-q1+1)/1.349)
	h := math.Max(1, tuneH*width*math.Pow(total, -0.2))
	reach := int(math.Ceil(4 * h))
	kernel := make([]float64, 2*reach+1)
	for i := range kernel {
		x := float64(i-reach) / h
		kernel[i] = math.Exp(-x*x/2) / (h * math.Sqrt(2*math.Pi)) / total
	}
	first = lo - reach
	density = make([]float64, hi-lo+1+2*reach)
	for i := lo; i <= hi; i++ {
		if c := float64(counts[i]); c > 0 {
			row := density[i-lo:]
			for j, w := range kernel {
				row[j] += c * w
			}
		}
	}
	return density, first
}

var tuneH = 0.9

var tuneClip = 6.0

// shifted is the clipped ratio of the density shifted up and the density.
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
		odds[k] = math.Max(1/tuneClip, math.Min((moved+1e-12)/(density[k]+1e-12), tuneClip))
	}
	return odds
}

// pool makes odds non-decreasing by pooling adjacent violators and centres them.
func pool(odds, weights []float64) []float64 {
	type block struct {
		mean, weight float64
		end          int
	}
	blocks := make([]block, 0, len(odds))
	for k, g := range odds {
		b := block{g, weights[k] + 1e-12, k + 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean >= b.mean {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			w := b.weight + last.weight
			b.mean = (b.mean*b.weight + last.mean*last.weight) / w
			b.weight = w
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

func tailDoubles(density []float64) []float64 {
	total := 0.0
	for _, f := range density {
		total += f
	}
	odds := make([]float64, len(density))
	above := 0.0
	for k := len(density) - 1; k >= 0; k-- {
		odds[k] = 1
		if above += density[k]; above <= 0.0101*total {
			odds[k] = 2
		}
	}
	return pool(odds, density)
}
