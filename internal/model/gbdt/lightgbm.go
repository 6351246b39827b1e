package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/forest"
)

const nextLightGBM = "Load the file in Python with the LightGBM that wrote it, check that it predicts, and save it again with booster.save_model(\"model.txt\")."

// lightgbm reads a text model (src/boosting/gbdt_model_text.cpp): lines of
// key=value, then a block of such lines for each tree, then parameters.
type lightgbm struct {
	lines  *bufio.Reader
	in     *intake
	header map[string]string

	names    []string
	classes  int // num_class
	perRound int // num_tree_per_iteration
	rounds   int // to use; 0: all
	trees    int
	average  bool
	infos    []string // feature_infos
	columns  []int    // categorical_feature, of the parameters
	pandas   []part   // pandas_categorical
	woods    *forest.Builder
	budget   setBudget
}

// LightGBM reads what LoadLightGBM reads, and uses only that many rounds unless
// that is 0: the best_iteration of a pickled Booster. Of a classifier, margins
// answers the sums themselves, as decision_function does since 4.7: one for two
// classes, else one for each. Errors are as there.
func LightGBM(r io.Reader, rounds int) (p model.Predictor, margins model.Engine, err error) {
	l := &lightgbm{lines: buffer(r), in: &intake{next: nextLightGBM}, rounds: rounds, header: map[string]string{}}
	if err := l.read(); err != nil {
		return nil, nil, refusal(nextLightGBM, err)
	}
	p, margins = l.predictor()
	if l.in.err != nil {
		return nil, nil, l.in.err
	}
	return p, margins, nil
}

func (l *lightgbm) fail(format string, args ...any) { l.in.refuse(l.in.next, format, args...) }

// line reads one line; io.EOF at the end.
func (l *lightgbm) line() (string, error) {
	line, err := l.lines.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

func (l *lightgbm) read() error {
	line, err := l.line()
	if err != nil || line != "tree" {
		if err == nil || err == io.EOF { //nolint:errorlint // bufio returns it bare
			err = malformed("it does not begin with the line \"tree\"")
		}
		return err
	}
	for !strings.HasPrefix(line, "Tree=") && line != "end of trees" {
		if line, err = l.line(); err != nil {
			return unexpected(err)
		}
		key, value, _ := strings.Cut(line, "=")
		if _, twice := l.header[key]; twice && key != "" {
			return malformed("the line %s is there twice", model.Quote(key))
		}
		l.header[key] = value
	}
	l.readHeader()
	return l.readTrees(line)
}

// readTrees reads the trees, of which the first line is at hand, and what
// follows them.
func (l *lightgbm) readTrees(line string) error {
	var err error
	for l.in.err == nil && line != "end of trees" {
		if line, err = l.block(line); err != nil {
			return unexpected(err)
		}
	}
	if l.in.err != nil {
		return l.in.err
	}
	return l.tail()
}

// readHeader reads what stands above the trees, and begins the forest.
func (l *lightgbm) readHeader() {
	if _, ok := l.header["linear_tree"]; ok {
		l.refuseLinear()
	}
	l.classes = l.integer("num_class", l.header["num_class"], 1, maxOutputs)
	l.perRound = l.classes
	if text, ok := l.header["num_tree_per_iteration"]; ok {
		l.perRound = l.integer("num_tree_per_iteration", text, 1, maxOutputs)
	}
	features := 1 + l.integer("max_feature_idx", l.header["max_feature_idx"], 0, maxFeatures-1)
	l.names = strings.Fields(l.header["feature_names"])
	l.infos = strings.Fields(l.header["feature_infos"])
	_, l.average = l.header["average_output"]
	if l.in.err != nil {
		return
	}
	if len(l.names) != features || len(l.infos) != 0 && len(l.infos) != features {
		l.fail("it has %d feature names and %d feature infos for %d features", len(l.names), len(l.infos), features)
		return
	}
	if !uniqueNames(l.names) {
		l.fail("two features have the same name")
		return
	}
	var err error
	l.woods, err = forest.NewBuilder(forest.Options{Features: features, Outputs: l.perRound, Category: forest.Truncate})
	if err != nil {
		l.fail("%v", err)
	}
}

func (l *lightgbm) refuseLinear() {
	l.in.refuse("Fit with linear_tree=False, the default.", "it has linear models in its leaves (linear_tree), which are not served")
}

func (l *lightgbm) integer(key, text string, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		l.fail("%s is %s instead of a whole number from %d to %d", key, model.Quote(text), least, most)
		return least
	}
	return n
}

