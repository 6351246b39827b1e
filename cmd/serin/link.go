package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
)

// newLink is serin token link, which, unlike serin token new, asks a server.
func newLink(c term.Console) *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "link",
		Short: "Print an address that logs a browser in, once, without the token",
		Long: `Print an address of the dashboard that logs a browser in with the rights of the
token that this command shows the server. It is good once, for five minutes; the
session that it opens lasts for twelve hours. The token is not in it, and what is in
it stays in the browser: it is behind the #, which is sent to no server.`,
		Example: `  serin token link --token-file token
  xdg-open "$(serin token link)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			address, expires, err := client.LoginLink(cmd.Context())
			if err != nil {
				return fmt.Errorf("token link: %w", err)
			}
			return c.Print(r.output, map[string]any{"url": address, "expires": expires.Format(time.RFC3339)}, func(w io.Writer) { fmt.Fprintln(w, address) })
		},
	}
	r.flags(cmd)
	return cmd
}
