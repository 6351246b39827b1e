package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Law is how long predictions take, both arms alike, before anything disturbs
// them:
//
//	normal      x = 1 + Sigma z, at least 0.01
//	lognormal   x = exp(Sigma z - Sigma²/2)
//
// with z standard normal; a share Outliers of them takes Factor times as long,
// and all are scaled so that their mean is Mean.
type Law struct {
	Family Family `json:"family"`
	// Mean is the mean latency.
	Mean time.Duration `json:"mean"`
	// Sigma is the standard deviation: of the latency in units of its mean for the
	// normal law, of its logarithm for the lognormal one.
	Sigma float64 `json:"sigma"`
	// Outliers is the share of requests that take Factor times as long, 0 to 1.
	Outliers float64 `json:"outliers,omitempty"`
	Factor   float64 `json:"factor"`
}

// Family is a family of distributions.
type Family string

const (
	// Normal latencies are rare in the wild: symmetric, no tail.
	Normal Family = "normal"
	// Lognormal ones are common.
	Lognormal Family = "lognormal"
)

// Laws are the usual ones, by name, each with a mean of 100 ms.
func Laws() map[string]Law {
	const mean, twenty = 100 * time.Millisecond, 20
	return map[string]Law{
		"normal":    {Family: Normal, Mean: mean, Sigma: 0.15, Factor: twenty},
		"lognormal": {Family: Lognormal, Mean: mean, Sigma: 0.5, Factor: twenty},
		"heavy":     {Family: Lognormal, Mean: mean, Sigma: 1, Factor: twenty},
		"outliers":  {Family: Lognormal, Mean: mean, Sigma: 0.3, Outliers: 0.01, Factor: twenty},
	}
}

// String is the law in words.
func (l Law) String() string {
	s := fmt.Sprintf("%s latencies (sigma %g, mean %v)", l.Family, l.Sigma, l.Mean)
	if l.Outliers > 0 {
		s += fmt.Sprintf(" with %.3g %% that take %g times as long", 100*l.Outliers, l.Factor)
	}
	return s
}

// check says what is wrong with a law.
func (l Law) check() error {
	switch {
	case l.Family != Normal && l.Family != Lognormal:
		return fmt.Errorf("the family of latencies %q is unknown: normal or lognormal", l.Family)
	case l.Mean <= 0:
		return fmt.Errorf("the mean latency %v is not above 0", l.Mean)
	case !(l.Sigma >= 0 && l.Sigma <= 3):
		return fmt.Errorf("sigma %v is not between 0 and 3", l.Sigma)
	case !share(l.Outliers):
		return fmt.Errorf("the share of outliers %v is not between 0 and 1", l.Outliers)
	case !(l.Factor >= 1 && l.Factor <= 1e6):
		return errors.New("an outlier's factor is not between 1 and a million")
	}
	return nil
}

// share says whether x can be a share of something.
func share(x float64) bool { return x >= 0 && x <= 1 }

// scale is the mean latency, in ns, of a request that is no outlier.
func (l Law) scale() float64 { return float64(l.Mean) / (1 + l.Outliers*(l.Factor-1)) }

// draw returns one latency in units of scale.
func (l Law) draw(r *rand.Rand) float64 {
	x := r.NormFloat64()
	if l.Family == Normal {
		x = max(1+l.Sigma*x, 0.01)
	} else {
		x = math.Exp(l.Sigma * (x - l.Sigma/2))
	}
	if l.Outliers > 0 && r.Float64() < l.Outliers {
		x *= l.Factor
	}
	return x
}
