package gbdt

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/forest"
)

// prefixLength is how much of a file tells its format.
const prefixLength = 256

// XGBoostOptions are what a wrapper around a booster adds to it.
type XGBoostOptions struct {
	// Missing, if not nil, is a number that counts as missing, as NaN always does:
	// the wrapper's parameter missing.
	Missing *float64
	// Best uses the trees up to the best iteration of early stopping, as
	// scikit-learn's wrapper does; a bare Booster uses them all.
	Best bool
	// Limit is best_ntree_limit, of wrappers before 1.4; 0: none.
	Limit int
	// Regression answers what predict answers as quantities, whatever the
	// objective, as XGBRegressor does.
	Regression bool
	// Names are those of the features, for files before 1.4, which do not have them.
	Names []string
}

const nextXGBoost = "Load the file in Python with the XGBoost that wrote it, check that it predicts, and save it again with booster.save_model(\"model.json\")."

// Bounds of what a file may claim, far beyond what is useful. A signature has an
// entry for each feature and class, whether or not a tree mentions it.
const (
	maxFeatures = 1 << 16
	maxOutputs  = 1 << 14
)

// booster is an XGBoost model as its file has it, whichever format that is.
type booster struct {
	version    [3]int
	library    string
	objective  string
	kind       string // gbtree, dart or gblinear
	features   int
	names      []string
	types      []string
	classes    int // num_class: 0 unless the objective is multi:*
	targets    int
	base       []float32 // base_score as it stands there
	baseMargin bool      // base_score is a margin already: before 1.0
	attributes map[string]string

	trees    []forest.Tree
	groups   []float64 // tree_info: the output that each tree adds to
	starts   []float64 // iteration_indptr, since 2.0; before, nil
	parallel int       // num_parallel_tree, where starts is nil
	drop     []float64 // weight_drop of dart, nil where all weights are 1
	linear   []float64 // weights of gblinear
	recode   []categories
	labels   []model.Label // of a wrapper's encoder, nil where there is none
}

// XGBoost reads what LoadXGBoost reads, or what a pickled Booster holds, as the
// options ask for. Errors are as there.
func XGBoost(r io.Reader, o XGBoostOptions) (model.Predictor, error) {
	buffered := buffer(r)
	prefix, err := buffered.Peek(prefixLength)
	if err != nil && err != io.EOF { //nolint:errorlint // bufio returns it bare
		return nil, err
	}
	var b *booster
	if binaryPrefix(prefix) {
		b, err = readXGBoostBinary(buffered)
	} else {
		b, err = readXGBoostDocument(buffered)
	}
	if err != nil {
		return nil, refusal(nextXGBoost, err)
	}
	if len(b.names) == 0 && !numbered("f", o.Names) {
		b.names = o.Names
	}
	p, refused := b.predictor(o)
	if refused != nil {
		return nil, refused
	}
	return p, nil
}

// xgboostMembers are what is read of a document; XGBoost's classes save them
// (src/learner.cc LearnerIO::SaveModel, src/gbm/*, src/tree/tree_model.cc).
var xgboostMembers = keep(`
	Model learner version attributes best_iteration best_ntree_limit scikit_learn
	feature_names feature_types gradient_booster name model gbtree weight_drop
	gbtree_model_param num_trees num_parallel_tree iteration_indptr tree_info cats enc offsets values type
	weights learner_model_param base_score num_class num_feature num_target objective
	tree_param num_nodes size_leaf_vector left_children right_children split_indices split_conditions
	default_left split_type categories categories_nodes categories_segments categories_sizes leaf_weights`)

func keep(words string) map[string]bool {
	kept := make(map[string]bool)
	for word := range strings.FieldsSeq(words) {
		kept[word] = true
	}
	return kept
}

