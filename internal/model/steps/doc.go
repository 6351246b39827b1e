// Package steps is the arithmetic of transformers: what stands before an
// estimator and makes of the row that a client sends the row that the estimator
// was fitted on. It knows no file and no attribute names.
//
//	model.Rows --> Row --Link--> Row --Link--> Row --> block of rows --> the engine behind
//	 of the client     |  what must hold of the row (no missing value, nothing infinite)
//	                   |  the Step
//	                   +--> *model.Unanswerable, with the feature of the client's row
//
// A Step takes one row and gives one row; a Chain is several in a line; New puts
// a chain before an engine and is an engine again, so that pipelines may stand
// wherever an estimator may. Columns (a ColumnTransformer or a FeatureUnion) is a
// step that is made of chains.
//
// A row has numbers and, where a column is text, texts. A row that is mostly
// zeros (words of a vocabulary, one column for each category) is passed on as its
// other numbers and their columns; a step that does not know that form gets the
// row spelled out, and so does an engine, unless it is Sparse.
//
// The arithmetic is scikit-learn's, operation by operation: (x - mean) / scale and
// not x*a + b, so that answers agree to the last bits.
//
// What may not happen here: a panic, for shapes are checked by those who build
// steps; an allocation in steady state, for all memory of a row comes from a
// Scratch that is used again; a change of a step after it was built.
//
// Terms: a column is one value of the row at some place of a chain, a feature is
// one value of the client's row. The origin of a column is the feature that it is
// made of, where there is a single one.
package steps