// block reads the tree whose first line is at hand, and returns the first line
// behind it that is neither empty nor the tree's.
func (l *lightgbm) block(first string) (next string, err error) {
	if first != "Tree="+strconv.Itoa(l.trees) {
		l.fail("the line %s stands where tree %d should begin", model.Quote(first), l.trees)
		return "", nil
	}
	tree := make(map[string]string, 24)
	for {
		line, err := l.line()
		if err != nil {
			return "", err
		}
		key, value, pair := strings.Cut(line, "=")
		if line == "end of trees" || key == "Tree" {
			next = line
			break
		}
		if line == "" {
			continue
		}
		if _, twice := tree[key]; twice || !pair {
			l.fail("tree %d: the line %s is there twice or is no pair", l.trees, model.Quote(key))
			return "", nil
		}
		tree[key] = value
	}
	if l.rounds == 0 || l.trees < l.rounds*l.perRound {
		t := lightgbmTree{l: l, lines: tree, path: fmt.Sprintf("tree %d", l.trees)}
		whole := t.read()
		whole.Output = l.trees % l.perRound
		if l.in.err == nil {
			if err := l.woods.Add(&whole); err != nil {
				l.fail("%v", err)
			}
		}
	}
	l.trees++
	return next, nil
}

// tail reads what stands below the trees: the parameters, as far as they matter,
// and the categories of the data frame that the model was fitted on.
func (l *lightgbm) tail() error {
	if sizes, ok := l.header["tree_sizes"]; ok && len(strings.Fields(sizes)) != l.trees {
		return malformed("it holds %d trees instead of %d", l.trees, len(strings.Fields(sizes)))
	}
	for {
		line, err := l.line()
		if err == io.EOF { //nolint:errorlint // bufio returns it bare
			return nil
		}
		if err != nil {
			return err
		}
		if list, ok := strings.CutPrefix(line, "[categorical_feature: "); ok {
			for word := range strings.SplitSeq(strings.TrimSuffix(list, "]"), ",") {
				if at, err := strconv.Atoi(word); err == nil && at >= 0 && at < len(l.names) {
					l.columns = append(l.columns, at)
				} else if word != "" {
					l.columns = append(l.columns, -1) // a name: it cannot be matched below
				}
			}
		}
		if text, ok := strings.CutPrefix(line, "pandas_categorical:"); ok && text != "null" {
			root, err := readJSON(strings.NewReader(text), schema{})
			if err != nil {
				return err
			}
			l.pandas = part{root, "pandas_categorical", l.in}.parts()
		}
	}
}

// predictor makes the engine, and of a classifier that of its margins.
func (l *lightgbm) predictor() (p model.Predictor, margins model.Engine) {
	if l.trees%l.perRound != 0 {
		l.fail("it holds %d trees, which are no rounds of %d", l.trees, l.perRound)
		return nil, nil
	}
	goal := l.goal()
	features := model.Numbers(len(l.names), l.names)
	recode := l.recode()
	if l.in.err != nil {
		return nil, nil
	}
	for i := range features {
		features[i].Missing = true
		if recode != nil {
			features[i].Kind, features[i].Known = recode[i].kind(), recode[i].labels
		}
	}
	woods := l.woods.Forest()
	total := &trees64{woods: woods}
	if l.average {
		total.over = float64(woods.Trees() / l.perRound)
	}
	answers := &engine{width: len(features), groups: l.perRound, sum: total, link: goal.link, recode: recode}
	answers.finish()
	s := goal.signature
	s.Features, s.Named = features, !numbered("Column_", l.names)
	if !s.Named {
		for i := range features {
			features[i].Name = ""
		}
	}
	s.Library = "LightGBM"
	objective, _, _ := strings.Cut(l.header["objective"], " ")
	if objective == "" {
		objective = "custom objective"
	}
	s.Estimator = fmt.Sprintf("Booster(%s)", objective)
	if s.Task != model.Classification {
		return model.New(s, answers), nil
	}
	raw := &engine{width: answers.width, groups: answers.groups, sum: total, recode: recode, link: rawScore}
	if raw.groups > 1 {
		raw.link = perClass(func([]float64) {})
	}
	raw.finish()
	return model.New(s, answers), raw
}