func readXGBoostDocument(r io.Reader) (*booster, error) {
	b := &booster{}
	var budget setBudget
	s := schema{keep: xgboostMembers, stream: keep("trees"), take: func(element any) *model.Refusal {
		in := &intake{next: nextXGBoost}
		tree := xgboostTree(part{element, fmt.Sprintf("tree %d", len(b.trees)), in}, &budget)
		b.trees = append(b.trees, tree)
		return in.err
	}}
	root, err := readDocument(buffer(r), s)
	if err != nil {
		return nil, err
	}
	in := &intake{next: nextXGBoost}
	file := part{root, "", in}
	if file.has("Model") { // a pickled Booster
		file = file.at("Model")
		file.path = ""
	}
	b.read(file)
	if in.err != nil {
		return nil, in.err
	}
	return b, nil
}

// read takes over everything but the trees.
func (b *booster) read(file part) {
	for i, x := range file.at("version").fixed(3) {
		b.version[i] = file.at("version").whole(x, 1<<16)
	}
	b.library = fmt.Sprintf("XGBoost %d.%d.%d", b.version[0], b.version[1], b.version[2])
	learner := file.at("learner")
	b.objective = learner.at("objective").at("name").text()
	if learner.has("feature_names") {
		b.names = learner.at("feature_names").texts()
	}
	if learner.has("feature_types") {
		b.types = learner.at("feature_types").texts()
	}
	b.attributes = map[string]string{}
	for _, name := range []string{"best_iteration", "best_ntree_limit", "scikit_learn"} {
		if attributes := learner.at("attributes"); attributes.has(name) {
			b.attributes[name] = attributes.at(name).text()
		}
	}
	parameters := learner.at("learner_model_param")
	b.features = parameters.at("num_feature").digits(maxFeatures)
	b.classes = parameters.at("num_class").digits(maxOutputs)
	b.targets = 1
	if parameters.has("num_target") {
		b.targets = parameters.at("num_target").digits(maxOutputs)
	}
	b.base = parameters.at("base_score").floats()

	gradient := learner.at("gradient_booster")
	b.kind = gradient.at("name").text()
	if gradient.has("weight_drop") {
		b.drop = gradient.at("weight_drop").numbers()
	}
	if gradient.has("gbtree") { // dart before 3.3
		gradient = gradient.at("gbtree")
	}
	trees := gradient.at("model")
	if b.kind == "gblinear" {
		b.linear = trees.at("weights").numbers()
		return
	}
	if trees.has("weight_drop") {
		b.drop = trees.at("weight_drop").numbers()
	}
	b.groups = trees.at("tree_info").fixed(len(b.trees))
	b.parallel = 1
	if of := trees.at("gbtree_model_param"); of.has("num_parallel_tree") {
		b.parallel = max(1, of.at("num_parallel_tree").digits(1<<20))
	}
	if trees.has("iteration_indptr") {
		b.starts = trees.at("iteration_indptr").numbers()
	}
	if trees.has("cats") {
		b.recode = readCategories(trees.at("cats"))
	}
}

// digits reads a whole number that is written as a string.
func (p part) digits(most int) int {
	text := p.text()
	n, err := strconv.ParseUint(text, 10, 31)
	if (err != nil || n > uint64(most)) && p.in.err == nil {
		p.fail("it is %s instead of a whole number from 0 to %d", model.Quote(text), most)
	}
	if p.in.err != nil {
		return 0
	}
	return int(n)
}

// floats reads one number that is written as a string, or, since 3.1, an array
// of them: "5E-1", "[1E0,2E0]".
func (p part) floats() []float32 {
	text := strings.TrimSpace(p.text())
	inner, bracketed := strings.CutPrefix(text, "[")
	if bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		if !bracketed {
			p.wrong("numbers in brackets")
		}
	}
	var all []float32
	for word := range strings.SplitSeq(inner, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(word), 32)
		if (err != nil || math.IsNaN(x) || math.IsInf(x, 0)) && p.in.err == nil {
			p.fail("it is %s instead of numbers", model.Quote(text))
		}
		all = append(all, float32(x))
	}
	return all
}

// since tells whether the file was written by that version or a later one.
func (b *booster) since(major, minor int) bool {
	return b.version[0] > major || b.version[0] == major && b.version[1] >= minor
}

// outputs is the number of margins.
func (b *booster) outputs() int { return max(b.classes, b.targets, 1) }

