package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// The encoding of evidence: a version byte, then unsigned varints.
//
//	1, elapsed in ns, looks, stable arm, canary arm
//	arm: count, failures, sum hi lo, squares hi lo, cells, then per cell: gap, n
//
// Only buckets that are not empty are written; gap is the number of empty
// buckets before one. A typical arm takes a few hundred bytes.
const codecVersion = 1

// MarshalBinary encodes the evidence. It never fails.
func (e *Evidence) MarshalBinary() ([]byte, error) {
	b := []byte{codecVersion}
	b = binary.AppendUvarint(b, uint64(e.Elapsed))
	b = binary.AppendUvarint(b, e.Looks)
	return e.Canary.append(e.Stable.append(b)), nil
}

func (a *Arm) append(b []byte) []byte {
	filled := uint64(0)
	for _, n := range &a.buckets {
		if n > 0 {
			filled++
		}
	}
	for _, v := range [...]uint64{a.Count, a.Failures, a.sum.hi, a.sum.lo, a.squares.hi, a.squares.lo, filled} {
		b = binary.AppendUvarint(b, v)
	}
	gap := uint64(0)
	for _, n := range &a.buckets {
		if n == 0 {
			gap++
			continue
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, gap), n)
		gap = 0
	}
	return b
}

// UnmarshalBinary decodes evidence and checks it against itself: what it
// accepts could have been observed. On an error e is left as it was.
func (e *Evidence) UnmarshalBinary(data []byte) error {
	if len(data) == 0 || data[0] != codecVersion {
		return fmt.Errorf("evidence is not of version %d", codecVersion)
	}
	r := reader{data: data[1:]}
	var decoded Evidence
	elapsed := r.uvarint()
	decoded.Elapsed = time.Duration(elapsed)
	decoded.Looks = r.uvarint()
	decoded.Stable.read(&r)
	decoded.Canary.read(&r)
	if r.err == nil && len(r.data) > 0 {
		r.fail("bytes are left over")
	}
	if decoded.Elapsed < 0 {
		r.fail("the elapsed time overflows")
	}
	if r.err != nil {
		return fmt.Errorf("decoding evidence: %w", r.err)
	}
	*e = decoded
	return nil
}

func (a *Arm) read(r *reader) {
	a.Count, a.Failures = r.uvarint(), r.uvarint()
	a.sum = uint128{r.uvarint(), r.uvarint()}
	a.squares = uint128{r.uvarint(), r.uvarint()}
	filled := r.uvarint()
	if filled > bucketCount {
		r.fail("there are more buckets than there can be")
	}
	total, next := uint64(0), uint64(0)
	for range filled {
		gap, n := r.uvarint(), r.uvarint()
		if r.err != nil {
			return
		}
		if gap >= bucketCount-next || n == 0 {
			r.fail("a bucket lies outside the histogram")
			return
		}
		next += gap
		a.buckets[next] = n
		next++
		var carry uint64
		if total, carry = bits.Add64(total, n, 0); carry > 0 {
			r.fail("the buckets overflow")
		}
		if next == bucketCount {
			break
		}
	}
	if total != a.Count {
		r.fail("the buckets do not add up to the count")
	}
	a.checkSums(r)
}

// checkSums tests what holds for any observations: the sum lies between the
// lower and the upper ends of their buckets, and (sum x)² <= n * sum x².
func (a *Arm) checkSums(r *reader) {
	if a.Count > 1<<48 {
		r.fail("the count overflows")
		return
	}
	var low, high uint128
	for i, n := range &a.buckets {
		if n > 0 {
			from, to := bucketRange(i)
			low.add(times(n, uint64(from)))
			high.add(times(n, uint64(to)))
		}
	}
	if a.sum.big().Cmp(low.big()) < 0 || a.sum.big().Cmp(high.big()) > 0 {
		r.fail("the sum does not fit the buckets")
	}
	if _, _, variance := a.Moments(); variance < 0 {
		r.fail("the sum of squares does not fit the sum")
	}
}

func times(a, b uint64) uint128 {
	hi, lo := bits.Mul64(a, b)
	return uint128{hi, lo}
}

// reader takes varints off a slice and remembers the first error.
type reader struct {
	data []byte
	err  error
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail("a number is cut short or too long")
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = errors.New(what)
	}
}
