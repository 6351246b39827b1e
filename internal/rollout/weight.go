package rollout

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Weight is a share of the requests in ten-thousandths: 1000 is 10 %. An
// integer, so that the split can be exact and two replicas cannot disagree
// about rounding. In JSON it is the fraction: 0.1.
type Weight int

// whole is the weight of all requests.
const whole Weight = 10000

func (w Weight) valid() bool { return w >= 1 && w <= whole }

// ParseWeight reads a share as people write it: "10%", "0.1", "12.5 %".
func ParseWeight(s string) (Weight, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return 0, fmt.Errorf("weight %q is not a number: write a share like 10%% or 0.1", s)
	}
	if percent {
		f /= 100
	}
	return WeightOf(f)
}

// WeightOf rounds a fraction, above 0 and at most 1, to a Weight.
func WeightOf(fraction float64) (Weight, error) {
	w := Weight(0)
	if fraction > 0 && fraction <= 1 {
		w = Weight(math.Round(fraction * float64(whole)))
	}
	if w == 0 && fraction > 1 && fraction <= 100 {
		return 0, fmt.Errorf("weight %v is more than all of the traffic: for a percentage write %v%% or %v", fraction, fraction, fraction/100)
	}
	if w == 0 {
		return 0, fmt.Errorf("weight %v is not a share of the traffic: use 0.0001 (0.01%%) to 1 (100%%)", fraction)
	}
	return w, nil
}

// Fraction is the share as a number between 0 and 1.
func (w Weight) Fraction() float64 { return float64(w) / float64(whole) }

// String is the share in percent: "10%".
func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/100, 'f', -1, 64) + "%"
}

// Ratio is the share in lowest terms: of every block of requests, canaries go
// to the canary. 10 % is 1 of 10, 15 % is 3 of 20.
func (w Weight) Ratio() (canaries, block uint64) {
	a, b := uint64(w), uint64(whole)
	for b != 0 {
		a, b = b, a%b
	}
	return uint64(w) / a, uint64(whole) / a
}

// MarshalJSON writes the fraction.
func (w Weight) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, w.Fraction(), 'g', -1, 64), nil
}

// UnmarshalJSON reads the fraction.
func (w *Weight) UnmarshalJSON(data []byte) error {
	f, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("weight %s is not a number", data)
	}
	*w, err = WeightOf(f)
	return err
}