// predictor checks that the parts fit together and makes the engine.
func (b *booster) predictor(o XGBoostOptions) (model.Predictor, *model.Refusal) {
	in := &intake{next: nextXGBoost}
	whole := part{path: "the model", in: in}
	b.saved(whole, &o)
	goal := b.goal(whole, o)
	if b.features < 1 {
		whole.fail("it has no features")
	}
	features, named := b.describe(whole)
	base := b.margins(whole)
	if in.err != nil {
		return nil, in.err
	}
	engine := &engine{link: goal.link, groups: b.outputs(), missing: o.Missing, width: b.features, recode: b.recode}
	if b.kind == "gblinear" {
		engine.sum = b.linearSum(whole, base)
		engine.finite = b.since(1, 4) // since then, a DMatrix takes no infinities, and nothing else asks gblinear
	} else {
		engine.sum = b.treeSum(whole, base, o)
	}
	if in.err != nil {
		return nil, in.err
	}
	engine.finish()
	s := goal.signature
	if b.labels != nil && s.Task == model.Classification {
		if len(b.labels) != len(s.Classes) {
			whole.fail("its wrapper has %d classes instead of %d", len(b.labels), len(s.Classes))
			return nil, in.err
		}
		s.Classes = b.labels
	}
	s.Features, s.Named = features, named
	s.Library = b.library
	s.Estimator = fmt.Sprintf("Booster(%s, %s)", b.kind, b.objective)
	return model.New(s, engine), nil
}

// describe makes the features of the signature.
func (b *booster) describe(whole part) (features []model.Feature, named bool) {
	if len(b.names) > 0 && len(b.names) != b.features {
		whole.fail("it has %d feature names for %d features", len(b.names), b.features)
	}
	if len(b.types) > 0 && len(b.types) != b.features {
		whole.fail("it has %d feature types for %d features", len(b.types), b.features)
	}
	if len(b.names) > 0 && !uniqueNames(b.names) {
		whole.fail("two features have the same name, or one has none")
	}
	if len(b.recode) > 0 && len(b.recode) != b.features {
		whole.fail("it has categories of %d features instead of %d", len(b.recode), b.features)
	}
	if whole.in.err != nil {
		return nil, false
	}
	features = model.Numbers(b.features, b.names)
	for i := range features {
		features[i].Missing = true
		if b.recode != nil {
			features[i].Kind, features[i].Known = b.recode[i].kind(), b.recode[i].labels
		}
	}
	return features, len(b.names) > 0
}

// treeSum makes the sum of the trees.
func (b *booster) treeSum(whole part, base []float64, o XGBoostOptions) sum {
	n := len(b.trees)
	if b.drop != nil {
		whole = part{value: vector(b.drop), path: "weight_drop", in: whole.in}
		if len(b.drop) > n || b.kind == "dart" && len(b.drop) < n {
			whole.fail("it has %d weights for %d trees", len(b.drop), n)
			return nil
		}
		for t, w := range b.drop {
			for i, v := range b.trees[t].Values {
				b.trees[t].Values[i] = float64(float32(v) * float32(w))
			}
		}
	}
	if b.since(1, 6) && !b.since(1, 7) {
		refuseUnseen16(whole, b.trees)
	}
	for t := range b.trees {
		b.trees[t].Output = whole.whole(b.groups[t], b.outputs()-1)
	}
	if o.Best {
		n = b.bestTrees(whole, o.Limit)
	}
	if whole.in.err != nil {
		return nil
	}
	woods, err := forest.New(forest.Options{
		Features: b.features, Outputs: b.outputs(), Float32: true, Sum32: true, Category: b.category(),
	}, b.trees[:n])
	if err != nil {
		whole.fail("%v", err)
		return nil
	}
	// Before 1.3 (dart: before 1.4), the trees were summed first and the base added
	// last (src/predictor/cpu_predictor.cc PredValue).
	last := !b.since(1, 3) || b.kind == "dart" && !b.since(1, 4)
	return &trees32{woods: woods, base: base, last: last}
}

// category tells how a number becomes a category: a cast to int32 before 1.6,
// and since then negative ones are none (src/common/categorical.h).
func (b *booster) category() forest.Category {
	if b.since(1, 6) {
		return forest.TruncatePositive
	}
	return forest.Truncate
}

