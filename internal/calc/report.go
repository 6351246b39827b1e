package calc

import "serin/internal/stats"

// pvalues are the p-values of a test; P is the one that was asked for.
type pvalues struct {
	P           float64 `json:"p"`
	LogP        float64 `json:"log_p"`
	PGreater    float64 `json:"p_greater"`
	LogPGreater float64 `json:"log_p_greater"`
	PLess       float64 `json:"p_less"`
	LogPLess    float64 `json:"log_p_less"`
}

func (d direction) pvalues(both, above, below stats.PValue) pvalues {
	p := map[direction]stats.PValue{twoSided: both, greater: above, less: below}[d]
	return pvalues{p.P, p.Log, above.P, above.Log, below.P, below.Log}
}

type samplesQuestion struct {
	X           []float64 `json:"x"`
	Y           []float64 `json:"y"`
	Alternative direction `json:"alternative"`
}

// computed tells how a p-value was; PAsymptotic is beside an exact one because
// other programs may have that.
type computed struct {
	Method      string  `json:"method"`
	PAsymptotic float64 `json:"p_asymptotic"`
}

func computedBy(method stats.Method, asymptotic pvalues) computed {
	word := map[stats.Method]string{stats.Exact: "exact", stats.Asymptotic: "asymptotic"}[method]
	return computed{word, asymptotic.P}
}

type mannWhitneyAnswer struct {
	// U is sample 2's and U1 sample 1's; ShareHigher is U/(n1 n2).
	U           float64 `json:"u"`
	U1          float64 `json:"u1"`
	ShareHigher float64 `json:"share_higher"`
	pvalues
	computed
}

func askMannWhitney(q samplesQuestion) (mannWhitneyAnswer, error) {
	r, err := stats.MannWhitney(q.X, q.Y, stats.Auto)
	if err != nil {
		return mannWhitneyAnswer{}, err
	}
	normal, err := stats.MannWhitney(q.X, q.Y, stats.Asymptotic)
	return mannWhitneyAnswer{
		U: r.U2, U1: r.U1, ShareHigher: r.Higher,
		pvalues:  q.Alternative.pvalues(r.TwoSided, r.Greater, r.Less),
		computed: computedBy(r.Method, q.Alternative.pvalues(normal.TwoSided, normal.Greater, normal.Less)),
	}, err
}

type ksAnswer struct {
	D        float64 `json:"d"`
	Location float64 `json:"location"`
	Sign     int     `json:"sign"`
	DGreater float64 `json:"d_greater"`
	DLess    float64 `json:"d_less"`
	pvalues
	computed
}

func askKolmogorovSmirnov(q samplesQuestion) (ksAnswer, error) {
	r, err := stats.KolmogorovSmirnov(q.X, q.Y, stats.Auto)
	if err != nil {
		return ksAnswer{}, err
	}
	limit, err := stats.KolmogorovSmirnov(q.X, q.Y, stats.Asymptotic)
	return ksAnswer{
		D: r.D, Location: r.Location, Sign: r.Sign, DGreater: r.DGreater, DLess: r.DLess,
		pvalues:  q.Alternative.pvalues(r.TwoSided, r.Greater, r.Less),
		computed: computedBy(r.Method, q.Alternative.pvalues(limit.TwoSided, limit.Greater, limit.Less)),
	}, err
}

type fisherQuestion struct {
	Table       [][]uint64 `calc:"optional" json:"table"`
	A           *uint64    `calc:"optional" json:"a"`
	B           *uint64    `calc:"optional" json:"b"`
	C           *uint64    `calc:"optional" json:"c"`
	D           *uint64    `calc:"optional" json:"d"`
	Alternative direction  `json:"alternative"`
}

type fisherAnswer struct {
	// OddsRatio is null where b or c is 0.
	OddsRatio *float64 `json:"odds_ratio"`
	pvalues
}

func askFisher(q fisherQuestion) (fisherAnswer, error) {
	cells := []given{{"a", q.A != nil}, {"b", q.B != nil}, {"c", q.C != nil}, {"d", q.D != nil}}
	whole, err := either([]given{{"table", q.Table != nil}}, cells)
	if err != nil {
		return fisherAnswer{}, err
	}
	if whole {
		if len(q.Table) != 2 || len(q.Table[0]) != 2 || len(q.Table[1]) != 2 {
			return fisherAnswer{}, wrong("table", "has not two rows of two counts; give [[a,b],[c,d]]")
		}
		q.A, q.B, q.C, q.D = &q.Table[0][0], &q.Table[0][1], &q.Table[1][0], &q.Table[1][1]
	}
	r, err := stats.Fisher(*q.A, *q.B, *q.C, *q.D)
	answer := fisherAnswer{pvalues: q.Alternative.pvalues(r.TwoSided, r.Greater, r.Less)}
	if !r.NoOddsRatio {
		answer.OddsRatio = &r.OddsRatio
	}
	return answer, err
}

type proportionsQuestion struct {
	X1          *uint64   `json:"x1"`
	N1          *uint64   `json:"n1"`
	X2          *uint64   `json:"x2"`
	N2          *uint64   `json:"n2"`
	Alternative direction `json:"alternative"`
	Confidence  float64   `json:"confidence"`
}

type proportionsAnswer struct {
	Rate1 float64 `json:"rate1"`
	Rate2 float64 `json:"rate2"`
	Diff  float64 `json:"diff"`
	Z     float64 `json:"z"`
	pvalues

	CI [2]float64 `json:"ci"`
}

func askProportions(q proportionsQuestion) (proportionsAnswer, error) {
	r, err := stats.Proportions(*q.X1, *q.N1, *q.X2, *q.N2, q.Confidence)
	return proportionsAnswer{
		Rate1: r.Rate1, Rate2: r.Rate2, Diff: r.Diff, Z: r.Z,
		pvalues: q.Alternative.pvalues(r.TwoSided, r.Greater, r.Less), CI: [2]float64{r.Low, r.High},
	}, err
}

type psiQuestion struct {
	Expected []uint64 `json:"expected"`
	Actual   []uint64 `json:"actual"`
}

type psiAnswer struct {
	PSI    float64 `json:"psi"`
	Noise  float64 `json:"noise"`
	Halves int     `json:"halves"`
}

func askPSI(q psiQuestion) (psiAnswer, error) {
	r, err := stats.PSI(q.Expected, q.Actual)
	return psiAnswer{r.PSI, r.Noise, r.Halves}, err
}
