package record

import "math/big"

// Blocks are sums over closed windows of time, in each of which both arms were
// observed. With n_s and n_c observations of stable and canary in a window and
// D the difference of their means of ln(latency), canary minus stable,
//
//	N = number of windows
//	W = sum w,  S1 = sum w D,  S2 = sum w D²,   w = n_s n_c / (n_s + n_c)
//
// A difference within a window is free of whatever both arms share in it, such
// as load. Each term is computed in whole numbers and rounded down to 2^-64
// once, when its window closes; from there on all is exact, and replicas that
// cannot align their windows just add theirs.
//
// The zero value has no windows. A Trail closes them.
type Blocks struct {
	windows   uint64
	w, s1, s2 int128 // in 2^-64
	// stable and canary are what the closed windows hold of their arms; the rest
	// of an arm is in the window that is open. So a restart loses no window.
	stable, canary portion
}

// portion is a part of an arm's observations: how many, and the sum of their
// logarithms.
type portion struct {
	n  uint64
	ln int128
}

// without is what an arm holds beside a portion of it.
func (a *Arm) without(p portion) portion {
	rest := portion{a.Count, a.ln}
	rest.n -= p.n
	rest.ln.sub(p.ln)
	return rest
}

// blockDigits is the quantum of the sums, 2^-64. Of 2^46 observations W is at
// most 2^44, S1 2^49 and S2 2^54, so 128 bits hold all.
const blockDigits = 64

// close ends the open window at what the arms hold now. A window in which one
// arm has nothing compares nothing: it stays open.
func (b *Blocks) close(stable, canary *Arm) {
	s, c := stable.without(b.stable), canary.without(b.canary)
	if s.n == 0 || c.n == 0 {
		return
	}
	ns, nc := new(big.Int).SetUint64(s.n), new(big.Int).SetUint64(c.n)
	both, product := new(big.Int).Add(ns, nc), new(big.Int).Mul(ns, nc)
	// cross = n_s n_c D in 2^-32, so w D = cross / both and w D² = cross² / (product both).
	cross := new(big.Int).Mul(c.ln.big(), ns)
	cross.Sub(cross, new(big.Int).Mul(s.ln.big(), nc))
	b.windows++
	b.w.add(floor(new(big.Int).Lsh(product, blockDigits), both))
	b.s1.add(floor(new(big.Int).Lsh(cross, blockDigits-lnDigits), both))
	b.s2.add(floor(new(big.Int).Mul(cross, cross), product.Mul(product, both)))
	b.stable, b.canary = portion{stable.Count, stable.ln}, portion{canary.Count, canary.ln}
}

// floor divides by a positive number and rounds down.
func floor(a, b *big.Int) int128 { return fromBig(a.Div(a, b)) }

// Add merges other windows into these. The order does not matter.
func (b *Blocks) Add(other *Blocks) {
	b.windows += other.windows
	b.w.add(other.w)
	b.s1.add(other.s1)
	b.s2.add(other.s2)
	b.stable.add(other.stable)
	b.canary.add(other.canary)
}

func (p *portion) add(q portion) {
	p.n += q.n
	p.ln.add(q.ln)
}

// Sums returns N, W, S1 and S2: W counts observations, S1 is in units of ln,
// S2 of ln².
func (b *Blocks) Sums() (n, w, s1, s2 float64) {
	return float64(b.windows), b.w.float(-blockDigits), b.s1.float(-blockDigits), b.s2.float(-blockDigits)
}
