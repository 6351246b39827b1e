// Package onnx serves the ONNX graphs that exporters of tabular models write:
// skl2onnx, onnxmltools and PyTorch. It knows the operators of ai.onnx.ml, which
// hold what was fitted, and finds in a graph's outputs what a model answers.
//
//	bytes --graph.Read--> File --newEngine--> plans for 1, 8 and 64 rows --Predict--> Answers
//	                                          probe: what do the outputs mean?
//
// Inputs are one tensor of columns, or several; with one column each they are
// features with names. Outputs are:
//
//	label and numbers      a classification. The classes are those of the ZipMap, or of
//	                       the operator that makes the label
//	numbers alone          a regression, unless the last operator is Softmax (classes 0,
//	                       1, ...) or a Sigmoid of one column (classes 0 and 1)
//
// A file does not tell whether its numbers are probabilities, nor which values
// may be missing. So the engine answers some rows while it is loaded (answer.go):
// numbers that add up to 1 in all of them are probabilities; others are scores,
// and must agree with the labels. A feature may be missing if the graph has an
// operator that knows NaN and the answer without it is a number.
//
// The arithmetic follows ONNX Runtime's kernels for these operators, where the
// standard says little, and refuses where they do what nobody can have meant.
//
// A file with operators that serin does not have is refused, or, where a host is
// given (LoadWith), computed there as a whole: the same probe finds out what it
// answers, but no feature may be missing, and its rows allocate.
//
// What may not happen here: a loaded model that panics, allocates in steady
// state (texts excepted), or answers a row otherwise because of the rows beside
// it: a graph that mixes rows is given one row at a time.
//
// Terms: the label is the output that names a class. Plans are graph.Plan; a
// kind is all plans of one size. A grove is a TreeEnsemble as it lies in the
// file, before model/forest has it.
package onnx
