package calc

import "serin/internal/stats/anytime"

type mixtureQuestion struct {
	Z   *float64 `json:"z"`
	N   *float64 `json:"n"`
	Rho *float64 `json:"rho"`
}

type mixtureAnswer struct {
	OneSided float64 `json:"log_e_one_sided"`
	TwoSided float64 `json:"log_e_two_sided"`
}

func askMixture(q mixtureQuestion) (mixtureAnswer, error) {
	if *q.N < 0 {
		return mixtureAnswer{}, wrong("n", "is %v; the clock is 0 or above", *q.N)
	}
	if !(*q.Rho > 0) {
		return mixtureAnswer{}, wrong("rho", "is %v; it must be above 0, such as 39.5", *q.Rho)
	}
	m := anytime.Mixture{Rho: *q.Rho}
	return mixtureAnswer{m.LogE(*q.Z, *q.N), m.LogETwoSided(*q.Z, *q.N)}, nil
}

type labelQuestion struct {
	Canary        *uint64  `json:"canary"`
	Stable        *uint64  `json:"stable"`
	Pi            *float64 `json:"pi"`
	Ratio         float64  `json:"ratio"`
	Concentration float64  `json:"concentration"`
}

type labelAnswer struct {
	// LogE is against "at most ratio times stable's rate", LogEBelow against "at
	// least", LogETwoSided against "just".
	LogE         float64 `json:"log_e"`
	LogETwoSided float64 `json:"log_e_two_sided"`
	LogEBelow    float64 `json:"log_e_below"`
}

func askLabel(q labelQuestion) (labelAnswer, error) {
	for _, limit := range []func() error{
		func() error { return between("pi", *q.Pi, 1e-6, 1-1e-6) },
		func() error { return between("ratio", q.Ratio, 1e-6, 1e6) },
		func() error { return between("concentration", q.Concentration, 1e-3, 1e9) },
	} {
		if err := limit(); err != nil {
			return labelAnswer{}, err
		}
	}
	l := anytime.Label{Share: *q.Pi, Ratio: q.Ratio, Concentration: q.Concentration}
	return labelAnswer{l.Above(*q.Canary, *q.Stable), l.TwoSided(*q.Canary, *q.Stable), l.Below(*q.Canary, *q.Stable)}, nil
}

// between holds a number against the limits of the e-processes, which would
// answer "nothing shown" beyond them.
func between(field string, x, lo, hi float64) error {
	if x >= lo && x <= hi {
		return nil
	}
	return wrong(field, "is %v; it must be from %v to %v", x, lo, hi)
}

type driftQuestion struct {
	Canary         []uint64  `json:"canary"`
	Stable         []uint64  `json:"stable"`
	Pi             *float64  `json:"pi"`
	Concentrations []float64 `calc:"optional" json:"concentrations"`
}

type driftAnswer struct {
	LogE float64 `json:"log_e"`
}

func askDrift(q driftQuestion) (driftAnswer, error) {
	if len(q.Canary) != len(q.Stable) {
		return driftAnswer{}, wrong("stable", "has %d bins and canary has %d; both need the same bins", len(q.Stable), len(q.Canary))
	}
	if err := between("pi", *q.Pi, 1e-6, 1-1e-6); err != nil {
		return driftAnswer{}, err
	}
	if len(q.Concentrations) == 0 {
		return driftAnswer{}, wrong("concentrations", "has no number; give one or more, such as [10,100]")
	}
	for _, k := range q.Concentrations {
		if err := between("concentrations", k, 1e-3, 1e9); err != nil {
			return driftAnswer{}, err
		}
	}
	return driftAnswer{anytime.Drift(q.Canary, q.Stable, *q.Pi, q.Concentrations...)}, nil
}
