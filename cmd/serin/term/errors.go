package term

// UsageError is an error of how a command was called.
type UsageError struct{ error }

// Usage says of an error that it is one of how a command was called.
func Usage(err error) error { return UsageError{err} }

// Unwrap returns what was wrong.
func (u UsageError) Unwrap() error { return u.error }

// Finding ends a command that did what it should, and found something that a
// script must notice. The command has printed it.
type Finding struct {
	// Code is the exit code, one of package api's.
	Code int
}

func (*Finding) Error() string { return "the verdict is not a pass" }

// Found is the Finding with an exit code.
func Found[C ~int](code C) error { return &Finding{Code: int(code)} }
