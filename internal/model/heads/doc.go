// Package heads is the arithmetic of fitted estimators: what scikit-learn's
// predict_proba, decision_function and predict compute, as model.Engine. It
// takes numbers that somebody else has read and checked, and knows no file.
//
// Two kinds of estimators live here:
//
//	Rows.Numbers --Scorer--> raw scores --Link--> Values and Classes      linear, bayes, mlp, ...
//	Rows --Member, Member, ...--> their answers --one rule--> Answers     voting, stacking, boosting, ...
//
// A Scorer is arithmetic on numbers (a matrix, layers, support vectors,
// neighbours); a Link says what the scores mean and which class they predict.
// New joins the two. A Member is an engine inside another one: it is asked with
// the rows as they came, so that a pipeline with text columns may be one.
//
// What a class and its value are follows scikit-learn's predict, which is not
// always the most probable class: a support vector machine votes, and an
// ensemble takes the first of equals.
//
// What may not happen here, once the numbers that a constructor got are as its
// comment asks: a panic, an allocation in steady state, a class out of range, or
// an answer that depends on the rows beside it.
//
// Terms: a score is a number before it is a probability; decision is
// scikit-learn's decision_function, one number for two classes and one for each
// of more. The source of each formula is named beside it, as file and function
// of scikit-learn.
package heads
