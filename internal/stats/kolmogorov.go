package stats

import (
	"cmp"
	"errors"
)

// KolmogorovSmirnovTest is the answer of the two-sample Kolmogorov-Smirnov
// test. Every field is finite.
type KolmogorovSmirnovTest struct {
	// D is the largest distance of the two empirical distribution functions, the
	// larger of DGreater = max(F1 - F2) and DLess = max(F2 - F1). Where F1 is above
	// F2, sample 2 has higher values.
	D, DGreater, DLess float64
	// Location is the smallest value where the distance is D, and Sign tells which
	// of the two functions is above there: 1 for F1 (2 is higher), -1 for F2, 0 if
	// D is 0. Where both get as far, this is about F1. SciPy has the same rule, but
	// compares rounded distances, and takes another of equal places now and then.
	Location float64
	Sign     int
	// Method is Exact or Asymptotic, whichever was used for the p-values.
	Method Method
	// TwoSided is the p-value against "the laws differ", Greater that of DGreater
	// against "2 is higher", Less that of DLess against "2 is lower". SciPy's
	// alternatives of ks_2samp(one, two) have the same directions.
	TwoSided, Greater, Less PValue
}

// KolmogorovSmirnov tests whether two samples come from one continuous law.
//
// Exact is P(D >= d) where all orders of the pooled values are equally likely,
// from lattice paths (see walk): some n1 sqrt(n2) steps, n1 the larger size. Auto
// uses it up to about 25,000 values a sample, SciPy up to 10,000, and for one side
// up to some 500 where the sizes differ and the number of paths would overflow.
// Asymptotic is the limit, with n1 >= n2 and g their greatest common divisor,
//
//	z = (d n1 n2 + (n1 + 2 n2 - 3 g)/6)/sqrt(n1 n2 (n1 + n2))
//	one-sided  exp(-2 z²),   two-sided  2 Sum_{k>=1} (-1)^(k-1) exp(-2 k² z²)
//
// It is Hodges' formula, which SciPy has for one side, made right for sizes with
// a common divisor: within 2 % of the exact p-value down to p = 0.01 from some
// hundred values on, and too large farther out. SciPy's two-sided one is another
// approximation, the law for one sample of n1 n2/(n1+n2) values.
//
// Ties are handled as SciPy does: they are in d, which is measured after each
// different value, while the p-value is that of samples without ties, which is
// at least as large as it should be. Assumes independent values; valid for one
// look. An error tells which sample is empty or which value is not finite, and
// refuses Exact for larger samples. Sources: N. Smirnov, Ann. Math. Statist. 19
// (1948) 279-281; J. L. Hodges, Arkiv Mat. 3 (1958) 469-486.
func KolmogorovSmirnov(one, two []float64, method Method) (KolmogorovSmirnovTest, error) {
	one, err1 := sorted("sample 1", one)
	two, err2 := sorted("sample 2", two)
	if err := errors.Join(err1, err2); err != nil {
		return KolmogorovSmirnovTest{}, err
	}
	n1, n2 := len(one), len(two)
	w := newWalk(n1, n2)
	method, err := method.choose(w.affordable(), n1, n2)
	if err != nil {
		return KolmogorovSmirnovTest{}, err
	}
	// In units of 1/(n1 n2) everything is a whole number.
	var i, j, up, down int
	upAt, downAt := min(one[0], two[0]), 0.
	for v := range pooled(one, two) {
		i, j = i+v.n1, j+v.n2
		d := i*n2 - j*n1
		if d > up {
			up, upAt = d, v.value
		}
		if -d > down {
			down, downAt = -d, v.value
		}
	}
	most, unit := max(up, down), float64(n1)*float64(n2)
	r := KolmogorovSmirnovTest{
		D: float64(most) / unit, DGreater: float64(up) / unit, DLess: float64(down) / unit,
		Location: upAt, Sign: cmp.Compare(up, 0), Method: method,
	}
	if down > up {
		r.Location, r.Sign = downAt, -1
	}
	if method == Exact {
		r.TwoSided, r.Greater, r.Less = w.atLeastAbs(most), w.atLeast(up), w.atLeast(down)
		return r, nil
	}
	r.TwoSided, r.Greater, r.Less = w.limitAtLeastAbs(most), w.limitAtLeast(up), w.limitAtLeast(down)
	return r, nil
}
