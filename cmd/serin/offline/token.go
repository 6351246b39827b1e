package offline

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/keys"
)

func newToken(c term.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make tokens for a server that asks for them"}
	var name, role, models, expires, output string
	mint := &cobra.Command{
		Use:   "new",
		Short: "Make a token, and the line for the server's file of keys",
		Long: `Make a token, which is printed to the error output, once; and the line for the
file that serin serve --keys reads, which goes to the output and has the token's
hash only. Nothing is sent or stored.

A predictor may only predict, a viewer only read; a deployer reads and releases
versions, an admin may do everything. Several roles are given with commas.`,
		Example: `  serin token new --name me --role admin >> keys
  serin token new --name ci --role deployer --models churn,fraud --expires 2027-01-31 >> keys`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := term.CheckOutput(output); err != nil {
				return err
			}
			token, line, err := keys.Mint(name, role, models, expires)
			if err != nil {
				return term.Usage(err)
			}
			if output == "text" {
				fmt.Fprintln(c.Err, token)
			}
			return c.Print(output, map[string]string{"token": token, "line": line}, func(w io.Writer) { fmt.Fprintln(w, line) })
		},
	}
	f := mint.Flags()
	f.SortFlags = false
	f.StringVar(&name, "name", "", "who it is for; acts by this name in the journal")
	f.StringVar(&role, "role", "", "predictor, viewer, deployer or admin")
	f.StringVar(&models, "models", "*", "names of the models that it is for; * is all")
	f.StringVar(&expires, "expires", "", "day from which on it is refused, like 2027-01-31 (default: never)")
	f.StringVarP(&output, "output", "o", "text", "text or json")
	_ = mint.MarkFlagRequired("name") // the flag is there
	_ = mint.MarkFlagRequired("role")
	cmd.AddCommand(mint)
	return cmd
}
