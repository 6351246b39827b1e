package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/internal/settings"
)

// guide lets every command explain itself with examples first, say what may have
// been meant, and offer a shell what fits: files only where a file can stand.
func guide(root *cobra.Command) {
	root.SetHelpFunc(help)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), examples, "", 1))
	root.SetFlagErrorFunc(meant)
	for _, cmd := range root.Commands() {
		offer(cmd)
		for _, below := range cmd.Commands() {
			offer(below)
		}
	}
}

// choices are what flags can be, where that is a few words.
var choices = map[string][]string{
	"at-end": {"hold", "promote", "rollback"}, "on-alarm": {"hold", "rollback"}, "log-format": {"text", "json"}, "output": {"text", "json", "yaml"},
	"server": nil, "actor": nil, "reason": nil, "duration": nil, "initial-delay": nil, "weight": nil, // any words, and no files
}

// offer says what a shell can complete of a command, where the command has not.
func offer(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil && !strings.Contains(cmd.Use, "FILE") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		words, known := choices[f.Name]
		if !known && strings.HasPrefix(f.Value.Type(), "string") {
			return
		}
		if f.Name == "output" && f.DefValue == "html" {
			words = []string{"html", "markdown", "json", "yaml"}
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // unless the command has its own
	})
}

// examples is where cobra's usage has them, behind what few people read.
const examples = `{{if .HasExample}}

Examples:
{{.Example}}{{end}}`

// help is what --help prints: what a command does, examples, then all of it.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s\n\n", strings.TrimSuffix(cmd.Short, "."))
	if cmd.Example != "" {
		fmt.Fprintf(w, "%s\n\n", strings.TrimRight(cmd.Example, "\n"))
	}
	// Most texts begin with the sentence that stands above already.
	if long := strings.TrimSpace(strings.TrimPrefix(cmd.Long, cmd.Short+".\n")); long != "" {
		fmt.Fprintf(w, "%s\n\n", long)
	}
	fmt.Fprint(w, cmd.UsageString())
}

// meant adds to an error about a flag that there is not the one that is most like it.
func meant(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if nearest := settings.Nearest(name, names); nearest != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, nearest)
	}
	return err
}
