package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// Store is the memory. After a Commit that failed with ErrUnsettled, State
// tells, as soon as it can, whether the entry is there all the same.
type Store interface {
	// State returns what was committed last, with the rollout's last evidence.
	State(ctx context.Context, model string) (rollout.State, record.Evidence, error)
	// Commit writes one event and the state after it, durably.
	Commit(ctx context.Context, e Entry) error
	// SaveEvidence replaces the evidence of a rollout in progress.
	SaveEvidence(ctx context.Context, model, rolloutID string, e *record.Evidence) error
	// SaveLook keeps a look of the monitor, and its evidence as SaveEvidence does.
	// It returns the look's number.
	SaveLook(ctx context.Context, model, rolloutID string, l Look) (uint64, error)
}

// ErrUnsettled is the error of a Commit whose outcome is not known.
var ErrUnsettled = errors.New("it is not known whether the commit is durable")

// Entry is one event in the journal, with the state after it.
type Entry struct {
	// Seq is given by the store.
	Seq           uint64
	At            time.Time
	Event         rollout.Kind
	Actor, Reason string
	// Rollout is the attempt that the event belongs to; "" if none.
	Rollout string
	// Finding and Detail are the judge's finding and its numbers, and Evidence is
	// what they were made from: enough to judge the decision again. All are nil
	// where nothing was judged.
	Finding  *rollout.Finding
	Detail   json.RawMessage
	Evidence *record.Evidence
	State    rollout.State
}

// Look is one look of the monitor, with what it takes to judge it again: the
// plan is in the journal.
type Look struct {
	// Number is given by the store, from 1.
	Number   uint64
	At       time.Time
	Finding  rollout.Finding
	Detail   json.RawMessage
	Evidence *record.Evidence
}

// Engines are the loaded versions and the switch in front of them.
type Engines interface {
	// Fetch stores the file under its digest, and the golden predictions that came
	// with it. Nothing in either is interpreted.
	Fetch(ctx context.Context, from Source) (rollout.Version, error)
	// Load makes a stored version ready to serve: parsed, compatible with another
	// version (nil: with anything), true to its golden predictions, warm.
	Load(ctx context.Context, v rollout.Version, with *rollout.Version) error
	// Serve routes by a committed state, all of whose live versions are loaded. A
	// rollout that was not served before starts from the given evidence; one that
	// was goes on with its own.
	Serve(s rollout.State, before *record.Evidence)
	// Gauges returns what was observed of the rollout being served.
	Gauges() Gauges
}

// Source is where a model file comes from.
type Source struct {
	// Path is the file, as the server sees it, or its address elsewhere; of an upload, what its sender calls
	// it, and nothing is opened by it.
	Path string
	// SHA256 is what the digest of the bytes must be, GoldenSHA256 that of the
	// golden predictions; "" if nobody said.
	SHA256, GoldenSHA256 string
	// Model are the bytes of an upload; nil: the server opens Path. They are read
	// before the deploy is answered, or not at all. An error of theirs that is a
	// *Fault is the deploy's.
	Model io.Reader
	// Golden are the golden predictions that came with an upload, one JSON object a
	// line; nil if none came. Those of a Path are in the file beside it.
	Golden []byte
}

// Gauges are what the arms of a rollout have seen from its beginning, restarts
// included. The zero value is that no rollout is being served.
type Gauges struct {
	// Rollout is its ID.
	Rollout        string
	Stable, Canary record.Arm
	// Baseline is what was observed of stable in this process, and of no other
	// version, while no rollout was live.
	Baseline record.Arm
}

// Command is what an operator asks for.
type Command struct {
	// Kind is Deploy, Rollback, Promote, Drill or Reweigh.
	Kind rollout.Kind
	// Actor is who asks; Reason is theirs, in one line.
	Actor, Reason string
	// Source is the file to deploy; Plan is how.
	Source Source
	Plan   rollout.Plan
	// Weight is the new share of the requests (Reweigh).
	Weight rollout.Weight
	// Force overrides a quarantine (Deploy) or the judge (Promote).
	Force bool
}

// Printable makes text from elsewhere, such as a file's name, fit for a journal,
// a log and a terminal: what does not print becomes a question mark.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// Health is a rollout as it stands, with the verdict on it.
type Health struct {
	State rollout.State
	// Rollout is the attempt that this is about, also if it has just ended; nil
	// without one.
	Rollout *rollout.Rollout
	// Elapsed is how much of the period was observed.
	Elapsed time.Duration
	// Look counts the looks at this rollout, this one included if it was one.
	Look uint64
	// Result is that of the seed's rule, Watch that of the monitor; zero without a
	// live canary.
	Result judge.Result
	Watch  Watch
	// Here says how this replica serves other than it was decided, such as without a
	// canary that it could not load; "" if it does not.
	Here string
	// Saved is when the rollout's evidence, or an event, was made durable last; zero
	// if this process has made none.
	Saved time.Time
}

// Fault is why a command was not carried out, where it was not the law that
// refused it.
type Fault struct {
	Code FaultCode
	// Detail says what is wrong, Next what to do about it.
	Detail, Next string
	// Err is the cause, for the log.
	Err error
}

func (f *Fault) Error() string { return f.Detail + ". " + f.Next }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// FaultCode names a kind of fault.
type FaultCode string

const (
	// FileMissing: there is no such file.
	FileMissing FaultCode = "file_not_found"
	// FileDiffers: its bytes are not those that were asked for.
	FileDiffers FaultCode = "file_differs"
	// FileTooLarge: an upload is larger than the server takes.
	FileTooLarge FaultCode = "file_too_large"
	// UploadBroken: an upload ended before its end, or was too slow.
	UploadBroken FaultCode = "upload_broken"
	// FileRefused: it is not a file that serin opens: a directory, too large, outside.
	FileRefused FaultCode = "file_refused"
	// FileUnreachable: it is elsewhere, and does not come.
	FileUnreachable FaultCode = "file_unreachable"
	// ModelRefused: the loader does not accept what is in it.
	ModelRefused FaultCode = "model_refused"
	// ModelIncompatible: it has other features or classes than stable.
	ModelIncompatible FaultCode = "model_incompatible"
	// DrillsOff: the configuration does not allow drills.
	DrillsOff FaultCode = "drills_off"
	// RolledBack: the canary was rolled back before it was live.
	RolledBack FaultCode = "rolled_back_while_loading"
	// RolloutUnknown: there is no rollout of that name.
	RolloutUnknown FaultCode = "rollout_not_found"
	// StoreDown: nothing can be made durable now.
	StoreDown FaultCode = "store_unavailable"
	// Stopping: the process is about to end.
	Stopping FaultCode = "shutting_down"
)
