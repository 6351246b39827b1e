package stats

import (
	"fmt"
	"math"
)

// PValue is a p-value and its natural logarithm, which is still right where P
// underflows to 0 (below about 1e-308). Both are finite.
type PValue struct{ P, Log float64 }

// fromLog is the p-value with this logarithm; what rounding put above 1 is 1.
func fromLog(log float64) PValue {
	log = math.Min(0, log)
	return PValue{math.Exp(log), log}
}

// fromP is the p-value p > 0; what rounding put above 1 is 1.
func fromP(p float64) PValue {
	p = math.Min(1, p)
	return PValue{p, math.Log(p)}
}

// without is the p-value 1 - q, q < 1.
func without(q float64) PValue { return PValue{1 - q, math.Log1p(-q)} }

// twice is the two-sided p-value of a test that has two one-sided ones.
func twice(greater, less PValue) PValue {
	return fromLog(math.Ln2 + math.Min(greater.Log, less.Log))
}

// logSum is ln(exp(a) + exp(b)).
func logSum(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// Method says how a p-value is computed. Its zero value is Auto.
type Method int

const (
	// Auto: Exact where that takes well under a second, else Asymptotic.
	Auto Method = iota
	// Exact: from the distribution over all ways to divide the values.
	Exact
	// Asymptotic: from the law that this distribution tends to.
	Asymptotic
)

// choose turns Auto into one of the others; exact says whether that is affordable.
func (m Method) choose(exact bool, n1, n2 int) (Method, error) {
	switch {
	case m == Auto && exact:
		return Exact, nil
	case m == Auto:
		return Asymptotic, nil
	case m == Exact && !exact:
		return 0, fmt.Errorf("samples of %d and %d values are too large for the exact distribution; use the asymptotic one", n1, n2)
	case m == Exact, m == Asymptotic:
		return m, nil
	}
	return 0, fmt.Errorf("the method is number %d, which does not exist", m)
}
