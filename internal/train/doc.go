// Package train is the workshop: it fits a binary logistic regression and writes
// it as a joblib file that scikit-learn opens, so that a first model can be served
// and replaced without a Python at hand.
//
//	CSV --ReadCSV--> Dataset --Fit--> Model --WriteFile--> x.joblib
//	invented customers --^                          |
//	                                 joblib.load in Python, sklearn.Load in serin
//
// The model is scikit-learn's LogisticRegression(C=C): the same objective, so the
// same coefficients to the accuracy that scikit-learn itself stops at.
//
//	P(second class | x) = 1/(1 + exp(-(w x + b)))
//	minimise  w w/2 + C Sum log-loss;  b is not penalised
//
// The file is what joblib.dump writes without compression: a pickle whose arrays
// stand in the stream as raw bytes behind a NumpyArrayWrapper. See joblib.go for
// which version's form is written and why every version reads it.
//
// What may not happen here: a model from data that has a hole in it, a file that
// a server can see half written, a coefficient that is not a number.
//
// Terms: a feature is a numeric column; the target is the column to predict; its
// two values are the classes, in scikit-learn's order (sorted), and "positive" is
// the second one.
package train
