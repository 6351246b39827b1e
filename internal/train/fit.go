package train

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// Options are the choices of a fit.
type Options struct {
	// C is the inverse strength of the L2 penalty, above 0. 0 stands for 1,
	// scikit-learn's default.
	C float64
}

// Model is a fitted binary logistic regression.
type Model struct {
	// Names are the features' names, Classes the target's values as in Dataset.
	Names   []string
	Classes [2]any
	// Coef has one coefficient for each feature; Intercept is the constant.
	Coef      []float64
	Intercept float64
	// C is the option it was fitted with, Iterations the optimiser's steps.
	C          float64
	Iterations int
}

// maxFeatures bounds the Hessian, features squared numbers, at 8 MB.
const maxFeatures = 1000

// Fit finds the coefficients that minimise w w/2 + C Sum log-loss, as
// scikit-learn's LogisticRegression(C=C) does (Pedregosa et al., JMLR 12, 2011;
// User Guide 1.1.11), by gonum's Newton method on columns brought to mean 0 and
// ordinary size. That changes how the optimiser gets there, not where it ends: the
// penalty stays on the coefficients of the columns as they are.
func Fit(d Dataset, opts Options) (Model, error) {
	if opts.C == 0 {
		opts.C = 1
	}
	if !(opts.C > 0 && opts.C <= 1e12) {
		return Model{}, fmt.Errorf("the option C is %v; it must be above 0 and at most 1e12, such as 1", opts.C)
	}
	if err := d.check(); err != nil {
		return Model{}, err
	}
	if len(d.Names) > maxFeatures {
		return Model{}, fmt.Errorf("the data has %d feature columns; at most %d can be fitted", len(d.Names), maxFeatures)
	}
	o, err := newObjective(d, opts.C)
	if err != nil {
		return Model{}, err
	}
	solution, iterations, err := o.minimise()
	if err != nil {
		return Model{}, err
	}
	m := Model{Names: d.Names, Classes: d.Classes, C: opts.C, Iterations: iterations}
	m.Coef, m.Intercept = o.original(solution)
	for _, w := range append([]float64{m.Intercept}, m.Coef...) {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			return Model{}, errors.New("a coefficient is not a number; bring the columns to ordinary units and fit again")
		}
	}
	return m, nil
}

// Probability is the probability of the second class for a row of len(Coef) values.
func (m Model) Probability(row []float64) float64 {
	score := m.Intercept
	for j, w := range m.Coef {
		score += w * row[j]
	}
	return 1 / (1 + math.Exp(-score))
}

// objective is the function to minimise, divided by C times the number of rows so
// that its gradient has the size of one row's error. Its variables are the
// coefficients of the columns less their mean in a unit of their own and, last,
// their constant.
type objective struct {
	rows, width int
	z           []float64 // the columns less their mean, in their unit, row-major
	sign        []float64 // +1 for the second class, -1 for the first
	mean, unit  []float64
	penalty     []float64 // of each variable, in the objective's unit
}

func newObjective(d Dataset, c float64) (*objective, error) {
	n, width := d.Rows(), len(d.Names)
	o := &objective{
		rows: n, width: width, z: make([]float64, len(d.X)), sign: make([]float64, n),
		mean: make([]float64, width), unit: make([]float64, width), penalty: make([]float64, width+1),
	}
	for j := range width {
		mean, deviation := moments(d, j)
		// The unit in which the curvature of loss and penalty together is about 1: the
		// deviation, or the penalty's own unit where that is larger, as it is for a
		// column that is constant.
		unit := math.Hypot(deviation, 2/math.Sqrt(c*float64(n)))
		if math.IsInf(unit, 0) {
			return nil, fmt.Errorf("column %q is too large (its standard deviation exceeds the range of numbers); use a larger unit", d.Names[j])
		}
		o.mean[j], o.unit[j] = mean, unit
		o.penalty[j] = 1 / (unit * unit * c * float64(n))
		for i := range n {
			o.z[i*width+j] = (d.X[i*width+j] - mean) / unit
		}
	}
	for i, positive := range d.Positive {
		o.sign[i] = -1
		if positive {
			o.sign[i] = 1
		}
	}
	return o, nil
}

