package fetch

import (
	"errors"
	"fmt"
	"net/url"
)

// Kind is why a file does not come.
type Kind int

const (
	// Forbidden: no source covers it, or its address may not be dialled.
	Forbidden Kind = iota
	// Missing: there is no such file, or whoever has it says so.
	Missing
	// Denied: whoever has it wants to know who asks.
	Denied
	// Differs: its bytes are not those that were asked for.
	Differs
	// TooLarge: it has more bytes than it may have.
	TooLarge
	// Broken: it could not be reached, or the transfer ended before the end.
	Broken
)

// Refusal says why a file does not come, in a sentence, and what to do next in another.
type Refusal struct {
	Kind         Kind
	Detail, Next string
	// Err is what happened below; nil where nothing did.
	Err error
}

func (r *Refusal) Error() string { return r.Detail + ". " + r.Next }

func (r *Refusal) Unwrap() error { return r.Err }

// broken is for what went wrong on the way. What is a refusal already stays one.
func broken(r Reference, err error) error {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	if u, ok := errors.AsType[*url.Error](err); ok { // the address of a redirect may hold a secret
		err = u.Err
	}
	return &Refusal{Kind: Broken, Err: err, Detail: fmt.Sprintf("%s cannot be fetched: %v", r, err), Next: "Look whether it can be reached from the server, then try again."}
}

// answered is for a status that is not 200; nil for that one.
func answered(r Reference, status int) error {
	switch status {
	case 200:
		return nil
	case 404, 410:
		return &Refusal{Kind: Missing, Detail: fmt.Sprintf("there is no file %s", r), Next: "Look at the name, or upload the file there first."}
	case 401, 403, 407:
		return &Refusal{Kind: Denied, Detail: fmt.Sprintf("the server may not read %s: the answer is %d", r, status), Next: "Give serin serve the credentials that can, in the variables that docs/models.md lists; some stores answer so, too, where there is no such file."}
	default:
		return &Refusal{Kind: Broken, Detail: fmt.Sprintf("%s cannot be fetched: the answer is %d", r, status), Next: "Try again, or ask those who run it."}
	}
}
