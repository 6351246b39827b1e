package onnx

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"serin/internal/model"
	"serin/internal/model/graph"
)

// Texts: lower case, words, and how often each n-gram occurs. The three
// operators follow each other in every text model. How many words a text has is
// not known while loading, so that a tokenizer gives its words as one element a
// text, of a type that only the vectorizer takes.

// stringNormalizer is StringNormalizer without stop words.
func stringNormalizer(c *graph.Call) {
	c.AtMost(1, 1)
	c.Ignore("is_case_sensitive", "locale") // of stop words; Go's mapping needs no locale
	if len(c.Texts("stopwords")) > 0 {
		c.Refuse("removes stop words")
	}
	change := map[string]func(string) string{"LOWER": strings.ToLower, "UPPER": strings.ToUpper, "NONE": strings.Clone}[c.Text("case_change_action", "NONE")]
	if change == nil {
		c.Refuse("changes the case in a way that serin does not know")
	}
	c.Give(0, graph.Each(c, c.Input(0), change))
}

// tokenizer is ONNX Runtime's Tokenizer with a regular expression. Both sides
// have RE2's; the longest match counts.
// Source: contrib_ops/cpu/tokenizer.cc.
func tokenizer(c *graph.Call) {
	c.AtMost(1, 1)
	c.Ignore("pad_value") // fills up rows of a batch; a row alone needs no filling
	list, ok := c.Input(0).Data.([]string)
	if !ok || c.Flag("mark") || c.Input(0).Rank() > 2 {
		c.Refuse("takes a %s tensor, or marks its words", c.Input(0).Kind())
	}
	least, text := c.Int("mincharnum", 1), c.Text("tokenexp", "")
	expression, err := regexp.Compile(text)
	if err != nil || text == "" {
		c.Refuse("has no regular expression that can be used")
	}
	expression.Longest()
	c.Spend(24 * len(list))
	tokens := make([][]string, len(list))
	c.Give(0, &graph.Tensor{Shape: append(slices.Clone(c.Input(0).Shape), 1), Data: tokens})
	c.Always(func() {
		for i, text := range list {
			words := tokens[i][:0]
			for {
				at := expression.FindStringIndex(text)
				if at == nil {
					break
				}
				if word := text[at[0]:at[1]]; word != "" && utf8.RuneCountInString(word) >= least {
					words = append(words, word)
				}
				end := at[1]
				if at[0] == at[1] { // an empty match: go on behind the next letter
					_, size := utf8.DecodeRuneInString(text[end:])
					if end += size; size == 0 {
						break
					}
				}
				text = text[end:]
			}
			tokens[i] = words
		}
	})
}

// vocabulary is TfIdfVectorizer as it was fitted.
type vocabulary struct {
	column   map[string]int // of an n-gram; see gram
	weights  []float32      // of columns; nil: all 1
	width    int
	min, max int // words in an n-gram
	skips    int // words that may be left out between two of an n-gram
	count    bool
}

// gram appends a word to the key of an n-gram.
func gram(key []byte, word string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(word))), word...)
}

func newVocabulary(c *graph.Call) *vocabulary {
	v := &vocabulary{column: make(map[string]int), min: c.Int("min_gram_length", 0), max: c.Int("max_gram_length", 0), skips: c.Int("max_skip_count", 0)}
	pool, counts, indexes := c.Texts("pool_strings"), c.Ints("ngram_counts"), c.Ints("ngram_indexes")
	const longest = 16
	if v.min < 1 || v.max < v.min || v.max > longest || v.skips < 0 || v.skips > longest || len(pool) == 0 || len(counts) < v.max {
		c.Refuse("has %d words in n-grams of %d to %d", len(pool), v.min, v.max)
	}
	next := 0
	for n := range counts {
		size, end := n+1, int64(len(pool))
		if n+1 < len(counts) {
			end = counts[n+1]
		}
		if counts[n] < 0 || end < counts[n] || end > int64(len(pool)) || (end-counts[n])%int64(size) != 0 || n == 0 && counts[0] != 0 {
			c.Refuse("divides its words into n-grams at %v", counts)
		}
		for at := counts[n]; at < end; at += int64(size) {
			if next >= len(indexes) || indexes[next] < 0 || indexes[next] > int64(len(pool)) {
				c.Refuse("has %d columns", len(indexes))
			}
			var key []byte
			for _, word := range pool[at : at+int64(size)] {
				key = gram(key, word)
			}
			v.column[string(key)] = int(indexes[next])
			v.width = max(v.width, int(indexes[next])+1)
			next++
		}
	}
	if next != len(indexes) {
		c.Refuse("has %d n-grams and %d columns", next, len(indexes))
	}
	weights := c.Floats("weights")
	switch mode := c.Text("mode", ""); mode {
	case "TF":
		v.count = true
		return v
	case "IDF", "TFIDF":
		v.count = mode == "TFIDF"
	default:
		c.Refuse("has the mode %s", model.Quote(mode))
	}
	if weights == nil {
		return v
	}
	v.weights = make([]float32, v.width)
	for i, column := range indexes {
		if len(weights) != len(indexes) || int(column) != i {
			c.Refuse("has %d weights for %d columns, or columns in another order", len(weights), len(indexes))
		}
		v.weights[column] = weights[i]
	}
	return v
}

// tfIdf is TfIdfVectorizer over words.
// Source: core/providers/cpu/nn/tfidfvectorizer.cc.
func tfIdf(c *graph.Call) {
	c.AtMost(1, 1)
	v := graph.Prepare(c, func() *vocabulary { return newVocabulary(c) })
	t := c.Input(0)
	var words [][]string
	switch d := t.Data.(type) {
	case [][]string:
		words = d
	case []string:
		if t.Rank() == 0 {
			c.Refuse("takes a single text")
		}
		width := t.Shape[t.Rank()-1]
		for at := 0; at < len(d); at += width {
			words = append(words, d[at:at+width])
		}
	default:
		c.WrongKind(t)
	}
	if t.Rank() > 2 {
		c.Refuse("takes a tensor of the shape %v", t.Shape)
	}
	shape := []int{v.width}
	if t.Rank() == 2 {
		shape = []int{len(words), v.width}
	}
	result, out := graph.Alloc[float32](c, shape...)
	c.Give(0, result)
	key := make([]byte, 0, 64)
	c.Always(func() {
		clear(out)
		for r, list := range words {
			key = v.fill(list, key, out[r*v.width:(r+1)*v.width])
		}
	})
}

// fill counts the n-grams of one text. A single word is counted once, whatever
// may be skipped.
func (v *vocabulary) fill(words []string, key []byte, row []float32) []byte {
	for skip := range v.skips + 1 {
		for first := range words {
			key = key[:0]
			for n := 1; n <= v.max; n++ {
				at := first + (n-1)*(skip+1)
				if at >= len(words) {
					break
				}
				key = gram(key, words[at])
				if n < v.min || n == 1 && skip > 0 {
					continue
				}
				if column, known := v.column[string(key)]; known {
					row[column]++
				}
			}
		}
	}
	for i, n := range row {
		if !v.count && n > 0 {
			row[i] = 1
		}
		if v.weights != nil {
			row[i] *= v.weights[i]
		}
	}
	return key
}