// moments are the mean and the standard deviation (divisor n) of column j.
func moments(d Dataset, j int) (mean, deviation float64) {
	n, width := d.Rows(), len(d.Names)
	for i := range n {
		mean += d.X[i*width+j] / float64(n)
	}
	for i := range n {
		x := (d.X[i*width+j] - mean) / math.Sqrt(float64(n))
		deviation = math.Hypot(deviation, x)
	}
	return mean, deviation
}

// original turns a solution into coefficients of the columns as they were.
func (o *objective) original(u []float64) (coef []float64, intercept float64) {
	coef, intercept = make([]float64, o.width), u[o.width]
	for j := range coef {
		coef[j] = u[j] / o.unit[j]
		intercept -= coef[j] * o.mean[j]
	}
	return coef, intercept
}

// gradientGoal is where the optimiser stops. Newton's last step goes far below
// it, so coefficients come out the same on every machine to about 1e-12.
const gradientGoal = 1e-10

func (o *objective) minimise() (solution []float64, iterations int, err error) {
	problem := optimize.Problem{Func: o.value, Grad: o.gradient, Hess: o.hessian}
	settings := &optimize.Settings{GradientThreshold: gradientGoal, MajorIterations: 1000}
	result, err := optimize.Minimize(problem, make([]float64, o.width+1), settings, &optimize.Newton{})
	if result == nil {
		return nil, 0, fmt.Errorf("fitting the logistic regression: %w", err)
	}
	// Close to the minimum the value no longer changes in its last digit and the
	// line search gives up though the gradient is as good as zero: not a failure.
	gradient := make([]float64, o.width+1)
	o.gradient(gradient, result.X)
	largest := 0.0
	for _, g := range gradient {
		largest = math.Max(largest, math.Abs(g))
	}
	if !(largest <= 1e3*gradientGoal) {
		return nil, 0, fmt.Errorf("the fit did not converge in %d steps (status %v); a smaller C, or columns without extreme values, will help", result.MajorIterations, result.Status)
	}
	return result.X, result.MajorIterations, nil
}

func (o *objective) score(i int, u []float64) float64 {
	s := u[o.width]
	for j, z := range o.z[i*o.width : (i+1)*o.width] {
		s += u[j] * z
	}
	return s
}

func (o *objective) value(u []float64) float64 {
	loss := 0.0
	for i := range o.rows {
		loss += logOnePlusExp(-o.sign[i] * o.score(i, u))
	}
	loss /= float64(o.rows)
	for j, p := range o.penalty {
		loss += p * u[j] * u[j] / 2
	}
	return loss
}

// logOnePlusExp is ln(1 + exp(x)) where exp(x) may overflow.
func logOnePlusExp(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}

func (o *objective) gradient(grad, u []float64) {
	for j, p := range o.penalty {
		grad[j] = p * u[j]
	}
	for i := range o.rows {
		wrong := o.sign[i] / (1 + math.Exp(o.sign[i]*o.score(i, u))) / float64(o.rows)
		for j, z := range o.z[i*o.width : (i+1)*o.width] {
			grad[j] -= wrong * z
		}
		grad[o.width] -= wrong
	}
}

func (o *objective) hessian(hess *mat.SymDense, u []float64) {
	hess.Zero()
	size := o.width + 1
	sum := hess.RawSymmetric().Data // upper triangle, row-major
	row := make([]float64, size)
	row[o.width] = 1
	for i := range o.rows {
		copy(row, o.z[i*o.width:(i+1)*o.width])
		p := 1 / (1 + math.Exp(o.score(i, u)))
		weight := p * (1 - p) / float64(o.rows)
		for j, zj := range row {
			for k := j; k < size; k++ {
				sum[j*size+k] += weight * zj * row[k]
			}
		}
	}
	for j, p := range o.penalty {
		sum[j*size+j] += p
	}
}
