package stats

import (
	"math"
	"testing"
)

// Two formulas that share nothing but Stirling's remainder must agree: the
// noncentral t without noncentrality is Student's t.
func TestNoncentralWithoutNoncentrality(t *testing.T) {
	t.Parallel()
	for _, nu := range []float64{1, 1.5, 2, 3, 10, 57.3, 1e3, 1e6, 1e9, 1e13} {
		for _, x := range []float64{1e-9, 0.1, 0.6, 0.7, 1, 2, 5, 12, 40, 1e3, 1e6} {
			central := math.Exp(logStudentTails(x, nu) - math.Ln2)
			if central > 1e-300 {
				near(t, "P(T > t)", noncentralTail(x, nu, 0), central, 2e-13)
			}
		}
	}
}

// Closed forms: nu = 1 is Cauchy's distribution, nu = 2 is algebraic.
func TestStudentClosedForms(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{1e-12, 1e-3, 0.3, 0.8, 1, 3, 1e2, 1e8, 1e150, 1e300} {
		cauchy := 2 * math.Atan(1/x) / math.Pi
		near(t, "P for nu = 1", math.Exp(logStudentTails(x, 1)), cauchy, 2e-13)
		root := math.Sqrt(2 + x*x)
		if x < 1e100 {
			near(t, "P for nu = 2", math.Exp(logStudentTails(x, 2)), 2/(root*(root+x)), 2e-13)
		}
	}
}

func TestStudentQuantileInvertsTheTail(t *testing.T) {
	t.Parallel()
	for _, nu := range []float64{1, 2, 3.7, 20, 500, 1e6, 1e12} {
		for _, p := range []float64{0.9999, 0.9, 0.5, 0.05, 1e-3, 1e-10, 1e-100, 1e-300} {
			x := studentQuantile(math.Log(p/2), nu)
			if off := math.Abs(logStudentTails(x, nu) - math.Log(p)); off > 2e-15*math.Max(1, -math.Log(p)) {
				t.Errorf("nu %v, p %v: quantile %v has ln p off by %v", nu, p, x, off)
			}
		}
	}
}

// mpmath at 30 digits: log(ncdf(z)).
func TestLogPhi(t *testing.T) {
	t.Parallel()
	for z, want := range map[float64]float64{
		-1e6:               -500000000014.734449,
		-40:                -804.608442013753771,
		-8.000000000000002: -35.0134371599145643,
		-8:                 -35.0134371599145499,
		-7.999999999999998: -35.0134371599145355,
		-1:                 -1.84102164500926351,
		0:                  -0.693147180559945309,
		1:                  -0.172753779023449889,
		3:                  -0.0013508099647481938,
		9:                  -1.12858840595384065e-19,
	} {
		near(t, "logPhi", logPhi(z), want, 2e-15)
	}
}

// gamma(a) against math.Lgamma where that has its digits, and the recurrence
// Gamma(a+1) = a Gamma(a) where it has not.
func TestStirling(t *testing.T) {
	t.Parallel()
	for _, a := range []float64{0.25, 0.5, 1, 2.5, 7, 15.9, 16, 30} {
		want, _ := math.Lgamma(a)
		if got := stirling(a) + (a-0.5)*math.Log(a) - a + halfLogTwoPi; math.Abs(got-want) > 2e-14*math.Max(1, want) {
			t.Errorf("ln Gamma(%v) = %v, want %v", a, got, want)
		}
	}
	for _, a := range []float64{15.5, 20, 1e3, 1e6} {
		if got, want := stirling(a)-stirling(a+1), (a+0.5)*math.Log1p(1/a)-1; math.Abs(got-want) > 4e-16 {
			t.Errorf("stirling(%v) - stirling(%v) = %v, want %v", a, a+1, got, want)
		}
	}
}

func BenchmarkWelch(b *testing.B) {
	for b.Loop() {
		if _, err := Welch(Sample{180, 12.5, 4}, Sample{20, 14, 9}, 0.95); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSampleSize(b *testing.B) {
	for b.Loop() {
		if _, err := (Design{Ratio: 1, Alpha: 0.05}).SampleSize(10./15, 0.8); err != nil {
			b.Fatal(err)
		}
	}
}