// recode makes the codes of the categories that a pandas data frame had when
// the model was fitted (python-package/lightgbm/basic.py _data_from_pandas).
// The file tells them in the order of the columns, but not of which columns:
// those are the categorical features, unless a category was an ordered one or a
// categorical feature was a number.
func (l *lightgbm) recode() []categories {
	if len(l.pandas) == 0 || l.in.err != nil {
		return nil
	}
	ambiguous := func() []categories {
		l.in.refuse("Make every categorical column an unordered pandas category, or encode the categories as numbers yourself, and fit again.",
			"it has the categories of %d columns (pandas_categorical) and %d categorical features, so that serin cannot tell which belongs to which", len(l.pandas), len(l.columns))
		return nil
	}
	if len(l.columns) == 0 { // before 3.0, the parameters do not tell
		for i, info := range l.infos {
			if info != "none" && !strings.HasPrefix(info, "[") {
				l.columns = append(l.columns, i)
			}
		}
	}
	slices.Sort(l.columns)
	l.columns = slices.Compact(l.columns)
	if len(l.columns) != len(l.pandas) {
		return ambiguous()
	}
	all := make([]categories, len(l.names))
	for i, list := range l.pandas {
		at := l.columns[i]
		if at < 0 || !l.codesBelow(at, len(list.parts())) {
			return ambiguous()
		}
		var texts []string
		var numbers []float64
		if values, ok := list.value.(vector); ok {
			numbers = values
		} else {
			texts = list.texts()
		}
		c, ok := newCategories(texts, numbers, false)
		if !ok {
			list.fail("a category is there twice")
		}
		all[at] = c
	}
	return all
}

// codesBelow tells whether the codes that a column had when the model was fitted
// are below n.
func (l *lightgbm) codesBelow(column, n int) bool {
	if len(l.infos) == 0 || l.infos[column] == "none" {
		return true
	}
	for code := range strings.SplitSeq(l.infos[column], ":") {
		if c, err := strconv.Atoi(code); err != nil || c >= n {
			return false
		}
	}
	return true
}

// goal reads the objective. The transformations are the ConvertOutput of
// src/objective/*.
func (l *lightgbm) goal() goal {
	words := strings.Fields(l.header["objective"])
	name := ""
	if len(words) > 0 {
		name, words = words[0], words[1:]
	}
	sigmoid := 1.0
	root := false
	for _, word := range words {
		key, value, _ := strings.Cut(word, ":")
		switch x, err := strconv.ParseFloat(value, 64); {
		case key == "sigmoid" && err == nil && x > 0 && !math.IsInf(x, 0):
			sigmoid = x
		case key == "num_class" && err == nil && x == float64(l.classes):
		case key == "sqrt" && value == "":
			root = true
		default:
			l.fail("the objective %s has the part %s, which serin does not know", name, model.Quote(word))
		}
	}
	n := l.perRound
	logistic := func(m float64) float64 { return 1 / (1 + math.Exp(-sigmoid*m)) }
	quantities := model.Signature{Task: model.Regression, Values: model.Quantities, Outputs: n}
	many := model.Signature{Values: model.Probabilities, Outputs: n, Classes: labels(n)}
	switch name {
	case "binary":
		if n == 1 {
			return goal{twoOf(logistic, rest64), model.Signature{Values: model.Probabilities, Outputs: 2, Classes: labels(2)}}
		}
	case "multiclass":
		if n > 1 && n == l.classes {
			return goal{softmax64, many}
		}
	case "multiclassova":
		if n > 1 && n == l.classes {
			return goal{perClass(func(row []float64) {
				for k, m := range row {
					row[k] = logistic(m)
				}
			}), many}
		}
	case "cross_entropy":
		return goal{each(func(m float64) float64 { return 1 / (1 + math.Exp(-m)) }), quantities}
	case "cross_entropy_lambda":
		return goal{each(func(m float64) float64 { return math.Log1p(math.Exp(m)) }), quantities}
	case "poisson", "gamma", "tweedie":
		return goal{each(math.Exp), quantities}
	case "regression", "regression_l1", "huber", "fair", "quantile", "mape":
		if root {
			return goal{each(func(m float64) float64 { return math.Copysign(m*m, m) }), quantities}
		}
		return goal{asIs, quantities}
	case "", "custom", "none", "lambdarank", "rank_xendcg":
		return goal{asIs, quantities}
	}
	l.in.refuse("Fit the model with one of LightGBM's own objectives.", "serin does not know the objective %s with %d classes and %d trees a round", model.Quote(l.header["objective"]), l.classes, n)
	return goal{}
}
