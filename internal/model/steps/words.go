package steps

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/words"
)

// Words counts the grams of a text, as CountVectorizer and HashingVectorizer do
// (sklearn/feature_extraction/text.py, _hash.py). The row is one text.
type Words struct {
	Splitter *words.Splitter
	// Vocabulary are the columns of the grams that count. Nil where grams are
	// hashed into Hashed columns.
	Vocabulary map[string]int32
	Hashed     int
	// Signed gives half of the hashes a minus (alternate_sign).
	Signed bool
	// Binary makes every count 1.
	Binary bool
}

// gramsOf is the memory of a text's way.
type gramsOf struct {
	grams words.Grams
	found []int64 // column<<1, and 1 for a minus
}

// Apply gives a row with At.
func (w *Words) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	g := &s.words
	w.Splitter.Split(row.Texts[0], &g.grams)
	g.found = g.found[:0]
	for i := range g.grams.Len() {
		gram := g.grams.At(i)
		if w.Vocabulary == nil {
			g.found = append(g.found, w.hash(gram))
		} else if column, ok := w.Vocabulary[string(gram)]; ok {
			g.found = append(g.found, int64(column)<<1)
		}
	}
	slices.Sort(g.found)
	out := Row{Numbers: s.numbers.take(len(g.found))[:0], At: s.at.take(len(g.found))[:0]}
	for _, f := range g.found {
		column := int32(f >> 1)
		if last := len(out.At) - 1; last < 0 || out.At[last] != column {
			out.Numbers, out.At = append(out.Numbers, 0), append(out.At, column)
		}
		out.Numbers[len(out.At)-1] += float64(1 - 2*(f&1))
	}
	if w.Binary {
		for k := range out.Numbers {
			out.Numbers[k] = 1
		}
	}
	return out, nil
}

// hash is the column and the sign of a gram (sklearn/feature_extraction/_hashing_fast.pyx).
func (w *Words) hash(gram []byte) int64 {
	h := int64(words.Hash(gram))
	minus := int64(0)
	if w.Signed && h < 0 {
		minus = 1
	}
	n := int64(w.Hashed)
	if h == math.MinInt32 {
		// Its absolute value is no 32-bit number, and is taken as this one.
		return (math.MaxInt32-(n-1))%n<<1 | minus
	}
	if h < 0 {
		h = -h
	}
	return h%n<<1 | minus
}

// Weigh makes of counts what TfidfTransformer does before it normalizes: the
// logarithm plus one, if Sublinear, and then times IDF, if not nil.
type Weigh struct {
	Sublinear bool
	IDF       []float64
}

// Apply changes the row in place. Zeros stay.
func (w *Weigh) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	for k, x := range row.Numbers {
		if x == 0 {
			continue
		}
		if w.Sublinear {
			x = math.Log(x) + 1
		}
		if w.IDF != nil {
			at := k
			if row.At != nil {
				at = int(row.At[k])
			}
			x *= w.IDF[at]
		}
		row.Numbers[k] = x
	}
	return numbersOf(row), nil
}
