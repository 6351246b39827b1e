package record

import "math/big"

// check tests what holds for any observations. Requests that were in flight
// when a stage began end in it without having started in it, and so do clients
// that went away; so those counters are held against each other as they had run
// up by the end of each stage.
func (e *Evidence) check(r *reader) {
	if e.counted() > mostCounted {
		r.fail("the counters overflow")
	}
	var stable, canary Arm
	for i := range e.Stages {
		s := &e.Stages[i]
		for _, a := range [...]*Arm{&s.Reference, &s.Stable, &s.Canary} {
			a.check(r)
		}
		for _, b := range [...]*Blocks{&s.Fast, &s.Slow} {
			b.check(r, s)
		}
		if r.err != nil {
			return
		}
		stable.count(&s.Stable)
		canary.count(&s.Canary)
		for _, a := range [...]*Arm{&stable, &canary} {
			if a.Started < a.Count+a.Failures {
				r.fail("more requests ended than began")
			}
			if a.Abandoned > a.Count {
				r.fail("more answers were abandoned than there are")
			}
		}
	}
}

// check tests the arm's sums against its buckets, which bound them, and against
// each other: (sum x)² <= n sum x².
func (a *Arm) check(r *reader) {
	var n, scored uint64
	var low, high Arm // an arm of the least, and of the largest values that fit the buckets
	for i, here := range &a.latencies {
		if here == 0 {
			continue
		}
		n += here
		from, to := BucketRange(i)
		low.repeat(uint64(from), -1, here)
		high.repeat(min(uint64(to), longest), 1, here)
	}
	for _, here := range &a.scores {
		scored += here
	}
	switch {
	case n != a.Count:
		r.fail("the buckets do not add up to the count")
	case scored > a.Count:
		r.fail("there are more scores than observations")
	case !between(low.sum, a.sum, high.sum) || !between(low.squares, a.squares, high.squares):
		r.fail("the sums do not fit the buckets")
	case !between(low.ln, a.ln, high.ln) || !between(low.lnSquares, a.lnSquares, high.lnSquares):
		r.fail("the sums of logarithms do not fit the buckets")
	case !schwarz(a.sum, a.Count, a.squares) || !schwarz(a.ln, a.Count, a.lnSquares):
		r.fail("the sums of squares do not fit the sums")
	}
}

// repeat adds n observations of one latency to the sums; their logarithms are
// those of the end of a bucket, which the rounding of others may pass by one.
func (a *Arm) repeat(ns uint64, beyond int64, n uint64) {
	ln := uint64(max(0, int64(fixedLn(ns))+beyond))
	a.sum.add(times(ns, n))
	a.squares.add(timesWide(times(ns, ns), n))
	a.ln.add(times(ln, n))
	a.lnSquares.add(timesWide(times(ln, ln), n))
}

func between(low, x, high int128) bool {
	return low.big().Cmp(x.big()) <= 0 && x.big().Cmp(high.big()) <= 0
}

func schwarz(sum int128, n uint64, squares int128) bool {
	s := sum.big()
	return s.Mul(s, s).Cmp(new(big.Int).Mul(new(big.Int).SetUint64(n), squares.big())) <= 0
}

// check tests the windows' sums against what their windows hold of the arms,
// and that against the arms. With n windows, each sum may have been rounded
// down by less than n quanta.
func (b *Blocks) check(r *reader, s *Stage) {
	if b.windows == 0 {
		return
	}
	if !b.stable.within(&s.Stable) || !b.canary.within(&s.Canary) || b.windows > min(b.stable.n, b.canary.n) {
		r.fail("windows hold more than their arms")
		return
	}
	ns, nc := new(big.Int).SetUint64(b.stable.n), new(big.Int).SetUint64(b.canary.n)
	rounding := new(big.Int).SetUint64(b.windows)
	// w is at least 1/2 in each window, and at most what one window of all would have.
	w, s1, s2 := b.w.big(), b.s1.big(), b.s2.big()
	least := new(big.Int).Lsh(rounding, blockDigits-1)
	most := new(big.Int).Lsh(new(big.Int).Mul(ns, nc), blockDigits)
	most.Div(most, ns.Add(ns, nc))
	if w.Cmp(least) < 0 || w.Cmp(most) > 0 {
		r.fail("the weights of windows do not fit what they hold")
		return
	}
	// |D| is at most lnMax, so sum w D² is at most W lnMax²; and (sum w D)² <= W sum w D².
	w.Add(w, rounding)
	largest := new(big.Int).Mul(big.NewInt(lnMax), big.NewInt(lnMax))
	largest.Rsh(largest.Mul(largest, w), 2*lnDigits)
	if s2.Sign() < 0 || s2.Cmp(largest) > 0 {
		r.fail("the sums of windows do not fit their weights")
		return
	}
	s2.Add(s2, rounding)
	s1.Sub(s1.Abs(s1), rounding)
	if s1.Sign() > 0 && s1.Mul(s1, s1).Cmp(w.Mul(w, s2)) > 0 {
		r.fail("the sums of windows do not fit each other")
	}
}

// within says whether an arm can hold the portion and a rest beside it.
func (p portion) within(a *Arm) bool {
	possible := func(p portion) bool { return between(int128{}, p.ln, times(p.n, lnMax)) }
	return p.n <= a.Count && possible(p) && possible(a.without(p))
}
