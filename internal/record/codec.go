package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The encoding of evidence: a version byte, then unsigned varints.
//
//	evidence:   version, elapsed in ns, looks, number of stages, stages
//	stage:      share, 1 if settling or else 0, reference, stable, canary, fast, slow
//	reference:  0 = none; 1 = that of the stage before; 2, then an arm
//	an arm:     started, failures; in version 3, if failures > 0: panics, deadlines;
//	            abandoned, count; if count > 0: four sums, latencies, scores
//	blocks:     windows; if windows > 0: three sums; of each arm the portion's count and sum
//	a sum:      high and low 64 bits
//	counts:     length up to the last bucket that is not empty; of each bucket up to
//	            there its count; 0 is followed by how many buckets in a row are empty
//
// There is one encoding of an evidence, and others of the same are refused, so
// two are equal if their bytes are. A typical arm takes some hundred bytes.
//
// Replicas of one fleet may be of two releases while it is upgraded. Version 3 is used
// only where a failure was a panic or a missed deadline, so that a release that knows
// version 2 alone reads the evidence of all other canaries.
const (
	withoutKinds = 2
	withKinds    = 3
)

const (
	noReference = iota
	sameReference
	ownReference
)

// MarshalBinary encodes the evidence. It never fails.
func (e *Evidence) MarshalBinary() ([]byte, error) {
	b := []byte{withoutKinds}
	if e.kinds() {
		b[0] = withKinds
	}
	version := b[0]
	b = appendAll(b, uint64(e.Elapsed), e.Looks, uint64(len(e.Stages)))
	before := new(Arm)
	for i := range e.Stages {
		b = e.Stages[i].append(b, version, before)
		before = &e.Stages[i].Reference
	}
	return b, nil
}

// kinds says whether a failure is known by its kind.
func (e *Evidence) kinds() bool {
	return slices.ContainsFunc(e.Stages, func(s Stage) bool {
		return s.Reference.kinds() || s.Stable.kinds() || s.Canary.kinds()
	})
}

func (a *Arm) kinds() bool { return a.Panics+a.Deadlines > 0 }

