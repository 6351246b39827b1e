// Package gbdt reads gradient boosting as its own libraries save it, XGBoost,
// LightGBM and CatBoost, and turns it into a model.Predictor that answers what
// Booster.predict or predict_proba answer.
//
//	XGBoost   JSON, UBJSON --document--+
//	          binary ------------------+--> booster --+
//	LightGBM  text -------------------------lines-----+--> forest + base --> margins --> link --> answers
//	CatBoost  JSON --------document-------------------+    model/forest      sums        a probability,
//	                                                                         of leaves   a count, ...
//
// JSON and UBJSON become the same inert values (document.go): only the members
// that a reader names, within budgets of depth and size, and trees one at a time.
// A part is a value with its place; what is wrong first with any of them is kept,
// and reading goes on with zeros, so that readers are plain lists of what they
// want. LightGBM's text is read line by line.
//
// The arithmetic is the library's. XGBoost rounds a row to float32, compares
// with <, and adds leaves as float32, tree after tree, to base_score as a margin;
// what a version did differently is decided by the version in the file.
// LightGBM and CatBoost add float64. All files are asked as the libraries'
// Python packages are: every row is float64, NaN is a missing value. A value
// beyond float32 is infinite to XGBoost's trees, as in inplace_predict.
//
// A bare Booster uses all of its trees. If early stopping found a best
// iteration, scikit-learn's wrapper stops there; so do files that a wrapper
// saved, and LightGBM's, which end there anyway.
//
// What may not happen here: memory that a number in the file asks for; a child,
// a feature, an output or a category that is out of range; a tree that is no
// tree; an attribute that would change an answer and is passed over. Those are
// refusals. What was read cannot fail, except that a category which the model
// was not fitted on is an error where the library says so.
//
// Terms: a margin is the sum of a row before the objective's transformation, the
// link. A round (XGBoost: iteration) is the trees that were added together, one
// for each output. base_score, tree_info, dart and the like are the libraries'
// words.
package gbdt
