package sklearn

import (
	"fmt"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/model/forest"
	"serin/internal/pickle"
)

// Trees as scikit-learn stores them: one sklearn.tree._tree.Tree for each, with
// the nodes as an array of records and the values of all nodes, not only of
// leaves, as an array of shape (nodes, outputs, most classes).

const (
	treeKnown = "criterion splitter max_depth min_samples_split min_samples_leaf min_weight_fraction_leaf max_features max_leaf_nodes " +
		"random_state min_impurity_decrease class_weight ccp_alpha monotonic_cst n_outputs_ classes_ n_classes_ max_features_ tree_"
	forestKnown = "base_estimator base_estimator_ estimator estimator_ n_estimators estimator_params estimators_ bootstrap oob_score n_jobs random_state " +
		"verbose warm_start class_weight max_samples criterion max_depth min_samples_split min_samples_leaf min_weight_fraction_leaf " +
		"max_features max_leaf_nodes min_impurity_decrease ccp_alpha monotonic_cst n_outputs_ classes_ n_classes_ " +
		"_n_samples _n_samples_bootstrap _sample_weight oob_score_ oob_decision_function_ oob_prediction_"
)

// shape is what all trees of an estimator have in common.
type shape struct {
	features, outputs int
	classes           int // of a classifier, else 1
}

// rawTree is a Tree as it stands in the file.
type rawTree struct {
	left, right, feature []int64
	threshold            []float64
	missingLeft          []int64   // nil before scikit-learn 1.3
	samples              []int64   // that were at a node while it was fitted
	values               []float64 // nodes x outputs x classes
}

var recordFields = strings.Fields("left_child right_child feature threshold impurity n_node_samples weighted_n_node_samples missing_go_to_left")

// rawTree reads a Tree object and checks its arrays' shapes; forest checks the
// indices in them.
func (e *estimator) rawTree(v pickle.Value, want shape) *rawTree {
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != treeClass {
		e.wrong("tree_", v, "a tree")
	}
	if e.err != nil {
		return nil
	}
	if len(object.Args) != 3 || object.Args[0] != int64(want.features) || object.Args[2] != int64(want.outputs) {
		e.fail(nextRefit, "tree_ is for other rows or other answers than the estimator, which has %d features and %d outputs", want.features, want.outputs)
		return nil
	}
	state := &estimator{object: object, path: e.path + " tree_", budget: e.budget}
	if d, ok := object.State.(*pickle.Dict); ok {
		for _, entry := range d.Entries {
			if name, ok := entry.Key.(string); !ok || !slices.Contains([]string{"max_depth", "node_count", "nodes", "values"}, name) {
				state.fail(nextSupported, "it has %s, which serin does not know", pickle.Describe(entry.Key))
			}
		}
	}
	nodes, values := state.array("nodes"), state.array("values")
	t := &rawTree{}
	if state.err == nil {
		names := nodes.Type.Names()
		if i := slices.IndexFunc(names, func(name string) bool { return !slices.Contains(recordFields, name) }); i >= 0 || len(nodes.Shape) != 1 {
			state.fail(nextSupported, "nodes is %v with fields %v, which serin does not know", nodes, names)
		}
		if !slices.Equal(values.Shape, []int{nodes.Len(), want.outputs, want.classes}) {
			state.wrong("values", values, fmt.Sprintf("an array of shape (%d, %d, %d)", nodes.Len(), want.outputs, want.classes))
		}
	}
	t.left, t.right, t.feature = state.whole(nodes, "left_child"), state.whole(nodes, "right_child"), state.whole(nodes, "feature")
	t.samples = state.whole(nodes, "n_node_samples")
	t.threshold = state.real(nodes, "threshold")
	if state.err == nil && slices.Contains(nodes.Type.Names(), "missing_go_to_left") {
		t.missingLeft = state.whole(nodes, "missing_go_to_left")
	}
	t.values = state.finite("values", values)
	e.err = state.err
	return t
}

// whole and real decode one field of an array of records.
func (e *estimator) whole(records *pickle.Array, name string) []int64 {
	return field(e, records, name, (*pickle.Array).Ints)
}

