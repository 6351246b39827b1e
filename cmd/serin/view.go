package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
)

// view shows something that changes: as a picture on a terminal, elsewhere by lines
// that tell what is new.
type view[T any] struct {
	term.Console

	ask     func(context.Context) (T, error)
	picture func(*T) string
	// lines are what can be said of it, a change by a line that was not among those
	// before.
	lines func(*T) []string

	data   string   // what --output says
	height int      // lines that are drawn
	told   []string // the last lines, without a terminal
}

// watch is follow for a command, which ends without an error when it is told to: by
// Ctrl-C, or after the limit, where there is one.
func (v *view[T]) watch(cmd *cobra.Command, limit time.Duration) error {
	ctx := cmd.Context()
	if limit > 0 {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = limited
	}
	if err := v.follow(ctx); ctx.Err() == nil {
		return fmt.Errorf("%s: %w", cmd.Name(), err)
	}
	return nil
}

// follow asks again and again, and shows what is new, until ctx ends. A server
// that was there once may be away for a while.
func (v *view[T]) follow(ctx context.Context) error {
	tick := time.NewTicker(v.Pace())
	defer tick.Stop()
	for seen := false; ; {
		s, err := v.ask(ctx)
		_, gone := errors.AsType[*api.Unreachable](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			seen = true
			if err := v.show(&s); err != nil {
				return err
			}
		case gone && seen:
			v.tell([]string{"the server does not answer; asking again"})
		default:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *view[T]) show(s *T) error {
	if v.Watched() && !term.Data(v.data) {
		v.draw(v.picture(s))
		v.told = nil
		return nil
	}
	before := v.told
	if v.tell(v.lines(s)); !term.Data(v.data) || slices.Equal(before, v.told) {
		return nil
	}
	if v.data == "yaml" {
		fmt.Fprintln(v.Out, "---")
		return v.Print(v.data, s, nil)
	}
	if err := json.NewEncoder(v.Out).Encode(s); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return nil
}

// tell prints what is new among lines, below what is drawn.
func (v *view[T]) tell(lines []string) {
	for _, line := range lines {
		if !term.Data(v.data) && !slices.Contains(v.told, line) {
			fmt.Fprintln(v.Out, line)
			v.height = 0
		}
	}
	v.told = lines
}

// draw replaces what was drawn before.
func (v *view[T]) draw(text string) {
	var b strings.Builder
	if v.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.height)
	}
	lines := strings.SplitAfter(text, "\n")
	width := v.Width()
	for _, line := range lines[:len(lines)-1] {
		b.WriteString("\x1b[K" + term.Clip(strings.TrimSuffix(line, "\n"), width) + "\n")
	}
	b.WriteString("\x1b[J")
	v.height = len(lines) - 1
	fmt.Fprint(v.Out, b.String())
}
