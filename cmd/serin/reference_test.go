package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/cmd/serin/term"
	"serin/internal/settings"
	"serin/test/reference"
)

// ofTheMachine are defaults that are not the same everywhere.
var ofTheMachine = map[string]string{"actor": "$USER", "concurrency": "by the number of cores", "server": "http://127.0.0.1:8000"}

// defaultOf is a flag's default as a reader of the reference needs it; "" for none.
func defaultOf(f *pflag.Flag) string {
	if word, known := ofTheMachine[f.Name]; known {
		return word
	}
	if f.DefValue == "[]" || f.DefValue == "" {
		return ""
	}
	return "`" + f.DefValue + "`"
}

// written is a flag as it is given on a command line.
func written(f *pflag.Flag) string {
	text := "--" + f.Name
	if f.Shorthand != "" {
		text = "-" + f.Shorthand + ", " + text
	}
	if name, _ := pflag.UnquoteUsage(f); name != "" {
		text += " " + strings.ToUpper(name)
	}
	return text
}

// cellOf is a text in a table.
func cellOf(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// TestCommandsReference: docs/reference/commands.md is what the commands say of
// themselves; `make docs` writes it.
func TestCommandsReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Commands\n\nEach as `serin COMMAND --help` has it. Exit codes are in [errors](errors.md). This page is written by `make docs`.\n")
	for _, cmd := range newRoot(term.Console{Out: io.Discard, Err: io.Discard}).Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		describe(&b, cmd)
	}
	if err := reference.Page("docs/reference/commands.md", b.String()); err != nil {
		t.Error(err)
	}
}

func describe(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## `%s`\n\n%s.\n", cmd.UseLine(), cmd.Short)
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", cmd.Example)
	}
	if cmd.Long != "" {
		fmt.Fprintf(b, "\n```text\n%s\n```\n", strings.TrimSpace(cmd.Long))
	}
	var rows strings.Builder
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && !f.Hidden {
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", written(f), cellOf(defaultOf(f)), cellOf(usage))
		}
	})
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n| flag | default | |\n|---|---|---|\n%s", rows.String())
	}
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			describe(b, below)
		}
	}
}

// TestConfigReference: docs/reference/config.md has every setting of serin serve,
// with its flag, its variable and its key; `make docs` writes it.
func TestConfigReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# Settings

What ` + "`serin serve`" + ` can be told: by a flag, by a variable of the environment, or by a line of the file that ` + "`--config`" + ` names, in this order.
` + "`serin serve --print-config`" + ` shows what is in force, and where each is from. See [several models](../models.md) for the mapping of models.
This page is written by ` + "`make docs`" + `.

| key | flag | variable | default | |
|---|---|---|---|---|
`)
	n := 0
	newServe(term.Console{Out: io.Discard, Err: io.Discard}).Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Name == "print-config" || f.Hidden {
			return
		}
		key := "`" + f.Name + "`"
		if f.Name == "config" {
			key = ""
		}
		_, usage := pflag.UnquoteUsage(f)
		n++
		fmt.Fprintf(&b, "| %s | `--%s` | `%s` | %s | %s |\n", key, f.Name, settings.Variable(variables, f.Name), cellOf(defaultOf(f)), cellOf(usage))
	})
	if n < 20 {
		t.Fatalf("only %d settings were found", n)
	}
	if err := reference.Page("docs/reference/config.md", b.String()); err != nil {
		t.Error(err)
	}
}
