package gbdt

import (
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"

	"serin/internal/model"
	"serin/internal/model/forest"
)

const nextCatBoost = "Load the file in Python with the CatBoost that wrote it, check that it predicts, and save it again with model.save_model(\"model.json\", format=\"json\")."

// catboostMembers are what is read of a document
// (catboost/libs/model/model_export/json_model_helpers.cpp).
var catboostMembers = keep(`
	features_info float_features categorical_features text_features embedding_features
	borders feature_id feature_index flat_feature_index has_nans nan_value_treatment
	model_info catboost_version_info binclass_probability_threshold params loss_function type
	class_params class_label_type class_names class_to_label
	splits border float_feature_index split_type leaf_values split left right value
	scale_and_bias`)

// catboost is a model as its file has it.
type catboost struct {
	in    *intake
	trees []forest.Tree
	// width is the number of values of a leaf, 0 until there is one.
	width int
}

func readCatBoost(r io.Reader) (model.Predictor, error) {
	c := &catboost{in: &intake{next: nextCatBoost}}
	take := func(element any) *model.Refusal {
		tree := part{element, fmt.Sprintf("tree %d", len(c.trees)), c.in}
		if tree.has("leaf_values") {
			c.trees = append(c.trees, c.oblivious(tree))
		} else {
			var whole forest.Tree
			c.uneven(tree, &whole)
			c.trees = append(c.trees, whole)
		}
		return c.in.err
	}
	root, err := readDocument(buffer(r), schema{keep: catboostMembers, stream: keep("oblivious_trees trees"), take: take})
	if err != nil {
		return nil, err
	}
	p := c.predictor(part{root, "", c.in})
	if c.in.err != nil {
		return nil, c.in.err
	}
	return p, nil
}

// maxDepthOblivious is CatBoost's own limit: a tree has a leaf for every
// combination of its tests.
const maxDepthOblivious = 16

// test reads one split: greater than the border goes right. Its feature is an
// index into float_features, until it is known which columns those are.
func (c *catboost) test(split part) forest.Node {
	if kind := split.at("split_type").text(); kind != "FloatFeature" && c.in.err == nil {
		c.refuseOthers(split.path, kind)
	}
	return forest.Node{
		Feature:   int32(split.at("float_feature_index").count(maxFeatures - 1)),
		Threshold: float64(float32(split.at("border").number())),
		Test:      forest.AtMost,
	}
}

func (c *catboost) refuseOthers(where, what string) {
	c.in.refuse("Encode categories, texts and embeddings as numbers yourself, and fit again without cat_features and the like.",
		"%s: it has %s, and serin reads CatBoost's numeric features only: categorical ones need the statistics (ctr) that CatBoost computed of the training data", where, what)
}

// oblivious makes an ordinary tree of one that asks the same question at every
// node of a level: bit i of a leaf's number is the answer to split i.
func (c *catboost) oblivious(tree part) forest.Tree {
	splits := tree.at("splits").parts()
	if len(splits) > maxDepthOblivious {
		tree.fail("it has %d levels, more than %d", len(splits), maxDepthOblivious)
	}
	if c.in.err != nil {
		return forest.Tree{}
	}
	leaves := 1 << len(splits)
	whole := forest.Tree{Values: tree.at("leaf_values").numbers()}
	if len(whole.Values) == 0 || len(whole.Values)%leaves != 0 || !c.sameWidth(len(whole.Values)/leaves) {
		tree.fail("it has %d values for %d leaves of %d", len(whole.Values), leaves, c.width)
	}
	if c.in.err != nil {
		return forest.Tree{}
	}
	whole.Nodes = make([]forest.Node, 0, 2*leaves-1)
	for level, split := range slices.Backward(splits) { // the highest bit first, so that leaves are in order
		node := c.test(split)
		for range 1 << (len(splits) - 1 - level) {
			at := int32(len(whole.Nodes))
			node.Left, node.Right = 2*at+1, 2*at+2
			whole.Nodes = append(whole.Nodes, node)
		}
	}
	for leaf := range leaves {
		whole.Nodes = append(whole.Nodes, forest.Node{Feature: -1, Value: int32(leaf)})
	}
	return whole
}

func (c *catboost) sameWidth(n int) bool {
	if c.width == 0 {
		c.width = n
	}
	return c.width == n
}

