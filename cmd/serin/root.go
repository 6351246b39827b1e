package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/offline"
	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/app"
)

// run carries out one command line.
func run(args []string, c term.Console) api.ExitCode {
	ctx, stop := interruptible()
	defer stop()
	started := false
	root := newRoot(c)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return api.ExitOK
	}
	if said, ok := errors.AsType[*term.Finding](err); ok { // the command has printed it
		return api.ExitCode(said.Code)
	}
	code := exitCode(err, started)
	if p, ok := errors.AsType[*api.Problem](err); ok {
		_ = c.Print(dataWanted(root, args), p, func(io.Writer) {}) // the message below says the same
	}
	fmt.Fprintf(c.Err, "serin: %v\n", err)
	if code == api.ExitUsage && !started {
		called, _, _ := root.Find(args) // the root, if there is no such command
		fmt.Fprintf(c.Err, "Run %s --help for how to use it.\n", called.CommandPath())
	}
	return code
}

// dataWanted is what the command was asked for by --output, "" if it has no such flag.
func dataWanted(root *cobra.Command, args []string) string {
	if called, _, err := root.Find(args); err == nil && called.Flags().Lookup("output") != nil {
		return called.Flags().Lookup("output").Value.String()
	}
	return ""
}

// interruptible is a context that SIGTERM ends, and Ctrl-C ends at once. A
// second signal ends the process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			if s == os.Interrupt {
				cancel(app.ErrAtOnce)
			} else {
				cancel(context.Canceled)
			}
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

func newRoot(c term.Console) *cobra.Command {
	root := &cobra.Command{
		Use:   "serin",
		Short: "Serve machine-learning models and release their next versions as canaries",
		Example: `  serin demo                             see a bad and a good release, in seconds
  serin serve                            answer with models/model_v1.joblib on 127.0.0.1:8000
  serin deploy models/model_v2.joblib    give the next version 10 % of the requests
  serin check                            is it slower?
  serin rollback | serin promote         decide`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		newServe(c), newDemo(c), newBench(c),
		newDeploy(c), newWeight(c), newRollback(c), newPromote(c), newCheck(c), newExplain(c), newSlowdown(c), newStatus(c),
		newWait(c), newWatch(c), newTop(c), newHistory(c), newReport(c), newWebhooks(c), newBackup(c), newDoctor(c), newRestore(c),
	)
	root.AddCommand(offline.Commands(c, app.Default().Plan)...)
	if token, _, err := root.Find([]string{"token"}); err == nil {
		token.AddCommand(newLink(c))
	}
	guide(root)
	return root
}

// version is the module's, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "dev"
}

// remote are the flags of the commands that talk to a server.
type remote struct {
	server, output, actor, model string

	identity identity
}

func (r *remote) flags(cmd *cobra.Command) {
	server := os.Getenv("SERIN_SERVER")
	if server == "" {
		server = "http://127.0.0.1:8000"
	}
	actor := os.Getenv("USER")
	if actor == "" {
		actor = "operator"
	}
	cmd.Flags().StringVar(&r.server, "server", server, "address of the server, http://HOST:PORT or unix:FILE (SERIN_SERVER)")
	cmd.Flags().StringVarP(&r.output, "output", "o", "text", term.Outputs)
	cmd.Flags().StringVarP(&r.model, "model", "m", "", "name of the model, where the server has several (default: its default model)")
	_ = cmd.RegisterFlagCompletionFunc("model", r.completeModels) // the flag is there
	cmd.Flags().StringVar(&r.actor, "actor", actor, "who acts; goes into the journal, unless the server asks for tokens")
	r.identity.flags(cmd.Flags())
}

func (r *remote) client() (*api.Client, error) {
	if err := term.CheckOutput(r.output); err != nil {
		return nil, err
	}
	return r.ask()
}

// ask is client for a command with outputs of its own.
func (r *remote) ask() (*api.Client, error) {
	client, err := api.NewClient(r.server, r.actor)
	if err != nil {
		return nil, term.Usage(err)
	}
	token, config, err := r.identity.shown()
	if err != nil {
		return nil, term.Usage(err)
	}
	return client.As(token, config).For(r.model), nil
}

// command is a command line about the same model, for hints.
func (r *remote) command(words string) string {
	if r.model != "" {
		words += " --model " + r.model
	}
	return "serin " + words
}

// overdue says that the time is over and nobody has decided.
func (r *remote) overdue() string {
	return fmt.Sprintf("the observation is over; decide: %s or %s", r.command("promote"), r.command("rollback"))
}

// completion bounds what a shell waits for.
const completion = time.Second

// complete offers names that a server knows; without a server, none.
func (r *remote) complete(cmd *cobra.Command, names func(context.Context, *api.Client) []string) ([]string, cobra.ShellCompDirective) {
	client, err := r.ask()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completion)
	defer cancel()
	return names(ctx, client), cobra.ShellCompDirectiveNoFileComp
}

func (r *remote) completeModels(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return r.complete(cmd, func(ctx context.Context, client *api.Client) (names []string) {
		all, _ := client.Models(ctx) // an error is no name
		for _, m := range all {
			names = append(names, m.Model)
		}
		return names
	})
}

func (r *remote) completeRollouts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return r.complete(cmd, func(ctx context.Context, client *api.Client) (names []string) {
		if len(args) > 0 {
			return nil
		}
		all, _ := client.Rollouts(ctx, 20)
		for _, x := range all {
			names = append(names, x.Rollout+"\t"+x.Version+" "+x.Outcome)
		}
		return names
	})
}
