package sklearn

import (
	"fmt"
	"slices"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/model/words"
	"serin/internal/pickle"
)

// vectorizers count the words of a text (sklearn/feature_extraction/text.py).
// Their input is one column of texts, not a matrix.
func vectorizers() map[string]*transformer {
	const (
		module = "sklearn.feature_extraction.text"
		common = "input encoding decode_error strip_accents preprocessor tokenizer analyzer lowercase token_pattern stop_words ngram_range binary dtype _stop_words_id "
		counts = common + "max_df min_df max_features vocabulary vocabulary_ fixed_vocabulary_ stop_words_ "
	)
	return map[string]*transformer{
		"CountVectorizer":   {module, counts, false, false, one, func(m *making) { m.counted() }},
		"TfidfVectorizer":   {module, counts + "norm use_idf smooth_idf sublinear_tf _tfidf", false, false, one, weighed},
		"HashingVectorizer": {module, common + "n_features alternate_sign norm", false, false, one, hashed},
		"TfidfTransformer":  {module, "norm use_idf smooth_idf sublinear_tf idf_ _idf_diag", false, false, nil, func(m *making) { m.weigh(m.estimator, m.n) }},
	}
}

// one is the width of what a vectorizer takes.
func one(*making) int { return 1 }

const nextPattern = "Fit it with token_pattern made of classes of characters (\\w, [a-z]) and how often they stand (+, {2,}), between \\b or not, and without functions of your own."

// splitter reads how a text is taken apart, and makes the text the one feature.
func (m *making) splitter() *words.Splitter {
	if m.n != 1 || m.place.width != 0 && !m.place.single {
		m.fail("In a ColumnTransformer name the column by a string and not by a list, and fit again.", "it takes one column of texts, and gets %d columns of a matrix", m.n)
	}
	for _, name := range []string{"preprocessor", "tokenizer"} {
		if v := m.value(name); v != nil {
			m.fail(nextPattern, "%s is %s, and nothing from a file is executed", name, pickle.Describe(v))
		}
	}
	if input := m.text("input"); m.err == nil && input != "content" {
		m.fail("Fit it on texts, with input='content'.", "it reads files that a row names")
	}
	o := words.Options{Lower: m.flag("lowercase")}
	if pair := items(m.value("ngram_range")); len(pair) == 2 {
		least, ok1 := pair[0].(int64)
		most, ok2 := pair[1].(int64)
		if ok1 && ok2 {
			o.Least, o.Most = int(min(max(least, 0), 1<<20)), int(min(max(most, 0), 1<<20))
		}
	}
	switch v := m.value("strip_accents"); v {
	case nil:
	case "unicode":
		o.Accents = words.DropMarks
	case "ascii":
		o.Accents = words.OnlyASCII
	default:
		m.wrong("strip_accents", v, "unicode, ascii or None")
	}
	switch v := m.value("analyzer"); v {
	case "word":
		o.Pattern, o.Stop = m.text("token_pattern"), m.stopWords()
	case "char":
		o.Unit = words.Char
	case "char_wb":
		o.Unit = words.CharInWord
	default:
		if m.err == nil {
			m.fail(nextPattern, "analyzer is %s, and nothing from a file is executed", pickle.Describe(v))
		}
	}
	if m.err != nil {
		return nil
	}
	s, err := words.New(o)
	if err != nil {
		m.fail(nextPattern, "%v", err)
	}
	m.f.features = []model.Feature{{Kind: model.Text}}
	m.f.single, m.f.sparse, m.f.zeros = true, true, true
	if m.place.width == 0 {
		m.f.names = []string{"text"}
	}
	return s
}

func (m *making) stopWords() []string {
	v := m.value("stop_words")
	list := items(v)
	if set, ok := v.(*pickle.Set); ok {
		list = set.Items
	}
	switch {
	case v == nil:
		return nil
	case v == "english":
		return words.English()
	case list == nil:
		m.wrong("stop_words", v, "english or a list of words")
		return nil
	}
	m.spend(len(list))
	stop := make([]string, 0, len(list))
	for _, v := range list {
		word, ok := v.(string)
		if !ok {
			m.wrong("stop_words", v, "a word")
			return nil
		}
		stop = append(stop, word)
	}
	return stop
}

