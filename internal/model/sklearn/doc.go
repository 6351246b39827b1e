// Package sklearn turns a joblib or pickle file that scikit-learn wrote into a
// model.Predictor that answers what scikit-learn's predict_proba answers.
//
// Three steps, each with its own kind of error:
//
//	bytes --pickle.Read--> inert objects --estimator.go--> steps.Chain + heads, forest --> answer
//	        names, budgets                 attributes,                        the row's fault alone
//	                                       shapes, numbers
//
// An estimator is read attribute by attribute (reader.go). An attribute that is
// missing, of another type, of another shape, or unknown is a refusal that names
// it: an attribute that this version of serin does not know could change the
// answer, and a wrong answer is worse than none.
//
// A fitted pipeline becomes a chain of steps (transformers.go) that pass one row
// on, and an engine that answers it. All shapes are checked while loading, so that
// Predict checks no shape, allocates nothing and cannot panic.
//
// What a client's row must be is found from the inside out (pipeline.go): each
// object says what it wants of its columns (a number, a text; missing or not),
// each transformer says what its own columns are made of.
//
// Trees (trees*.go) are planted in a forest, one at a time, so that a large file
// is never held twice; one engine, woods, makes of their sums what each kind of
// estimator makes of them.
//
// The arithmetic is scikit-learn's, operation by operation (x - mean) / scale and
// not x*a + b, so that answers agree to the last bits. Where versions of
// scikit-learn differ (one-vs-rest or softmax, see head), the version that wrote
// the file decides.
//
// What may not happen here: a loaded predictor that panics or changes; a model
// that is served although scikit-learn would not have answered (unfitted, NaN
// coefficients, steps that do not fit together).
//
// Terms: estimator, transformer, fitted attribute (coef_), step and column
// transformer are scikit-learn's words. A step is our form of a transformer.
package sklearn
