package forest

import (
	"math"
	"sync"
)

// Forest is a sum of trees. It is immutable and safe for concurrent use.
type Forest struct {
	options Options
	nodes   []node
	trees   []tree
	octets  []octet
	values  []float64 // of leaves
	sets    []uint32  // of Member, one after the other
	columns []column  // that the trees look at
	// scratch keeps *[]float64, a block of blockRows prepared rows each.
	scratch sync.Pool
}

// Features is the width of a row.
func (f *Forest) Features() int { return f.options.Features }

// Outputs is the width of an answer.
func (f *Forest) Outputs() int { return f.options.Outputs }

// Trees is the number of trees.
func (f *Forest) Trees() int { return len(f.trees) }

// Add adds to each row of out the values of the leaves that the row of x
// reaches, in the order of the trees. x is rows x Features, out is rows x
// Outputs, both row by row. It allocates nothing in steady state.
func (f *Forest) Add(x []float64, rows int, out []float64) {
	features, outputs := f.options.Features, f.options.Outputs
	scratch := f.scratch.Get().(*[]float64)
	defer f.scratch.Put(scratch)
	most := f.blockRows()
	for rows >= few {
		n := min(rows, most)
		for r := range n {
			group := (*scratch)[r/lanes*lanes*len(f.columns):]
			f.prepare(x[r*features:(r+1)*features], group[r%lanes:], lanes)
		}
		f.block(*scratch, n, out[:n*outputs])
		x, out, rows = x[n*features:], out[n*outputs:], rows-n
	}
	for r := range rows {
		f.prepare(x[r*features:(r+1)*features], *scratch, 1)
		f.row(*scratch, out[r*outputs:(r+1)*outputs])
	}
}

// blockRows is how many rows are prepared at once: as many as stay in the
// cache, and whole groups.
func (f *Forest) blockRows() int {
	return min(max(1<<14/max(1, len(f.columns))/lanes, 1), 32) * lanes
}

// prepare writes the columns of one row, step apart.
func (f *Forest) prepare(x, to []float64, step int) {
	at := 0
	for _, c := range f.columns {
		v := x[c.feature]
		if f.options.Float32 {
			v = float64(float32(v))
		}
		switch {
		case c.missing == NeverMissing && math.IsNaN(v):
			v = 0
		case c.missing == MissingZero && math.Abs(v) <= zero:
			v = math.NaN()
		}
		if c.negated {
			v = -v
		}
		to[at] = v
		at += step
	}
}

// zero is LightGBM's kZeroThreshold, a float32.
var zero = float64(float32(1e-35))
