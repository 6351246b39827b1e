package record

// Failure is why a prediction gave no answer.
type Failure uint8

// The failures: the model's code broke, it was not ready at its deadline, or the model
// has no answer to the row.
const (
	Panicked Failure = iota
	Late
	Unanswerable
	// FailureKinds is how many there are.
	FailureKinds int = iota
)

// String is what meters call it.
func (f Failure) String() string {
	return [FailureKinds]string{"panic", "deadline", "unanswerable"}[f]
}

// fail counts one prediction that gave no answer.
func (a *Arm) fail(why Failure) {
	a.Failures++
	switch why {
	case Panicked:
		a.Panics++
	case Late:
		a.Deadlines++
	}
}
