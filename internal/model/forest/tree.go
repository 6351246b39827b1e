package forest

// Options are what all trees of a forest have in common.
type Options struct {
	// Features is the width of a row, Outputs that of an answer; both at least 1.
	Features, Outputs int
	// Float32 rounds x to the nearest float32 before any test; thresholds stay as
	// they are.
	Float32 bool
	// Sum32 adds values as float32, tree after tree: out = float32(out) +
	// float32(value), beginning with what is in out.
	Sum32 bool
	// Category tells which category a number stands for, in tests of kind Member.
	Category Category
}

// Tree is one tree as a reader gives it. Nothing of it is kept.
type Tree struct {
	// Nodes, the root first, in any order behind it. Each other node is the child
	// of exactly one.
	Nodes []Node
	// Values of the leaves, row by row: Options.Outputs numbers each, or one
	// number each if Single.
	Values []float64
	// Single: a leaf has one number, which is added to out's column Output.
	Single bool
	Output int
}

// Node is an inner node or, with a negative Feature, a leaf.
type Node struct {
	Feature     int32 // of the test; negative: a leaf
	Left, Right int32 // nodes, for an inner node
	Value       int32 // row of Tree.Values, for a leaf
	Test        Test
	Missing     Missing
	MissingLeft bool // a missing value goes left
	// Threshold of the numeric tests; infinities are legal.
	Threshold float64
	// Categories is the set of Member, a bit each: category c is in it if bit c%32
	// of word c/32 is set.
	Categories []uint32
}

// Test is what sends a row to the left.
type Test uint8

// Whatever goes left, the rest goes right.
const (
	AtMost Test = iota // x <= Threshold
	Below              // x < Threshold
	Equal              // x == Threshold
	Member             // the category of x is in Categories
)

// Missing is what counts as a missing value, which is not tested.
type Missing uint8

// What is missing to a test.
const (
	MissingNaN   Missing = iota // NaN
	MissingZero                 // NaN, and every |x| <= float32(1e-35): LightGBM's kZeroThreshold
	NeverMissing                // nothing: NaN counts as 0
)

// Category is the way from a number to its category. What is no category (too
// large, negative) is in no set.
type Category uint8

// The ways of the libraries: LightGBM and scikit-learn, XGBoost, ONNX.
const (
	Truncate         Category = iota // 2.7 is 2, -0.5 is 0
	TruncatePositive                 // 2.7 is 2, what is below 0 is none
	Whole                            // 2 is 2, 2.7 is none
)

// New compiles trees, or says what is wrong with one: "tree 3: node 7 has the
// child 12 of 10 nodes".
func New(o Options, trees []Tree) (*Forest, error) {
	b, err := NewBuilder(o)
	if err != nil {
		return nil, err
	}
	for i := range trees {
		if err := b.Add(&trees[i]); err != nil {
			return nil, err
		}
	}
	return b.Forest(), nil
}
