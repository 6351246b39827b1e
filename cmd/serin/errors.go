package main

import (
	"errors"

	"serin/internal/api"
	"serin/internal/model"
)

// usageError is a command line that was not given as it should be.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// verdictError ends a command that did what it should and found something
// that a script must notice.
type verdictError struct{ code api.ExitCode }

func (v *verdictError) Error() string { return "the verdict is not a pass" }

// exitCode is what a script learns of an error. Before a command has started,
// an error can only be about how it was called.
func exitCode(err error, started bool) api.ExitCode {
	if _, ok := errors.AsType[usageError](err); ok || !started {
		return api.ExitUsage
	}
	if _, ok := errors.AsType[*model.Refusal](err); ok {
		return api.ExitRefused
	}
	return api.ExitOf(err)
}
