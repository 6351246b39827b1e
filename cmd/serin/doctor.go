package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/app"
)

// diagnosis is what the doctor says, for --output.
type diagnosis struct {
	Contents contents `json:"contents"`
	Lost     []lost   `json:"lost"`
	// Gone is the number of the last event that this replica has seen, if the store has
	// another one there, or none.
	Gone uint64 `json:"gone,omitempty"`
}

// lost is a model of which the store has less than this replica knows.
type lost struct {
	Model  string `json:"model"`
	Known  uint64 `json:"known_generation"`
	Found  uint64 `json:"found_generation"`
	Stable string `json:"known_stable"`
}

var errLost = errors.New("the store has lost what this replica knows to have been in it")

func newDoctor(c term.Console) *cobra.Command {
	var p place
	var accept bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Verify a state from end to end, and what a replica knows against it",
		Long: `Read all of a state and verify it: each event of the journal follows from the one
before, states, evidence and looks have the checksums that they were written
with, artifacts their SHA-256. The server may run meanwhile.

With --store, --data is one replica's directory. A replica that knows of
decisions which the store does not have does not believe it: it serves the last
known state and decides nothing. The doctor says what is missing. There are two
ways on:

  Bring the store back, from the server that has it all or from a backup. The
  replicas go on by themselves.

  Accept the store as it is, and give up what is missing: stop each replica,
  run serin doctor --accept for its directory, and start it again.`,
		Example: `  serin doctor
  serin doctor --store postgres://serin@db/serin --data /var/lib/serin
  serin doctor --store postgres://serin@db/serin --data /var/lib/serin --accept`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.both(); err != nil {
				return err
			}
			if accept {
				return acceptStore(c, p)
			}
			found, err := app.Diagnose(cmd.Context(), p.Place)
			if err != nil {
				return fmt.Errorf("doctor: %w", err)
			}
			d := diagnosis{describeContents(found.Contents), []lost{}, found.Gone.Seq}
			for _, l := range found.Lost {
				d.Lost = append(d.Lost, lost(l))
			}
			if err := c.Print(p.output, d, d.write); err != nil || !d.lacks() {
				return err
			}
			return errLost
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&accept, "accept", false, "let the replica, which is stopped, believe the store as it is")
	return cmd
}

// lacks says whether the replica does not believe the store.
func (d diagnosis) lacks() bool { return len(d.Lost) > 0 || d.Gone > 0 }

func (d diagnosis) write(w io.Writer) {
	d.Contents.write(w)
	for _, l := range d.Lost {
		fmt.Fprintf(w, "model %s: this replica knows of generation %d with %s as stable, and the store has %d\n", l.Model, l.Known, l.Stable, l.Found)
	}
	if d.Gone > 0 {
		fmt.Fprintf(w, "event %d is not the one that this replica has seen there: the journal went another way, or is another one\n", d.Gone)
	}
	if d.lacks() {
		fmt.Fprintln(w, "Bring the store back, or stop the replica and run serin doctor --accept to give up what is missing.")
	}
}

func acceptStore(c term.Console, p place) error {
	if p.Store == "" {
		return term.Usage(errors.New("--accept is about a store that replicas share: give --store"))
	}
	aside, err := app.Accept(p.Place)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	type accepted struct {
		Aside string `json:"moved_to"`
	}
	return c.Print(p.output, accepted{aside}, func(w io.Writer) {
		fmt.Fprintf(w, "What this replica knew is in %s now. From its next start on it goes by the store.\n", aside)
	})
}
