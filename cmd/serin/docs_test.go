package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedCommandsExist asks every command line that the documents name
// for its help, with the flags that they give it: a flag or a command that does
// not exist is an error.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?m)^(?: {4}|\\| `|bin/)serin ([a-z][^\n`]*)|`serin ([a-z][^\n`]*)`")
	found := 0
	for _, file := range append(append(files, more...), "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			given := m[1] + m[2]
			if end := regexp.MustCompile(` {2,}|\s#|\\`).FindStringIndex(given); end != nil {
				given = given[:end[0]]
			}
			args := strings.Fields(given)
			found++
			if code, _, errs := command(append(args, "--help")...); code != 0 || errs != "" {
				t.Errorf("%s: serin %s: exit %d %s", filepath.Base(file), given, code, errs)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands were found in the documents: the test looks in the wrong place", found)
	}
}

// TestTheCurlLinesOfTheDocuments runs every curl line of two documents against a
// real server. Each must succeed, and answer something unless it only does.
func TestTheCurlLinesOfTheDocuments(t *testing.T) {
	t.Parallel()
	needs(t, "sh", "curl")
	for name, server := range map[string]func(*testing.T) *server{
		"protocols.md": func(t *testing.T) *server { return child(t, workplace(t)).mustBeReady() },
		"models.md":    func(t *testing.T) *server { return twoModels(t, workplace(t)) },
	} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s := server(t)
		lines := regexp.MustCompile("(?m)^curl .*$").FindAllString(string(text), -1)
		if len(lines) < 15 {
			t.Fatalf("%s: only %d curl lines were found", name, len(lines))
		}
		for _, line := range lines {
			out, err := exec.Command("sh", "-c", strings.ReplaceAll(line, "http://127.0.0.1:8000", s.url)).CombinedOutput()
			if silent := strings.HasSuffix(line, "load"); err != nil || (len(out) == 0) != silent {
				t.Errorf("%s\n%v: %s", line, err, out)
			}
		}
	}
}