func (e *estimator) real(records *pickle.Array, name string) []float64 {
	return field(e, records, name, (*pickle.Array).Floats)
}

func field[T any](e *estimator, records *pickle.Array, name string, decode func(*pickle.Array) ([]T, error)) []T {
	if e.err != nil {
		return nil
	}
	e.spend(records.Len())
	column, err := records.Field(name)
	if err == nil && e.err == nil {
		var values []T
		if values, err = decode(column); err == nil {
			return values
		}
	}
	if err != nil {
		e.fail(nextRefit, "nodes: %v", err)
	}
	return nil
}

// grove plants the trees of one estimator in one forest. The buffers are used
// again for each tree, so that the whole file is never held in two forms.
type grove struct {
	builder *forest.Builder
	tree    forest.Tree
}

func (e *estimator) grove(o forest.Options) *grove {
	if e.err != nil {
		return nil
	}
	b, err := forest.NewBuilder(o)
	if err != nil {
		e.fail(nextRefit, "%v", err)
	}
	return &grove{builder: b}
}

// plant adds a tree. features are the columns that it was fitted on, nil for all;
// value appends the numbers of one leaf, width of them.
func (g *grove) plant(e *estimator, raw *rawTree, features []int, value func(to []float64, node int) []float64) {
	if e.err != nil {
		return
	}
	nodes, values := g.tree.Nodes[:0], g.tree.Values[:0]
	leaves := 0
	for i, left := range raw.left {
		right, feature := raw.right[i], raw.feature[i]
		if left == -1 && right == -1 { // TREE_LEAF
			nodes = append(nodes, forest.Node{Feature: -1, Value: int32(leaves)})
			values = value(values, i)
			leaves++
			continue
		}
		n := int64(len(raw.left))
		if left < 0 || left >= n || right < 0 || right >= n || feature < 0 || features != nil && feature >= int64(len(features)) || feature >= maxFeature {
			e.fail(nextRefit, "node %d of a tree has the children %d and %d of %d and tests feature %d", i, left, right, n, feature)
			return
		}
		if features != nil {
			feature = int64(features[feature])
		}
		nodes = append(nodes, forest.Node{
			Feature: int32(feature), Left: int32(left), Right: int32(right), Threshold: raw.threshold[i],
			MissingLeft: raw.missingLeft == nil || raw.missingLeft[i] != 0,
		})
	}
	g.add(e, nodes, values)
}

// maxFeature bounds the features that a tree may test: a tree has no array of
// its features, so that their number is only a number in the file.
const maxFeature = 1 << 20

// treeFeatures reads n_features_in_ of an estimator made of trees; 0 where it
// is wrong.
func (e *estimator) treeFeatures(p place) int {
	n := e.features(p)
	if e.err == nil && n > maxFeature {
		e.fail("Select the features that matter before the trees.", "it expects %d features, more than %d, the limit for trees", n, maxFeature)
	}
	if e.err != nil {
		return 0
	}
	return n
}

func (g *grove) add(e *estimator, nodes []forest.Node, values []float64) {
	g.tree.Nodes, g.tree.Values = nodes, values
	if e.err != nil {
		return
	}
	if err := g.builder.Add(&g.tree); err != nil {
		e.fail(nextRefit, "%v", err)
	}
}

// single makes every further tree add one number to one output.
func (g *grove) single(output int) { g.tree.Single, g.tree.Output = true, output }

// probabilities are a classifier's values of one node: fractions since
// scikit-learn 1.4, counts before (DecisionTreeClassifier.predict_proba).
func (t *rawTree) probabilities(counts bool, classes int) func(to []float64, node int) []float64 {
	return func(to []float64, node int) []float64 {
		first := len(to)
		to = append(to, t.values[node*classes:(node+1)*classes]...)
		if counts {
			return normalized(to, first)
		}
		return to
	}
}

func normalized(to []float64, first int) []float64 {
	sum := 0.0
	for _, v := range to[first:] {
		sum += v
	}
	if sum == 0 {
		sum = 1
	}
	for i := range to[first:] {
		to[first+i] /= sum
	}
	return to
}