// uneven reads a tree that was grown node by node, and returns where its root
// is. The document's depth bounds the recursion.
func (c *catboost) uneven(at part, whole *forest.Tree) int32 {
	index := int32(len(whole.Nodes))
	whole.Nodes = append(whole.Nodes, forest.Node{})
	if c.in.err != nil {
		return index
	}
	if !at.has("split") {
		value := at.at("value")
		values, several := value.value.(vector)
		if !several {
			values = vector{value.number()}
		}
		if !c.sameWidth(len(values)) || len(values) == 0 {
			at.fail("it has %d values, others have %d", len(values), c.width)
			return index
		}
		whole.Nodes[index] = forest.Node{Feature: -1, Value: int32(len(whole.Values) / len(values))}
		whole.Values = append(whole.Values, values...)
		return index
	}
	node := c.test(at.at("split"))
	node.Left = c.uneven(at.at("left"), whole)
	node.Right = c.uneven(at.at("right"), whole)
	whole.Nodes[index] = node
	return index
}

// predictor reads everything but the trees, and makes the engine.
func (c *catboost) predictor(file part) model.Predictor {
	columns, features, named := c.features(file.at("features_info"))
	if len(c.trees) == 0 {
		file.fail("it has no trees")
	}
	scale, bias := c.scaleAndBias(file.at("scale_and_bias"))
	goal := c.goal(file.at("model_info"))
	if c.in.err != nil {
		return nil
	}
	for t := range c.trees {
		for i := range c.trees[t].Nodes {
			n := &c.trees[t].Nodes[i]
			if n.Feature < 0 {
				continue
			}
			if int(n.Feature) >= len(columns) {
				file.fail("tree %d tests float feature %d of %d", t, n.Feature, len(columns))
				return nil
			}
			n.Feature, n.MissingLeft = columns[n.Feature].index, columns[n.Feature].missingLeft
		}
	}
	woods, err := forest.New(forest.Options{Features: len(features), Outputs: c.width, Float32: true}, c.trees)
	if err != nil {
		c.in.refuse(nextCatBoost, "%v", err)
		return nil
	}
	engine := &engine{width: len(features), groups: c.width, link: goal.link, sum: &scaledTrees{woods, scale, bias}}
	engine.finish()
	s := goal.signature
	s.Features, s.Named = features, named
	s.Library = "CatBoost"
	if found := catboostVersion.FindStringSubmatch(file.at("model_info").at("catboost_version_info").text()); found != nil {
		s.Library += " " + found[1]
	}
	return model.New(s, engine)
}

var catboostVersion = regexp.MustCompile(`Branch: (?:tags/)?v(\d{1,4}\.\d{1,4}(?:\.\d{1,4})*)\n`)

// column is where a float feature stands in a row, and which way it goes when it
// is missing.
type column struct {
	index       int32
	missingLeft bool
}

func (c *catboost) features(info part) (columns []column, features []model.Feature, named bool) {
	for _, kind := range []string{"categorical_features", "text_features", "embedding_features"} {
		if info.has(kind) && len(info.at(kind).parts()) > 0 {
			c.refuseOthers("features_info", kind)
		}
	}
	floats := info.at("float_features").parts()
	if len(floats) == 0 || len(floats) > maxFeatures {
		info.fail("it has %d float features", len(floats))
	}
	if c.in.err != nil {
		return nil, nil, false
	}
	features = make([]model.Feature, len(floats))
	names := make([]string, len(floats))
	seen := make([]bool, len(floats))
	for i, float := range floats {
		at := float.at("flat_feature_index").count(len(floats) - 1)
		if float.at("feature_index").count(len(floats)-1) != i || seen[at] {
			float.fail("its place among the features is not clear")
		}
		seen[at] = true
		names[at] = float.at("feature_id").text()
		features[at].Missing = true
		column := column{index: int32(at), missingLeft: true}
		switch treatment := float.at("nan_value_treatment").text(); treatment {
		case "AsIs", "AsFalse": // NaN is not greater than any border
		case "AsTrue":
			column.missingLeft = false
		default:
			float.fail("its nan_value_treatment is %s", model.Quote(treatment))
		}
		columns = append(columns, column)
	}
	named = uniqueNames(names)
	for i := range features {
		if named {
			features[i].Name = names[i]
		}
	}
	return columns, features, named
}