func appendAll(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func appendSums(b []byte, sums ...int128) []byte {
	for _, s := range sums {
		b = appendAll(b, s.hi, s.lo)
	}
	return b
}

func (s *Stage) append(b []byte, version byte, before *Arm) []byte {
	settling := uint64(0)
	if s.Settling {
		settling = 1
	}
	b = appendAll(b, uint64(s.Share), settling)
	switch s.Reference {
	case Arm{}:
		b = appendAll(b, noReference)
	case *before:
		b = appendAll(b, sameReference)
	default:
		b = s.Reference.append(appendAll(b, ownReference), version)
	}
	b = s.Canary.append(s.Stable.append(b, version), version)
	return s.Slow.append(s.Fast.append(b))
}

func (a *Arm) append(b []byte, version byte) []byte {
	b = appendAll(b, a.Started, a.Failures)
	if version == withKinds && a.Failures > 0 {
		b = appendAll(b, a.Panics, a.Deadlines)
	}
	b = appendAll(b, a.Abandoned, a.Count)
	if a.Count == 0 {
		return b
	}
	b = appendSums(b, a.sum, a.squares, a.ln, a.lnSquares)
	return appendCounts(appendCounts(b, a.latencies[:]), a.scores[:])
}

func (b *Blocks) append(to []byte) []byte {
	to = appendAll(to, b.windows)
	if b.windows == 0 {
		return to
	}
	to = appendSums(to, b.w, b.s1, b.s2)
	for _, p := range [...]portion{b.stable, b.canary} {
		to = appendSums(appendAll(to, p.n), p.ln)
	}
	return to
}

func appendCounts(b []byte, counts []uint64) []byte {
	for len(counts) > 0 && counts[len(counts)-1] == 0 {
		counts = counts[:len(counts)-1]
	}
	b = appendAll(b, uint64(len(counts)))
	for i := 0; i < len(counts); i++ {
		if b = appendAll(b, counts[i]); counts[i] > 0 {
			continue
		}
		gap := 1
		for counts[i+gap] == 0 {
			gap++
		}
		b = appendAll(b, uint64(gap))
		i += gap - 1
	}
	return b
}

// UnmarshalBinary decodes evidence and checks it against itself: what it
// accepts could have been observed. On an error e is left as it was. Memory
// grows with the bytes that are there, not with what they claim.
func (e *Evidence) UnmarshalBinary(data []byte) error {
	if len(data) == 0 {
		return errors.New("evidence is empty: not even its version is there")
	}
	if data[0] != withoutKinds && data[0] != withKinds {
		return fmt.Errorf("evidence is of version %d, this serin reads versions %d and %d", data[0], withoutKinds, withKinds)
	}
	r := reader{data: data[1:], version: data[0]}
	decoded := Evidence{Elapsed: time.Duration(r.uvarint()), Looks: r.counter()}
	if decoded.Elapsed < 0 {
		r.fail("the elapsed time overflows")
	}
	stages := r.atMost(mostStages, "a rollout has at most 33 stages")
	before := new(Arm)
	for i := uint64(0); i < stages && r.err == nil; i++ {
		decoded.Stages = append(decoded.Stages, Stage{})
		s := &decoded.Stages[i]
		s.read(&r, before)
		before = &s.Reference
	}
	if r.err == nil && len(r.data) > 0 {
		r.fail("bytes are left over")
	}
	if r.version == withKinds && !decoded.kinds() {
		r.fail("kinds of failures are written down without need")
	}
	if r.err == nil {
		decoded.check(&r)
	}
	if r.err != nil {
		return fmt.Errorf("decoding evidence: %w", r.err)
	}
	*e = decoded
	return nil
}

func (s *Stage) read(r *reader, before *Arm) {
	s.Share = uint32(r.atMost(mostShare, "a share is more than the whole"))
	if s.Share == 0 {
		r.fail("a share is nothing")
	}
	s.Settling = r.atMost(1, "a stage is settling or not") == 1
	switch r.atMost(ownReference, "a reference is of no known kind") {
	case sameReference:
		if s.Reference = *before; s.Reference == (Arm{}) {
			r.fail("there is no reference before")
		}
	case ownReference:
		if s.Reference.read(r); s.Reference.Count == 0 || s.Reference == *before {
			r.fail("a reference is written down without need")
		}
	}
	s.Stable.read(r)
	s.Canary.read(r)
	s.Fast.read(r)
	s.Slow.read(r)
}

func (a *Arm) read(r *reader) {
	a.Started, a.Failures = r.counter(), r.counter()
	if r.version == withKinds && a.Failures > 0 {
		a.Panics = r.atMost(a.Failures, "more panics than failures")
		a.Deadlines = r.atMost(a.Failures-a.Panics, "more kinds of failures than failures")
	}
	a.Abandoned, a.Count = r.counter(), r.counter()
	if a.Count > 0 {
		a.sum, a.squares, a.ln, a.lnSquares = r.sum(), r.sum(), r.sum(), r.sum()
		r.counts(a.latencies[:])
		r.counts(a.scores[:])
	}
}

func (b *Blocks) read(r *reader) {
	if b.windows = r.counter(); b.windows > 0 {
		b.w, b.s1, b.s2 = r.sum(), r.sum(), r.sum()
		b.stable = portion{r.counter(), r.sum()}
		b.canary = portion{r.counter(), r.sum()}
	}
}

// reader takes numbers off a slice and remembers the first error; after one,
// all numbers are 0.
type reader struct {
	data    []byte
	version byte
	err     error
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.data)
	if n <= 0 || n > 1 && r.data[n-1] == 0 {
		r.fail("a number is cut short or too long")
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) atMost(limit uint64, otherwise string) uint64 {
	v := r.uvarint()
	if v > limit {
		r.fail(otherwise)
		return 0
	}
	return v
}

func (r *reader) counter() uint64 { return r.atMost(mostCounted, "a counter overflows") }

func (r *reader) sum() int128 { return int128{r.uvarint(), r.uvarint()} }

// counts fills empty buckets.
func (r *reader) counts(into []uint64) {
	length := r.atMost(uint64(len(into)), "there are more buckets than there can be")
	for i := uint64(0); i < length && r.err == nil; i++ {
		n := r.counter()
		if n == 0 {
			gap := r.uvarint()
			if gap == 0 || gap >= length-i {
				r.fail("a gap between buckets has no end")
				return
			}
			i += gap
			if n = r.counter(); n == 0 {
				r.fail("a gap between buckets is followed by another")
			}
		}
		into[i] = n
	}
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}
