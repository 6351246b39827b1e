package calc

import (
	"slices"
	"strings"

	"serin/internal/stats"
)

// Kinds are all of them, in the order of the help. Nobody changes them.
var Kinds = []Kind{
	kind("welch", "Welch's t-test of the means, from summaries or from values",
		[]string{`{"n1":180,"mean1":12.5,"var1":4,"n2":20,"mean2":14,"var2":9}`, `{"x":[1,2,4],"y":[2,3,5,7],"confidence":0.99}`},
		welchQuestion{Confidence: 0.95}, askWelch),
	kind("power", "power of a t-test for a difference of d standard deviations",
		[]string{`{"d":0.5,"n1":64,"ratio":1,"alpha":0.05,"alternative":"greater"}`},
		powerQuestion{plan: plan{Ratio: 1, Alpha: 0.05, Alternative: twoSided}}, askPower),
	kind("samplesize", "numbers of values that a t-test needs for a power",
		[]string{`{"d":0.5,"power":0.8,"alpha":0.05,"ratio":1,"alternative":"two-sided"}`},
		sizeQuestion{plan: plan{Ratio: 1, Alpha: 0.05, Alternative: twoSided}}, askSize),
	kind("mannwhitney", "Mann-Whitney U test; u counts the pairs in which y is higher, u1 those in which x is",
		[]string{`{"x":[1.1,2.5,3.2],"y":[2.4,4.1,5.9,6.6],"alternative":"greater"}`},
		samplesQuestion{Alternative: twoSided}, askMannWhitney),
	kind("ks", "two-sample Kolmogorov-Smirnov test; at location, x's distribution function is above y's if sign is 1",
		[]string{`{"x":[1.1,2.5,3.2],"y":[2.4,4.1,5.9,6.6]}`},
		samplesQuestion{Alternative: twoSided}, askKolmogorovSmirnov),
	kind("fisher", "Fisher's exact test of a 2x2 table; greater here is an odds ratio ad/(bc) above 1, as in SciPy",
		[]string{`{"table":[[8,2],[1,5]]}`, `{"a":8,"b":2,"c":1,"d":5,"alternative":"less"}`},
		fisherQuestion{Alternative: twoSided}, askFisher),
	kind("proportions", "z-test of two proportions with pooled variance, and Newcombe's interval of their difference",
		[]string{`{"x1":12,"n1":1000,"x2":30,"n2":900}`},
		proportionsQuestion{Alternative: twoSided, Confidence: 0.95}, askProportions),
	kind("psi", "population stability index; halves: bins empty on one side, where 1/2 is counted; noise: its mean if nothing moved",
		[]string{`{"expected":[100,200,100],"actual":[30,35,35]}`},
		psiQuestion{}, askPSI),
	kind("mixture", "normal-mixture e-process of a standardised mean z at clock n",
		[]string{`{"z":2.5,"n":250,"rho":39.5}`},
		mixtureQuestion{}, askMixture),
	kind("label", "label e-process of event counts, pi the canary's share; log_e against: its rate is at most ratio times stable's",
		[]string{`{"canary":12,"stable":40,"pi":0.1,"ratio":1,"concentration":10}`},
		labelQuestion{Ratio: 1, Concentration: 10}, askLabel),
	kind("drift", "drift e-process of counts by bin, pi the canary's share",
		[]string{`{"canary":[5,9,20],"stable":[100,100,100],"pi":0.1,"concentrations":[10,100]}`},
		driftQuestion{Concentrations: []float64{10, 100}}, askDrift),
}

type welchQuestion struct {
	N1         *uint64   `calc:"optional" json:"n1"`
	Mean1      *float64  `calc:"optional" json:"mean1"`
	Var1       *float64  `calc:"optional" json:"var1"`
	N2         *uint64   `calc:"optional" json:"n2"`
	Mean2      *float64  `calc:"optional" json:"mean2"`
	Var2       *float64  `calc:"optional" json:"var2"`
	X          []float64 `calc:"optional" json:"x"`
	Y          []float64 `calc:"optional" json:"y"`
	Confidence float64   `json:"confidence"`
}