func (c *catboost) scaleAndBias(p part) (scale float64, bias []float64) {
	both := p.parts()
	if len(both) != 2 {
		p.fail("it is no pair")
		return 0, nil
	}
	scale = both[0].number()
	if _, alone := both[1].value.(float64); alone {
		bias = []float64{both[1].number()}
	} else {
		bias = both[1].numbers()
	}
	if c.sameWidth(len(bias)); len(bias) != c.width || c.width < 1 || c.width > maxOutputs {
		p.fail("it has %d biases for leaves of %d", len(bias), c.width)
	}
	for _, b := range bias {
		if math.IsNaN(b) || math.IsInf(b, 0) {
			p.fail("a bias is %v", b)
		}
	}
	return scale, bias
}

// goal reads the loss function. The answers are those of predict_proba and of
// predict (catboost/python-package/catboost/core.py _get_default_prediction_type).
func (c *catboost) goal(info part) goal {
	loss := info.at("params").at("loss_function").at("type").text()
	if info.has("binclass_probability_threshold") {
		c.in.refuse("Save the model without set_probability_threshold, and compare the probability with the threshold yourself.", "model_info: it has a probability threshold of its own")
	}
	n := c.width
	quantities := model.Signature{Task: model.Regression, Values: model.Quantities, Outputs: n, Estimator: "CatBoostRegressor(" + loss + ")"}
	classes := model.Signature{Values: model.Probabilities, Outputs: max(n, 2), Estimator: "CatBoostClassifier(" + loss + ")"}
	logistic := func(m float64) float64 { return 1 / (1 + math.Exp(-m)) }
	switch loss {
	case "Logloss", "CrossEntropy":
		if n == 1 {
			classes.Classes = c.classes(info.at("class_params"), 2)
			return goal{twoOf(logistic, rest64), classes}
		}
	case "MultiClass", "MultiClassOneVsAll":
		if n >= 2 {
			classes.Classes = c.classes(info.at("class_params"), n)
			if loss == "MultiClass" {
				return goal{softmax64, classes}
			}
			return goal{perClass(func(row []float64) {
				for k, m := range row {
					row[k] = logistic(m)
				}
			}), classes}
		}
	case "Poisson", "Tweedie":
		return goal{each(math.Exp), quantities}
	case "RMSE", "MAE", "Quantile", "LogLinQuantile", "MAPE", "Huber", "Expectile", "Lq", "MultiRMSE", "MultiQuantile",
		"QueryRMSE", "QuerySoftMax", "PairLogit", "PairLogitPairwise", "YetiRank", "YetiRankPairwise", "StochasticRank", "LambdaMart":
		return goal{asIs, quantities}
	}
	c.in.refuse("Fit the model with one of CatBoost's common loss functions: Logloss, MultiClass, RMSE and their kin.", "serin does not know the loss function %s with %d outputs", model.Quote(loss), n)
	return goal{}
}

// classes reads the labels. A classifier of probabilities has none, and CatBoost
// calls its classes 0 and 1.
func (c *catboost) classes(p part, n int) []model.Label {
	names := p.at("class_names").parts()
	if len(names) == 0 && n == 2 {
		return labels(2)
	}
	if len(names) != n {
		p.fail("it has %d class names instead of %d", len(names), n)
	}
	to := p.at("class_to_label").fixed(n)
	var all []model.Label
	boolean := p.has("class_label_type") && p.at("class_label_type").text() == "Boolean"
	for i, name := range names {
		if c.in.err == nil && to[i] != float64(i) {
			p.fail("its classes are not in order")
		}
		switch v := name.value.(type) {
		case string:
			all = append(all, textLabel(v))
		case float64:
			all = append(all, numberLabel(v))
			if boolean {
				all[i] = model.Label(fmt.Sprint(v != 0))
			}
		default:
			name.wrong("a class")
		}
	}
	return all
}

// scaledTrees is scale times the sum of the trees, plus a bias.
type scaledTrees struct {
	woods *forest.Forest
	scale float64
	bias  []float64
}

func (t *scaledTrees) margins(x []float64, n int, out []float64) {
	clear(out)
	t.woods.Add(x, n, out)
	for i := range out {
		out[i] = float64(out[i]*t.scale) + t.bias[i%len(t.bias)] // the conversion keeps them from being fused
	}
}
