package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/notify"
)

// webhooks are hooks as flags have them, with the secrets of a file, or else of the
// environment.
func webhooks(given []string, secretFile string) ([]notify.Hook, error) {
	var hooks []notify.Hook
	for _, text := range given {
		h, err := notify.ParseHook(text)
		if err != nil {
			return nil, err
		}
		hooks = append(hooks, h)
	}
	secrets := os.Getenv(variables + "WEBHOOK_SECRET")
	if secretFile != "" {
		text, err := os.ReadFile(secretFile)
		if err != nil {
			return nil, fmt.Errorf("the secrets of web hooks: %w", err)
		}
		secrets = string(text)
	}
	return notify.Equip(hooks, secrets)
}

func newWebhooks(c term.Console) *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "List the server's web hooks: how far each was told, and its dead letters",
		Example: `  serin webhooks
  serin webhooks --output json
  serin webhooks replay ops`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			all, err := client.Webhooks(cmd.Context())
			if err != nil {
				return fmt.Errorf("webhooks: %w", err)
			}
			return c.Print(r.output, all, func(w io.Writer) { writeHooks(w, &all) })
		},
	}
	r.flags(cmd)
	cmd.AddCommand(newReplay(c))
	return cmd
}

func newReplay(c term.Console) *cobra.Command {
	var r remote
	var id string
	cmd := &cobra.Command{
		Use:   "replay NAME",
		Short: "Tell a web hook its dead letters again, under the same ids",
		Long: `Tell a web hook its dead letters again, under the same ids. What waits for its next
try is tried now.`,
		Example: `  serin webhooks replay ops
  serin webhooks replay ops --id msg_a137f42748646abcbe5b9b9f3d871c95`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one web hook; serin webhooks lists them")
			}
			return nil
		},
		ValidArgsFunction: r.completeHooks,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			done, err := client.Replay(cmd.Context(), args[0], id)
			if err != nil {
				return fmt.Errorf("webhooks replay: %w", err)
			}
			return c.Print(r.output, done, func(w io.Writer) { fmt.Fprintf(w, "%d dead letters of %s are told again\n", done.Letters, args[0]) })
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&id, "id", "", "only the letter with this id")
	return cmd
}

func (r *remote) completeHooks(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return r.complete(cmd, func(ctx context.Context, client *api.Client) (names []string) {
		if len(args) > 0 {
			return nil
		}
		all, _ := client.Webhooks(ctx) // an error is no name
		for _, h := range all.Hooks {
			names = append(names, h.Name)
		}
		return names
	})
}

func writeHooks(w io.Writer, all *notify.HookStates) {
	if len(all.Hooks) == 0 {
		fmt.Fprintln(w, "the server has no web hooks: serin serve --webhook URL adds one")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\taddress\tkind\tsigned\twaiting\tdead\tlast arrival (UTC)")
	for _, h := range all.Hooks {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", h.Name, h.Address, h.Kind, map[bool]string{true: "yes", false: "no"}[h.Signed], h.Waiting, len(h.Letters), moment(h.Arrived))
	}
	_ = t.Flush() // what it writes to fails for itself
	for _, h := range all.Hooks {
		if x := h.Trouble; x != nil {
			fmt.Fprintf(w, "%s: %s did not arrive in %d tries, the next is at %s: %s\n", h.Name, x.Type, x.Tries, x.Next.UTC().Format(time.DateTime), x.Error)
		}
		for _, l := range h.Letters {
			state := "given up"
			if l.Again {
				state = "told again"
			}
			fmt.Fprintf(w, "%s: %s %s of %s, %s after %d tries: %s\n", h.Name, l.ID, cmp.Or(l.Type, "an event"), cmp.Or(l.Model, "a model"), state, l.Tries, l.Error)
		}
		if h.Dropped > 0 {
			fmt.Fprintf(w, "%s: %d older dead letters are not kept any more\n", h.Name, h.Dropped)
		}
	}
}
