// Package model is the engine room's door: what one loaded version of a model
// expects, what it answers, and how a file is refused.
//
// The formats live in subpackages (sklearn, ...). Each turns the bytes of an
// artifact into a Predictor; nobody outside them knows what a coefficient is.
//
//	artifact bytes --Load--> Predictor --Predict(Rows)--> Answers
//	                  |       = Signature + Engine   |
//	                  |                              +--> *Unanswerable: what is wrong with a row
//	                  +--> *Refusal: what is wrong with the file, and what to do next
//
// What may not happen here: an Engine that loaded must never panic, whatever it
// is asked; it must never change after loading, so any number of requests may
// share it without a lock; and it must not allocate while it answers.
//
// Terms: a row is the feature values of one request, in the order of
// Signature.Features. A class is one possible answer, in the order that the
// library that fitted the model keeps (scikit-learn's classes_). An engine is
// the arithmetic of a fitted model without its description; engines are made of
// engines, as a voting classifier is.
package model

import (
	"fmt"
	"slices"
	"strings"
)

// Engine answers rows. It is immutable and safe for concurrent use.
type Engine interface {
	// Predict answers the rows of in, in their order, into out. The shapes are
	// those of the Signature: callers check a request once, so that this line
	// need not. Its error is always an *Unanswerable, out is of no use then, and
	// only then does it allocate. An answer may be NaN where the library that
	// wrote the model answers NaN.
	Predict(in Rows, out Answers) error
}

// Predictor is one loaded version: an engine and what it expects and answers.
type Predictor interface {
	Engine
	// Signature describes rows and answers. The caller must not change it.
	Signature() *Signature
}

// New joins an engine and its description.
func New(s Signature, e Engine) Predictor { return &predictor{e, &s} }

type predictor struct {
	Engine
	signature *Signature // apart, so that who keeps it does not keep the engine
}

func (p *predictor) Signature() *Signature { return p.signature }

// Rows are the feature values of one or more requests. An engine only reads them.
type Rows struct {
	// N is the number of rows, at least 1.
	N int
	// Numbers are the rows one after another, len(Signature.Features) each. NaN is
	// a missing value; a Bool is 0 or 1.
	Numbers []float64
	// Texts have the same shape; nil where no feature is Text. At the place of a
	// Text, Numbers has 0, or NaN where the value is missing; at the place of
	// anything else, Texts has "".
	Texts []string
}

// Row makes Rows of a single row of numbers.
func Row(numbers []float64) Rows { return Rows{N: 1, Numbers: numbers} }

// Answers are where an engine writes.
type Answers struct {
	// Values are the rows' answers one after another, Signature.Outputs each.
	Values []float64
	// Classes are the predicted classes, one a row, as indices into
	// Signature.Classes; nil where the task is Regression, or nobody asks for them.
	Classes []int
}

// Unanswerable says why there is no answer to a row. It is about the row and
// not about the model: another version may well have an answer.
type Unanswerable struct {
	// Row and Feature are indices; Feature is -1 where no single one is to blame.
	Row, Feature int
	// Reason is a clause: `the value "gold" was not among those the model was fitted on`.
	Reason string
}

func (u *Unanswerable) Error() string { return u.Reason }

// Signature is what a version expects and what it answers.
type Signature struct {
	// Features are the values of a row, in order, at least one.
	Features []Feature
	// Named tells whether the model was fitted on named columns. The names of
	// Features are then unique; otherwise they are empty.
	Named bool
	// Task is what kind of answer a row gets.
	Task Task
	// Values is what the numbers in Answers.Values mean, and Outputs how many
	// there are in a row.
	Values  Meaning
	Outputs int
	// Classes are the answers in the model's own order, at least two; nil for Regression.
	Classes []Label
	// Library is the library and version that wrote the file: "scikit-learn 1.5.2".
	Library string
	// Estimator names the steps: "Pipeline(StandardScaler, LogisticRegression)".
	Estimator string
}

// Answers says in words what a row is answered with.
func (s *Signature) Answers() string {
	if s.Classes == nil {
		if s.Outputs == 1 {
			return "a number"
		}
		return fmt.Sprintf("%d numbers", s.Outputs)
	}
	const shown = 10
	var classes []string
	for i, l := range s.Classes {
		if i == shown {
			classes = append(classes, fmt.Sprintf("and %d more", len(s.Classes)-shown))
			break
		}
		classes = append(classes, string(l))
	}
	return fmt.Sprintf("one of the classes %s, with %s", strings.Join(classes, ", "), s.Values)
}