// fromText are n columns that are made of the one text.
func fromText(n int) []column { return make([]column, n) }

// counted adds the counts of the words of a vocabulary, and returns how many
// there are.
func (m *making) counted() int {
	s := &steps.Words{Splitter: m.splitter(), Binary: m.flag("binary")}
	v := m.value("vocabulary_")
	d, ok := v.(*pickle.Dict)
	if m.err == nil && (!ok || len(d.Entries) == 0) {
		m.wrong("vocabulary_", v, "a dict of words")
	}
	if m.err != nil {
		return 0
	}
	n := len(d.Entries)
	if m.spend(n); m.err != nil {
		return 0
	}
	s.Vocabulary = make(map[string]int32, n)
	seen := make([]bool, n)
	for _, entry := range d.Entries {
		word, ok1 := entry.Key.(string)
		at, ok2 := entry.Value.(int64)
		if !ok1 || !ok2 || at < 0 || at >= int64(n) || seen[at] {
			m.fail(nextRefit, "vocabulary_ maps %s to %s, and there are %d words", pickle.Describe(entry.Key), pickle.Describe(entry.Value), n)
			return 0
		}
		seen[at] = true
		s.Vocabulary[word] = int32(at)
	}
	m.add(s, false, fromText(n))
	return n
}

func weighed(m *making) {
	n := m.counted()
	v := m.value("_tfidf")
	object, ok := v.(*pickle.Object)
	if m.err == nil && (!ok || object.Class.Name != "TfidfTransformer") {
		m.wrong("_tfidf", v, "a TfidfTransformer")
	}
	if m.err != nil {
		return
	}
	inner := m.place
	inner.path += " _tfidf"
	m.weigh(inner.read(object, vectorizers()["TfidfTransformer"].known), n)
}

// weigh adds what a TfidfTransformer does to n counts.
func (m *making) weigh(e *estimator, n int) {
	s := &steps.Weigh{Sublinear: e.flag("sublinear_tf")}
	if e.flag("use_idf") {
		s.IDF = e.idf(n)
	}
	if e != m.estimator && e.err != nil {
		m.err = e.err
	}
	if m.err != nil {
		return
	}
	columns := m.f.columns
	if columns == nil {
		columns = m.each()
	}
	m.f.sparse = true
	m.add(s, true, columns)
	outer := m.estimator
	m.estimator = e
	m.normalize(true, true)
	m.estimator, outer.err = outer, e.err
}

// idf reads the weights of n words: idf_, or until scikit-learn 1.4 the diagonal
// of a sparse matrix.
func (e *estimator) idf(n int) []float64 {
	if e.has("idf_") {
		return e.vector("idf_", n)
	}
	v := e.value("_idf_diag")
	object, ok := v.(*pickle.Object)
	if e.err == nil && !ok {
		e.wrong("_idf_diag", v, "a diagonal matrix")
	}
	if e.err != nil {
		return nil
	}
	diagonal := &estimator{object: object, path: e.path + " _idf_diag", budget: e.budget}
	idf := diagonal.vector("data", n)
	for i, name := range []string{"indices", "indptr"} {
		want := upTo(n + i)
		a := diagonal.array(name)
		if diagonal.err != nil {
			break
		}
		got, err := a.Ints()
		if err != nil || !slices.EqualFunc(got, want, func(a int64, b int) bool { return a == int64(b) }) {
			diagonal.wrong(name, a, fmt.Sprintf("those of a diagonal matrix of %d", n))
		}
	}
	e.err = diagonal.err
	return idf
}

func hashed(m *making) {
	s := &steps.Words{Splitter: m.splitter(), Hashed: m.count("n_features"), Signed: m.flag("alternate_sign"), Binary: m.flag("binary")}
	if m.err == nil && s.Hashed > maxWidth {
		m.fail("Fit it with fewer features.", "n_features is %d, and at most %d are served", s.Hashed, maxWidth)
	}
	if m.spend(describing * s.Hashed); m.err != nil {
		return
	}
	m.add(s, false, fromText(s.Hashed))
	m.normalize(true, true)
}