// refuseUnseen16 looks for tests whose answer to an unseen category was another
// in 1.6 than before and after: the way of a missing value.
func refuseUnseen16(whole part, trees []forest.Tree) {
	for t := range trees {
		for _, n := range trees[t].Nodes {
			if n.Test == forest.Member && n.MissingLeft { // XGBoost's right
				whole.in.refuse("Load the model with XGBoost 1.7 or later and save it again.", "tree %d: it tests categories, and XGBoost 1.6 sent unseen ones another way than every other version", t)
				return
			}
		}
	}
}

// bestTrees is how many trees there are up to the best iteration; limit is
// XGBoostOptions.Limit.
func (b *booster) bestTrees(whole part, limit int) int {
	n := len(b.trees)
	rounds := 0 // as trees for each output
	switch {
	case !b.since(1, 4):
		rounds = limit
	case !b.since(1, 6): // it does not know how many trees make a round
		rounds = b.attribute(whole, "best_ntree_limit")
	case b.attributes["best_iteration"] != "":
		best := b.attribute(whole, "best_iteration") + 1
		if best < len(b.starts) {
			return part{path: "iteration_indptr", in: whole.in}.whole(b.starts[best], n)
		}
		rounds = best * b.parallel
	}
	if rounds > 0 && rounds < n {
		n = min(n, rounds*b.outputs())
	}
	return n
}

// attribute reads an attribute that is a whole number, 0 where there is none.
func (b *booster) attribute(whole part, name string) int {
	text, ok := b.attributes[name]
	if !ok {
		return 0
	}
	return part{text, "attributes." + name, whole.in}.digits(1 << 30)
}

// saved reads what the wrapper's own save_model leaves among the attributes:
// before 2.0, its parameters and labels.
func (b *booster) saved(whole part, o *XGBoostOptions) {
	text, ok := b.attributes["scikit_learn"]
	if !ok {
		return
	}
	o.Best = true
	root, err := readJSON(strings.NewReader(text), schema{keep: keep("missing _le classes_")})
	if err != nil {
		whole.fail("its attribute scikit_learn: %v", err)
		return
	}
	p := part{root, "attributes.scikit_learn", whole.in}
	if p.has("missing") && o.Missing == nil {
		if missing, ok := p.at("missing").value.(float64); ok && !math.IsNaN(missing) {
			o.Missing = &missing
		}
	}
	if p.has("_le") {
		for _, class := range p.at("_le").at("classes_").parts() {
			switch v := class.value.(type) {
			case string:
				b.labels = append(b.labels, textLabel(v))
			case float64:
				b.labels = append(b.labels, numberLabel(v))
			default:
				class.wrong("a class")
			}
		}
	}
}

// linearSum makes the sum of gblinear: weights feature by feature, the biases
// last.
func (b *booster) linearSum(whole part, base []float64) sum {
	if want := (b.features + 1) * b.outputs(); len(b.linear) != want {
		whole.fail("it has %d weights instead of %d", len(b.linear), want)
		return nil
	}
	l := &linear32{features: b.features, outputs: b.outputs(), base: float32(base[0])}
	for i, w := range b.linear {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			whole.fail("its weight %d is %v", i, w)
		}
		l.weights = append(l.weights, float32(w))
	}
	return l
}

var objectiveForm = regexp.MustCompile(`^[a-z]{2,10}:[a-z_]{2,40}$`)

// binaryPrefix tells XGBoost's binary format: the mark "binf" or "CONFIG-offset:",
// or, in older files, parameters followed by the objective's name.
func binaryPrefix(prefix []byte) bool {
	if bytes.HasPrefix(prefix, []byte("binf")) || bytes.HasPrefix(prefix, []byte(configOffset)) {
		return true
	}
	const at = parametersSize + 8
	if len(prefix) < at {
		return false
	}
	length := prefix[parametersSize]
	return length < 64 && len(prefix) >= at+int(length) && objectiveForm.Match(prefix[at:at+int(length)])
}