// Feature is one value of a row.
type Feature struct {
	// Name is empty unless Signature.Named.
	Name string
	// Kind is what the value must be.
	Kind Kind
	// Missing tells whether the value may be missing.
	Missing bool
	// Known are the values that the model was fitted on, for a feature that it
	// treats as a category; nil for others.
	Known []Label
}

// Kind is what a feature's value must be.
type Kind uint8

const (
	// Number is a 64-bit float.
	Number Kind = iota
	// Text is a string.
	Text
	// Bool is true or false; to an engine, 1 or 0.
	Bool
	// Unused is a value that the model does not look at, like a column that it
	// drops: anything may be given, or nothing. To an engine, 0.
	Unused
)

func (k Kind) String() string { return [...]string{"number", "text", "bool", "unused"}[k] }

// Task is what kind of answer a row gets.
type Task uint8

const (
	// Classification answers one of some classes.
	Classification Task = iota
	// Regression answers numbers.
	Regression
)

func (t Task) String() string { return [...]string{"classification", "regression"}[t] }

// Meaning is what the numbers of an answer are.
type Meaning uint8

const (
	// Probabilities are one for each class, and add up to 1.
	Probabilities Meaning = iota
	// Scores are scikit-learn's decision function: with two classes one number,
	// above zero for the second; with more, one for each.
	Scores
	// Quantities are the predicted numbers of a regression.
	Quantities
)

func (m Meaning) String() string { return [...]string{"probabilities", "scores", "quantities"}[m] }

// Names are the features' names in row order, nil unless they are named.
func (s *Signature) Names() []string {
	if !s.Named {
		return nil
	}
	names := make([]string, len(s.Features))
	for i, f := range s.Features {
		names[i] = f.Name
	}
	return names
}

// Numbers describes n features that are numbers, by name if names are given.
func Numbers(n int, names []string) []Feature {
	features := make([]Feature, n)
	for i, name := range names {
		features[i].Name = name
	}
	return features
}

// Label is one class, as JSON: 1, "churned", true. Two labels are equal when
// their JSON is. It is made once, at load, so that an answer only copies it.
type Label string

// Compatible tells why a canary with this signature may not stand in for
// stable, in one sentence; the empty string means that it may. A client must
// not notice which version answered, so the features, their names where both
// know them, and the kind of the answers must agree. A feature that may be
// missing for stable may be missing for the canary.
func (s *Signature) Compatible(stable *Signature) string {
	if len(s.Features) != len(stable.Features) {
		return fmt.Sprintf("it expects %d features, stable expects %d", len(s.Features), len(stable.Features))
	}
	for i, f := range s.Features {
		other := stable.Features[i]
		switch {
		case s.Named && stable.Named && f.Name != other.Name:
			return fmt.Sprintf("its feature %d is %q, stable's is %q", i, f.Name, other.Name)
		case other.Kind == Unused && f.Kind != Unused:
			return fmt.Sprintf("its feature %s is a %s, stable does not use it", s.featureAt(i), f.Kind)
		case f.Kind != other.Kind && f.Kind != Unused:
			return fmt.Sprintf("its feature %s is a %s, stable's is a %s", s.featureAt(i), f.Kind, other.Kind)
		case other.Missing && !f.Missing:
			return fmt.Sprintf("its feature %s may not be missing, stable's may", s.featureAt(i))
		}
	}
	if s.Task != stable.Task || s.Values != stable.Values {
		return fmt.Sprintf("it answers %s of a %s, stable answers %s of a %s", s.Values, s.Task, stable.Values, stable.Task)
	}
	if !slices.Equal(s.Classes, stable.Classes) {
		return fmt.Sprintf("it answers classes %s, stable answers %s", labels(s.Classes), labels(stable.Classes))
	}
	if s.Outputs != stable.Outputs {
		return fmt.Sprintf("it answers %d numbers, stable answers %d", s.Outputs, stable.Outputs)
	}
	return ""
}

// featureAt names a feature for a message.
func (s *Signature) featureAt(i int) string {
	if s.Named {
		return fmt.Sprintf("%q", s.Features[i].Name)
	}
	return fmt.Sprint(i)
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
