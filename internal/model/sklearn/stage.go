package sklearn

import "math"

// stage is one fitted transformer. It is immutable.
type stage interface {
	// apply transforms x, which it may overwrite, and returns the result: x itself
	// or a part of room. room holds at least room() numbers. ok is false where
	// scikit-learn refuses the row; the result is then of no use.
	apply(x, room []float64) (result []float64, ok bool)
	room() int
}

// chain passes a row from stage to stage.
type chain []stage

// apply checks after each stage what scikit-learn checks before the next step
// and before the classifier: that all numbers are finite.
func (c chain) apply(x, room []float64) (result []float64, ok bool) {
	for _, s := range c {
		if x, ok = s.apply(x, room); !ok || !allFinite(x) {
			return nil, false
		}
		room = room[s.room():]
	}
	return x, true
}

func (c chain) room() int {
	n := 0
	for _, s := range c {
		n += s.room()
	}
	return n
}

// allFinite tells NaN and infinities from numbers by their common exponent.
func allFinite(x []float64) bool {
	const exponent = 0x7ff << 52
	for _, v := range x {
		if math.Float64bits(v)&exponent == exponent {
			return false
		}
	}
	return true
}

// center is (x - shift) / divide, as StandardScaler, RobustScaler and
// MaxAbsScaler have it. A nil field leaves its operation out.
type center struct {
	shift, divide []float64
	clip          *bounds
}

func (s *center) apply(x, _ []float64) ([]float64, bool) {
	if s.shift != nil {
		for i, shift := range s.shift[:len(x)] {
			x[i] -= shift
		}
	}
	if s.divide != nil {
		for i, divide := range s.divide[:len(x)] {
			x[i] /= divide
		}
	}
	s.clip.apply(x)
	return x, true
}

func (s *center) room() int { return 0 }

// stretch is x*scale + shift, as MinMaxScaler has it.
type stretch struct {
	scale, shift []float64
	clip         *bounds
}

func (s *stretch) apply(x, _ []float64) ([]float64, bool) {
	for i := range x {
		// Two operations that round each for itself, as numpy's do; the conversion
		// keeps compilers from fusing them.
		x[i] = float64(x[i]*s.scale[i]) + s.shift[i]
	}
	s.clip.apply(x)
	return x, true
}

func (s *stretch) room() int { return 0 }

// bounds cut numbers off; nil bounds do nothing.
type bounds struct{ low, high float64 }

func (b *bounds) apply(x []float64) {
	if b == nil {
		return
	}
	for i, v := range x {
		x[i] = min(max(v, b.low), b.high)
	}
}

// normalize divides a row by its norm. A norm below 10 epsilon counts as zero,
// and a row of zeros stays as it is (_handle_zeros_in_scale).
type normalize struct{ norm func(x []float64) float64 }

func (s normalize) apply(x, _ []float64) ([]float64, bool) {
	const epsilon = 0x1p-52
	norm := s.norm(x)
	if norm < 10*epsilon {
		norm = 1
	}
	for i := range x {
		x[i] /= norm
	}
	return x, true
}

func (s normalize) room() int { return 0 }

func normL1(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += math.Abs(v)
	}
	return sum
}

func normL2(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return math.Sqrt(sum)
}

func normMax(x []float64) float64 {
	most := 0.0
	for _, v := range x {
		most = max(most, math.Abs(v))
	}
	return most
}

// columns is a ColumnTransformer: each part picks some columns of the row, and
// the results stand side by side.
type columns struct {
	parts []part
	width int // of the result
	inner int // room that the largest part needs
}

type part struct {
	from   []int // columns of the input
	chain  chain
	weight float64
}

func (s *columns) apply(x, room []float64) ([]float64, bool) {
	out, room := room[:0:s.width], room[s.width:]
	for i := range s.parts {
		p := &s.parts[i]
		picked := room[:len(p.from)]
		for k, from := range p.from {
			picked[k] = x[from]
		}
		result, ok := p.chain.apply(picked, room[len(picked):])
		if !ok {
			return nil, false
		}
		for _, v := range result {
			out = append(out, v*p.weight)
		}
	}
	return out, true
}

func (s *columns) room() int { return s.width + s.inner }
