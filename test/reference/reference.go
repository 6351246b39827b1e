// Package reference keeps the pages of docs/reference true. What is in them comes
// from the tables that the program itself works by, so tests of the rooms that have
// these tables hold the pages against them; and write them, for `make docs`.
//
//	a room's table ──test──> Page, or Facts ──compare──> docs/reference/*.md
//	                              └─ SERIN_DOCS=write ──write──┘
//
// Terms: a page is made as a whole. A fact is one line of a page whose prose is
// written by people: below the heading of what it is about.
package reference

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// stale is what to do about a page that is not true.
const stale = "run make docs"

// Page compares a file of the repository with what it should be, or writes it.
func Page(name, want string) error {
	path, err := inRepository(name)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(path)
	if string(got) == want {
		return nil
	}
	if os.Getenv("SERIN_DOCS") == "write" {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("writing the reference: %w", err)
		}
		return os.WriteFile(path, []byte(want), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, stale)
	}
	have, wanted := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	for i := range min(len(have), len(wanted)) {
		if have[i] != wanted[i] {
			return fmt.Errorf("%s:%d says %q and should say %q: %s", name, i+1, have[i], wanted[i], stale)
		}
	}
	return fmt.Errorf("%s has %d lines and should have %d: %s", name, len(have), len(wanted), stale)
}

// heading is that of what a fact is about.
var heading = regexp.MustCompile("^## `([a-z_]+)`$")

// before is a fact with another label: facts are sorted by theirs.
var before = regexp.MustCompile("^[A-Z][a-z]+: ")

// Facts holds the lines of a page that begin with a label and a colon: each of
// want, by the word that is its heading, and no other.
func Facts(name, label string, want map[string]string) error {
	path, err := inRepository(name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the reference: %w", err)
	}
	var page []string
	var fact string // of the heading above, until the lines that go before it are through
	left := maps.Clone(want)
	for line := range strings.SplitSeq(string(text), "\n") {
		if strings.HasPrefix(line, label+": ") {
			continue // it is written anew
		}
		if fact != "" && !(before.MatchString(line) && line < label) {
			page, fact = append(page, fact), ""
		}
		page = append(page, line)
		if found := heading.FindStringSubmatch(line); found != nil && left[found[1]] != "" {
			fact = label + ": " + left[found[1]]
			delete(left, found[1])
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%s: nothing is said of %s: write a heading for it, what it means, and what to do", name, strings.Join(slices.Sorted(maps.Keys(left)), ", "))
	}
	return Page(name, strings.Join(page, "\n"))
}

// inRepository finds a file from wherever a test runs.
func inRepository(name string) (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return filepath.Join(folder, filepath.FromSlash(name)), nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("finding the repository: no go.mod above the working directory")
		}
		folder = above
	}
}
