package sklearn

import (
	"serin/internal/model"
	"serin/internal/pickle"
)

// Names are the classes and functions that a file of scikit-learn's may mention,
// beside those that package pickle knows by itself. The caller must not change it.
func Names() map[pickle.Global]bool { return allowed }

// FromValue makes a model of what a file holds, whoever read it. Its error is a
// *model.Refusal.
func FromValue(v pickle.Value) (model.Predictor, error) { return fromValue(v) }

// Translate makes the refusal of a file that package pickle does not read.
func Translate(e *pickle.Error) *model.Refusal { return translate(e) }

// upTo are the numbers below n.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}
