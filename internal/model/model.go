// Package model is the engine room's door: what one loaded version of a model
// expects, what it answers, and how a file is refused.
//
// The formats live in subpackages (sklearn, ...). Each turns the bytes of an
// artifact into a Predictor; nobody outside them knows what a coefficient is.
//
//	artifact bytes --sklearn.Load--> Predictor --Predict--> one probability per class
//	                     |
//	                     +--> *Refusal: what is wrong with the file, and what to do next
//
// What may not happen here: a Predictor that loaded must never panic, whatever
// finite numbers it is given; it must never change after loading, so any number
// of requests may share it without a lock; and it must not allocate while it
// predicts.
//
// Terms: a row is the feature values of one request, in the order of
// Signature.Features. A class is one possible answer, in the order that the
// library that fitted the model keeps (scikit-learn's classes_).
package model

import (
	"fmt"
	"slices"
	"strings"
)

// Predictor is one loaded version. It is immutable and safe for concurrent use.
type Predictor interface {
	// Signature describes rows and answers. The caller must not change it.
	Signature() *Signature
	// Predict writes the probability of each class to probs and returns the
	// index of the predicted class. len(row) must be Signature().Features and
	// len(probs) must be len(Signature().Classes): the caller checks a request
	// once, so that this line need not. The row is read only. Probabilities are
	// NaN when the row's numbers overflow, or all vanish, inside the model.
	Predict(row, probs []float64) int
}

// Signature is what a version expects and what it answers.
type Signature struct {
	// Features is the number of values in a row, at least 1.
	Features int
	// Names are the feature names in row order, nil when the model was fitted on
	// an unnamed matrix. len(Names) is 0 or Features; names are unique.
	Names []string
	// Classes are the answers in the model's own order, at least two.
	Classes []Label
	// Library is the library and version that wrote the file: "scikit-learn 1.5.2".
	Library string
	// Estimator names the steps: "Pipeline(StandardScaler, LogisticRegression)".
	Estimator string
}

// Label is one class, as JSON: 1, "churned", true. Two labels are equal when
// their JSON is. It is made once, at load, so that an answer only copies it.
type Label string

// Compatible tells why a canary with this signature may not stand in for
// stable, in one sentence; the empty string means that it may. A client must
// not notice which version answered, so the number of features, the names
// where both know them, and the classes must agree.
func (s *Signature) Compatible(stable *Signature) string {
	if s.Features != stable.Features {
		return fmt.Sprintf("it expects %d features, stable expects %d", s.Features, stable.Features)
	}
	if s.Names != nil && stable.Names != nil && !slices.Equal(s.Names, stable.Names) {
		for i, name := range s.Names {
			if name != stable.Names[i] {
				return fmt.Sprintf("its feature %d is %q, stable's is %q", i, name, stable.Names[i])
			}
		}
	}
	if !slices.Equal(s.Classes, stable.Classes) {
		return fmt.Sprintf("it answers classes %s, stable answers %s", labels(s.Classes), labels(stable.Classes))
	}
	return ""
}

func labels(classes []Label) string {
	const shown = 10
	var b strings.Builder
	b.WriteByte('[')
	for i, class := range classes {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == shown {
			fmt.Fprintf(&b, "and %d more", len(classes)-shown)
			break
		}
		b.WriteString(string(class))
	}
	b.WriteByte(']')
	return b.String()
}

// Refusal says why a file is not served. It is the only error that a format's
// loader returns for what is in a file; anything else is trouble with reading.
type Refusal struct {
	// Reason is what is wrong and where: "byte 210: the file names os.system, ...".
	Reason string
	// Next is what the person who brought the file can do about it.
	Next string
}

func (r *Refusal) Error() string { return r.Reason + ". " + r.Next }
