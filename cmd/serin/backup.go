package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/app"
)

// contents is what is in a copy of a state, for --output.
type contents struct {
	// Identity is the hash of the journal's first event, Hash that of the last one,
	// which covers all before it; Events is how many there are.
	Identity  string          `json:"identity"`
	Events    uint64          `json:"events"`
	Hash      string          `json:"hash"`
	Last      *lastEvent      `json:"last"`
	Models    []modelContents `json:"models"`
	Looks     int             `json:"looks"`
	LostLooks int             `json:"lost_looks"`
	Artifacts int             `json:"artifacts"`
	Bytes     int64           `json:"artifact_bytes"`
	// Checks are those that it has passed.
	Checks []string `json:"checks"`
}

type lastEvent struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"`
	Actor string    `json:"actor"`
	Model string    `json:"model"`
}

type modelContents struct {
	Model      string `json:"model"`
	Generation uint64 `json:"generation"`
	Phase      string `json:"phase"`
	Stable     string `json:"stable"`
	SHA256     string `json:"sha256"`
	Canary     string `json:"canary"`
}

// describeContents makes for programs what app has found.
func describeContents(i app.Contents) contents {
	c := contents{
		Identity: i.Identity, Events: i.Head.Seq, Hash: i.Head.Hash, Models: []modelContents{}, Looks: i.Looks, LostLooks: i.LostLooks,
		Artifacts: i.Artifacts, Bytes: i.ArtifactBytes,
		Checks: []string{"journal: each event follows from the one before", "states, evidence and looks: checksums", "artifacts: SHA-256"},
	}
	if i.Last != nil {
		c.Last = &lastEvent{i.Last.At, string(i.Last.Event), i.Last.Actor, i.Last.State.Model}
	}
	for _, s := range i.States {
		m := modelContents{Model: s.Model, Generation: s.Generation, Phase: string(s.Phase), Stable: s.Stable.Name, SHA256: s.Stable.SHA256}
		if s.Rollout != nil {
			m.Canary = s.Rollout.Canary.Name
		}
		c.Models = append(c.Models, m)
	}
	return c
}

func (c *contents) write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tGENERATION\tPHASE\tSTABLE\tCANARY")
	for _, m := range c.Models {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", m.Model, m.Generation, m.Phase, m.Stable, cmp.Or(m.Canary, "-"))
	}
	_ = t.Flush() // c.Print reports what cannot be written
	if c.Last != nil {
		fmt.Fprintf(w, "last event: %s of %s by %s at %s\n", c.Last.Event, c.Last.Model, c.Last.Actor, c.Last.At.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "%d events, %d looks, %d artifacts of %d bytes; all as they were written\n", c.Events, c.Looks, c.Artifacts, c.Bytes)
	if c.LostLooks > 0 {
		fmt.Fprintf(w, "%d more looks cannot be read any more; nothing depends on them\n", c.LostLooks)
	}
}

// place are the flags that say where a state is.
type place struct {
	app.Place

	output string
}

func (p *place) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.Data, "data", app.Default().Data, "state directory")
	f.StringVar(&p.Store, "store", "", "postgres://... instead of a directory (SERIN_STORE)")
	f.StringVarP(&p.output, "output", "o", "text", term.Outputs)
}

func (p *place) check(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("data") {
		p.Store = cmp.Or(p.Store, os.Getenv(variables+"STORE"))
	} else if p.Store != "" {
		return term.Usage(errors.New("give --data or --store, not both"))
	}
	return term.CheckOutput(p.output)
}

// both is check for who needs a directory beside the store.
func (p *place) both() error {
	p.Store = cmp.Or(p.Store, os.Getenv(variables+"STORE"))
	return term.CheckOutput(p.output)
}

func newBackup(c term.Console) *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:     "backup DIR",
		Aliases: []string{"export"},
		Short:   "Copy the state of a server that runs or not into a directory, and verify the copy",
		Long: `Copy the state of a server, which may run meanwhile, into a directory that is
empty or does not exist: journal, states, evidence, looks and artifacts, as of
one moment. The copy is read and checked from end to end before the command ends.

The copy is a state directory: serin serve --data DIR goes on from it, and
serin restore puts it into PostgreSQL. From PostgreSQL this is an export: the
journal is the same to the byte, with the same hashes.`,
		Example: `  serin backup /backups/serin-2026-11-23
  serin backup --store postgres://serin@db/serin /backups/serin-2026-11-23`,
		Args: oneDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			end := term.Elapsed(c.Err, "copying and verifying")
			i, err := app.Backup(cmd.Context(), p.Place, args[0])
			end()
			if err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			found := describeContents(i)
			return c.Print(p.output, found, func(w io.Writer) { found.write(w) })
		},
	}
	p.flags(cmd)
	return cmd
}

func newRestore(c term.Console) *cobra.Command {
	var p place
	var dry bool
	cmd := &cobra.Command{
		Use:     "restore DIR",
		Aliases: []string{"import"},
		Short:   "Verify a copy of a state, and put it where a server goes on from it",
		Long: `Verify a state directory, such as serin backup makes, and copy it to where a
server is to go on from it, which must be empty: a directory, or PostgreSQL.
With --dry-run nothing is written, and what would be there is printed.

Into PostgreSQL this is an import: a server that had its state in a directory
goes on there, with the same journal to the byte. Stop it first, or what it
decides meanwhile is not in the copy.`,
		Example: `  serin restore --dry-run /backups/serin-2026-11-23
  serin restore /backups/serin-2026-11-23 --data serin-data
  serin import serin-data --store postgres://serin@db/serin`,
		Args: oneDirectory,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			restore := func() (app.Contents, error) { return app.Restore(cmd.Context(), args[0], p.Place) }
			if dry {
				restore = func() (app.Contents, error) { return app.Examine(cmd.Context(), args[0]) }
			}
			end := term.Elapsed(c.Err, "verifying and copying")
			i, err := restore()
			end()
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			found := describeContents(i)
			return c.Print(p.output, found, func(w io.Writer) {
				if dry {
					fmt.Fprintln(w, "nothing was written; this would be there:")
				}
				found.write(w)
			})
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "verify and print, and write nothing")
	return cmd
}

func oneDirectory(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("name one directory: serin %s DIR", cmd.CalledAs())
	}
	return nil
}
