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
	values  []float64 // of leaves
	sets    []uint32  // of Member, one after the other
	extra   []column  // columns behind those of the features
	// scratch keeps *[]float64 of blockRows prepared rows.
	scratch sync.Pool
}

// Features is the width of a row.
func (f *Forest) Features() int { return f.options.Features }

// Outputs is the width of an answer.
func (f *Forest) Outputs() int { return f.options.Outputs }

// Trees is the number of trees.
func (f *Forest) Trees() int { return len(f.trees) }

func (f *Forest) finish() {
	size := f.columns() * f.blockRows()
	f.scratch.New = func() any {
		block := make([]float64, size)
		return &block
	}
}

// Add adds to each row of out the values of the leaves that the row of x
// reaches, in the order of the trees. x is rows x Features, out is rows x
// Outputs, both row by row. It allocates nothing in steady state.
func (f *Forest) Add(x []float64, rows int, out []float64) {
	features, outputs := f.options.Features, f.options.Outputs
	if !f.prepares() {
		f.block(x[:rows*features], rows, out[:rows*outputs])
		return
	}
	scratch := f.scratch.Get().(*[]float64)
	defer f.scratch.Put(scratch)
	most, columns := f.blockRows(), f.columns()
	for rows > 0 {
		n := min(rows, most)
		for r := range n {
			f.prepare(x[r*features:(r+1)*features], (*scratch)[r*columns:(r+1)*columns])
		}
		f.block((*scratch)[:n*columns], n, out[:n*outputs])
		x, out, rows = x[n*features:], out[n*outputs:], rows-n
	}
}

// prepares tells whether the trees look at something else than the row itself.
func (f *Forest) prepares() bool { return f.options.Float32 || len(f.extra) > 0 }

func (f *Forest) columns() int { return f.options.Features + len(f.extra) }

// blockRows is how many rows are prepared at once: as many as stay in the cache.
func (f *Forest) blockRows() int { return min(max(1<<14/f.columns(), lanes), 256) }

// prepare writes the columns of one row.
func (f *Forest) prepare(x, to []float64) {
	own := to[:len(x)]
	if f.options.Float32 {
		for i, v := range x {
			own[i] = float64(float32(v))
		}
	} else {
		copy(own, x)
	}
	more := to[len(x):]
	for i, c := range f.extra {
		v := own[c.feature]
		switch {
		case c.missing == NeverMissing && math.IsNaN(v):
			v = 0
		case c.missing == MissingZero && math.Abs(v) <= zero:
			v = math.NaN()
		}
		if c.negated {
			v = -v
		}
		more[i] = v
	}
}

// zero is LightGBM's kZeroThreshold, a float32.
var zero = float64(float32(1e-35))
