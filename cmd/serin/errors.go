package main

import (
	"errors"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/model"
)

// exitCode is what a script learns of an error. Before a command has started,
// an error can only be about how it was called.
func exitCode(err error, started bool) api.ExitCode {
	if _, ok := errors.AsType[term.UsageError](err); ok || !started {
		return api.ExitUsage
	}
	if _, ok := errors.AsType[*model.Refusal](err); ok {
		return api.ExitRefused
	}
	return api.ExitOf(err)
}
