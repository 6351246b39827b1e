package anytime

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"
)

// The reference values are mpmath's at 50 digits: testdata/reference.py. The
// promise is 1e-9, relative, and absolute for a logarithm within 1 of 0; what is
// asked here is what was reached, with a little room. Whole beta functions of 1e9
// events lose a digit and a half by the rounding of theta0. A beta function cut
// off is the whole minus a tail on one of its sides, and loses more where hardly
// anything is left: at a share of 1e-4 and a concentration of 1, and at the ends of
// the ranges by as much as Above says.
const (
	reached      = 1e-14
	reachedWhole = 5e-13
	reachedCut   = 2e-11
	cancelled    = 2e-16
)

type mixtureCase struct {
	Rho, N, Z    float64
	LogE         float64 `json:"log_e,string"`
	LogETwoSided float64 `json:"log_e_two_sided,string"`
}

type boundaryCase struct {
	Rho, N, Alpha float64
	OneSided      float64 `json:"one_sided,string"`
	TwoSided      float64 `json:"two_sided,string"`
}

type rhoCase struct {
	N, Alpha float64
	Rho      float64 `json:",string"`
}

type scoreCase struct {
	T, DF float64
	Z     float64 `json:",string"`
}

type labelCase struct {
	Share, Ratio, Concentration float64
	Canary, Stable              uint64
	Above                       float64 `json:",string"`
	Below                       float64 `json:",string"`
	TwoSided                    float64 `json:"two_sided,string"`
}

type driftCase struct {
	Canary, Stable []uint64
	Share          float64
	Concentrations []float64
	LogE           float64 `json:"log_e,string"`
}

type blocksCase struct {
	N, W, S1, S2, Margin, DF float64
	Spread, Mean, SE, T, Z   float64 `json:",string"`
}

type bandCase struct {
	N                uint64
	Alpha            float64
	Constant, Radius float64 `json:",string"`
}

type averageCase struct {
	Weights, Logs []float64
	LogE          float64 `json:"log_e,string"`
}

type references struct {
	Mixtures   []mixtureCase
	Boundaries []boundaryCase
	Rhos       []rhoCase
	Scores     []scoreCase
	Labels     []labelCase
	Drifts     []driftCase
	Blocks     []blocksCase
	Bands      []bandCase
	Averages   []averageCase
}

func readReferences(t *testing.T) references {
	t.Helper()
	text, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var all references
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	got := []int{
		len(all.Mixtures), len(all.Boundaries), len(all.Rhos), len(all.Scores), len(all.Labels),
		len(all.Drifts), len(all.Blocks), len(all.Bands), len(all.Averages),
	}
	for i, least := range []int{546, 100, 35, 150, 171, 13, 32, 63, 8} {
		if got[i] < least {
			t.Fatalf("the reference file holds %v cases; it was cut", got)
		}
	}
	return all
}

// near asks for want within a relative error, which is absolute if want is within 1 of 0.
func near(t *testing.T, what string, got, want, allowed float64) {
	t.Helper()
	if off := math.Abs(got-want) / math.Max(1, math.Abs(want)); !(off <= allowed) {
		t.Errorf("%s = %v, reference %v, off by %.2g", what, got, want, off)
	}
}

// relatively asks for want within a relative error, however small it is.
func relatively(t *testing.T, what string, got, want, allowed float64) {
	t.Helper()
	if off := math.Abs(got - want); !(off <= allowed*math.Abs(want)) {
		t.Errorf("%s = %v, reference %v, relative error %.2g", what, got, want, off/math.Abs(want))
	}
}

func TestMixtureReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Mixtures {
		m, name := Mixture{Rho: c.Rho}, fmt.Sprintf("%+v", c)
		near(t, name+": LogE", m.LogE(c.Z, c.N), c.LogE, reached)
		near(t, name+": LogETwoSided", m.LogETwoSided(c.Z, c.N), c.LogETwoSided, reached)
	}
}

func TestBoundaryReference(t *testing.T) {
	t.Parallel()
	all := readReferences(t)
	for _, c := range all.Boundaries {
		m, name := Mixture{Rho: c.Rho}, fmt.Sprintf("%+v", c)
		relatively(t, name+": Boundary", m.Boundary(c.N, c.Alpha), c.OneSided, reached)
		relatively(t, name+": BoundaryTwoSided", m.BoundaryTwoSided(c.N, c.Alpha), c.TwoSided, reached)
	}
	for _, c := range all.Rhos {
		relatively(t, fmt.Sprintf("%+v", c), BestRho(c.N, c.Alpha), c.Rho, reached)
	}
}

func TestNormalScoreReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Scores {
		relatively(t, fmt.Sprintf("%+v", c), NormalScore(c.T, c.DF), c.Z, reached)
	}
}

func TestLabelReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Labels {
		l, name := Label{Share: c.Share, Ratio: c.Ratio, Concentration: c.Concentration}, fmt.Sprintf("%+v", c)
		theta, _, _ := l.null()
		near(t, name+": Above", l.Above(c.Canary, c.Stable), c.Above, reachedCut+cancelled/(l.Concentration*theta))
		near(t, name+": Below", l.Below(c.Canary, c.Stable), c.Below, reachedCut+cancelled/(l.Concentration*(1-l.Share)))
		near(t, name+": TwoSided", l.TwoSided(c.Canary, c.Stable), c.TwoSided, reachedWhole)
	}
}

func TestDriftReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Drifts {
		near(t, fmt.Sprintf("%+v", c), Drift(c.Canary, c.Stable, c.Share, c.Concentrations...), c.LogE, reachedWhole)
	}
}

// T where the mean meets the margin is rounding alone: absolute.
// What the windows' sums have in common is subtracted: Spread is the part of S2 that
// remains, and its inverse what rounding is multiplied by.
func TestBlocksReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Blocks {
		name := fmt.Sprintf("%+v", c)
		got, ok := Blocks{N: c.N, W: c.W, S1: c.S1, S2: c.S2}.Test(c.Margin)
		if !ok {
			t.Fatalf("%s: no answer", name)
		}
		allowed := reached / c.Spread
		relatively(t, name+": Mean", got.Mean, c.Mean, reached)
		relatively(t, name+": SE", got.SE, c.SE, allowed)
		near(t, name+": T", got.T, c.T, allowed)
		relatively(t, name+": DF", got.DF, c.DF, 0)
		near(t, name+": Z", got.Z, c.Z, allowed)
	}
}

func TestCDFRadiusReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Bands {
		name := fmt.Sprintf("%+v", c)
		relatively(t, name+": C", bandConstant(c.Alpha), c.Constant, reached)
		relatively(t, name+": radius", CDFRadius(c.N, c.Alpha), c.Radius, reached)
	}
	// As Howard and Ramdas's own code has them.
	for alpha, want := range map[float64]float64{0.05: 8.123, 0.025: 8.623} {
		if got := bandConstant(alpha); math.Abs(got-want) > 5e-4 {
			t.Errorf("C(%v) = %v, want %v", alpha, got, want)
		}
	}
}

func TestAverageReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Averages {
		near(t, fmt.Sprintf("%+v", c), Average(c.Weights, c.Logs), c.LogE, reached)
	}
}