// plain are a regressor's values of one node.
func (t *rawTree) plain(outputs int) func(to []float64, node int) []float64 {
	return func(to []float64, node int) []float64 {
		return append(to, t.values[node*outputs:(node+1)*outputs]...)
	}
}

// decisionTree reads a single tree.
func (p place) decisionTree(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, treeKnown)
	return p.trees(e, []*estimator{e})
}

// randomForest reads a RandomForest or ExtraTrees.
func (p place) randomForest(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, forestKnown)
	v := e.value("estimators_")
	list := items(v)
	if e.err == nil && len(list) == 0 {
		e.wrong("estimators_", v, "a list of trees")
	}
	var inner []*estimator
	name := strings.Replace(strings.Replace(object.Class.Name, "RandomForest", "DecisionTree", 1), "ExtraTrees", "ExtraTree", 1)
	for i, v := range list {
		t := p.member(v, pickle.Global{Module: treeModule, Name: name}, fmt.Sprintf("tree %d", i))
		if e.err == nil {
			e.err = t.err
		}
		inner = append(inner, t)
	}
	return p.trees(e, inner)
}

// member begins to read a tree inside an ensemble.
func (p place) member(v pickle.Value, class pickle.Global, where string) *estimator {
	p.path += " " + where
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != class {
		return &estimator{err: p.refuse(nextRefit, "it is %s instead of a %s", pickle.Describe(v), class.Name), budget: p.budget, object: &pickle.Object{}}
	}
	return p.read(object, treeKnown)
}

// trees reads the trees of e, which is one of them or their ensemble.
func (p place) trees(e *estimator, inner []*estimator) (fitted, *model.Refusal) {
	version := e.version()
	want := shape{features: e.treeFeatures(p), outputs: e.count("n_outputs_"), classes: 1}
	m := &methods{outputs: want.outputs}
	if strings.HasSuffix(e.object.Class.Name, "Classifier") {
		if e.err == nil && want.outputs > 1 {
			e.fail("Fit one classifier for each output.", "it answers %d outputs, and serin serves classifiers with one", want.outputs)
		}
		m.classes = e.classes()
		want.classes = len(m.classes)
	}
	width := want.outputs * want.classes
	g := e.grove(forest.Options{Features: want.features, Outputs: max(width, 1), Float32: true})
	for _, t := range inner {
		if e.err != nil {
			break
		}
		raw := t.rawTree(t.value("tree_"), want)
		if e.err = t.err; e.err != nil {
			break
		}
		if m.classes != nil {
			g.plant(e, raw, nil, raw.probabilities(!atLeast(version, 1, 4), want.classes))
		} else {
			g.plant(e, raw, nil, raw.plain(want.outputs))
		}
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	input := range32{missing: inner[0].takesMissing(version, e.object.Class.Module)}
	w := &woods{forest: g.builder.Forest(), outputs: width, input: input, finish: averaged(len(inner))}
	if e.err = inner[0].err; m.classes != nil {
		m.proba = w
	} else {
		m.predict = w
	}
	names := e.names(want.features)
	return fitted{methods: m, in: want.features, names: names, features: numbersOrMissing(want.features, names, input.missing)}, e.err
}

// numbersOrMissing describes features that are numbers and may be missing.
func numbersOrMissing(n int, names []string, missing bool) []model.Feature {
	features := model.Numbers(n, names)
	for i := range features {
		features[i].Missing = missing
	}
	return features
}

// takesMissing tells whether a tree, alone or in an ensemble of the module, may
// be asked for rows with missing values: BaseDecisionTree._support_missing_values
// and the tags of the classes, version by version.
func (e *estimator) takesMissing(version, module string) bool {
	splitter, criterion := e.text("splitter"), e.text("criterion")
	constrained := e.has("monotonic_cst")
	extra := strings.HasPrefix(e.object.Class.Name, "Extra")
	fits := criterion != "absolute_error"
	switch {
	case atLeast(version, 1, 9):
		return !extra || splitter == "random"
	case atLeast(version, 1, 6):
		return fits && !constrained && (splitter == "random" || splitter == "best" && !extra)
	case atLeast(version, 1, 4), atLeast(version, 1, 3) && module == treeModule:
		return fits && !constrained && splitter == "best"
	default:
		return false
	}
}
