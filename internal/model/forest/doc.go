// Package forest is the woods: decision trees of every library, compiled into
// flat arrays. It knows numbers only: no files, no classes, no links.
//
//	[]Tree, as a reader found them          Forest
//	   root                                 nodes  | r . | a b | c d | e f | ...   pairs of siblings
//	   /  \       New or Builder.Add        leaves | values, row by row
//	  a    b     ------------------->       trees  | root, depth, column of the answer
//	 / \         checks, lays out
//	c   d                                   Add:   out += values of the leaf that each row reaches
//
// What a tree asks of a row differs between libraries, and a Node says it
// exactly: x <= t or x < t, on float64 or rounded to float32, sets of
// categories, which way a missing value goes and what counts as missing. A
// reader maps the library's words to these and nothing else:
//
//	scikit-learn   AtMost, Options.Float32; HistGradientBoosting: AtMost on float64,
//	               Member with Truncate (in the set goes left)
//	XGBoost        Below, Options.Float32 and Sum32; Member with TruncatePositive and
//	               its children exchanged (there, in the set goes right)
//	LightGBM       AtMost; Node.Missing from the decision type; Member with Truncate
//	               and MissingLeft false
//	CatBoost       AtMost (greater goes right) on Float32
//	ONNX           AtMost, Below, Equal and, with children exchanged, their opposites;
//	               Member with Whole
//
// How it is fast: siblings are neighbours, so a step is child + (x >= t), a
// comparison without a branch. A leaf is its own child behind a threshold that
// nothing passes, so that several trees, or several rows, are walked in lock
// step and their memory accesses overlap (walk.go). "<=" and "<" and both ways
// for missing values become the one comparison >= by moving the threshold to
// the next number or by looking at -x; layout.go has the table.
//
// What may not happen here: a Forest that was made and panics, loops or
// allocates while it answers. New proves that every index is in range, that
// each node has one parent and can be reached, and that no threshold or value
// is NaN. Memory is proportional to the trees that are given.
//
// Terms: a row is Options.Features numbers. A column is a feature as some test
// looks at it: as it is, negated, or with its missing values replaced. A leaf's
// value is Outputs numbers, or one number for the tree's Output.
package forest