type welchAnswer struct {
	T           float64    `json:"t"`
	DF          float64    `json:"df"`
	P           float64    `json:"p"`
	LogP        float64    `json:"log_p"`
	PGreater    float64    `json:"p_greater"`
	LogPGreater float64    `json:"log_p_greater"`
	Diff        float64    `json:"diff"`
	SE          float64    `json:"se"`
	CI          [2]float64 `json:"ci"`
	NoVariance  bool       `json:"no_variance,omitzero"`
}

func askWelch(q welchQuestion) (welchAnswer, error) {
	summaries := []given{
		{"n1", q.N1 != nil}, {"mean1", q.Mean1 != nil}, {"var1", q.Var1 != nil},
		{"n2", q.N2 != nil}, {"mean2", q.Mean2 != nil}, {"var2", q.Var2 != nil},
	}
	first, err := either(summaries, []given{{"x", q.X != nil}, {"y", q.Y != nil}})
	if err != nil {
		return welchAnswer{}, err
	}
	var r stats.WelchTest
	if first {
		r, err = stats.Welch(
			stats.Sample{N: int64(*q.N1), Mean: *q.Mean1, Variance: *q.Var1},
			stats.Sample{N: int64(*q.N2), Mean: *q.Mean2, Variance: *q.Var2}, q.Confidence)
	} else {
		r, err = stats.WelchValues(q.X, q.Y, q.Confidence)
	}
	return welchAnswer{
		T: r.T, DF: r.DF, P: r.P, LogP: r.LogP, PGreater: r.PGreater, LogPGreater: r.LogPGreater,
		Diff: r.Diff, SE: r.SE, CI: [2]float64{r.Low, r.High}, NoVariance: r.NoVariance,
	}, err
}

// given tells whether a line has a field.
type given struct {
	name string
	is   bool
}

// either asks for all fields of one of two ways to ask, and none of the other.
func either(one, other []given) (first bool, err error) {
	has := func(g given) bool { return g.is }
	first = !slices.ContainsFunc(other, has)
	if !first && slices.ContainsFunc(one, has) {
		extra := one[slices.IndexFunc(one, has)].name
		return false, wrong(extra, "does not go with %s; give one or the other", other[slices.IndexFunc(other, has)].name)
	}
	if !first {
		one, other = other, one
	}
	for _, g := range one {
		if !g.is {
			return first, wrong(g.name, "is missing; give %s, or instead %s", names(one), names(other))
		}
	}
	return first, nil
}

func names(fields []given) string {
	var list []string
	for _, g := range fields {
		list = append(list, g.name)
	}
	return strings.Join(list, ", ")
}

// plan is what power and samplesize have in common.
type plan struct {
	D           *float64  `json:"d"`
	Ratio       float64   `json:"ratio"`
	Alpha       float64   `json:"alpha"`
	Alternative direction `json:"alternative"`
}

// design is the plan as stats has it: "less" is "greater" with d turned round.
func (p plan) design() (d stats.Design, effect float64) {
	d, effect = stats.Design{Ratio: p.Ratio, Alpha: p.Alpha}, *p.D
	switch p.Alternative {
	case greater:
		d.Alternative = stats.Greater
	case less:
		d.Alternative, effect = stats.Greater, -effect
	}
	return d, effect
}

type powerQuestion struct {
	plan

	N1 *float64 `json:"n1"`
}

type powerReached struct {
	Power float64 `json:"power"`
}

func askPower(q powerQuestion) (powerReached, error) {
	d, effect := q.design()
	power, err := d.Power(effect, *q.N1)
	return powerReached{power}, err
}

type sizeQuestion struct {
	plan

	Power *float64 `json:"power"`
}

type sizeAnswer struct {
	N1Exact float64 `json:"n1_exact"`
	N2Exact float64 `json:"n2_exact"`
	N1      int64   `json:"n1"`
	N2      int64   `json:"n2"`
	// Power is what N1 and N2 reach.
	Power float64 `json:"power"`
}

func askSize(q sizeQuestion) (sizeAnswer, error) {
	d, effect := q.design()
	s, err := d.SampleSize(effect, *q.Power)
	if err != nil {
		return sizeAnswer{}, err
	}
	d.Ratio = float64(s.N2) / float64(s.N1)
	power, err := d.Power(effect, float64(s.N1))
	return sizeAnswer{s.Exact1, s.Exact2, s.N1, s.N2, power}, err
}
