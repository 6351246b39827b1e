package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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

// elsewhere are snippets that another test runs, by a page and a text in them: or by
// a page and a language, all of them. The test is named, and knows the page.
var elsewhere = []struct{ page, kind, has, by string }{
	{"README.md", "sh", "go run ./cmd/serin demo", "Makefile"},
	{"README.md", "sh", "make test", ".ci/run"},
	{"README.md", "sh", "REPOSITORY", "scripts/first-prediction"},
	{"README.md", "sh", "go build -o bin/serin ./cmd/serin", "Makefile"},
	{"docs/first-five-minutes.md", "sh", "go build -o bin/serin ./cmd/serin", "Makefile"},
	{"README.md", "python", "", "clients/python/tests/test_docs.py"},
	{"docs/python.md", "python", "", "clients/python/tests/test_docs.py"},
	{"docs/formats.md", "python", "", "internal/model/format/page_test.go"},
	{"docs/gates.md", "yaml", "", "cmd/serin/gates_test.go"},
	{"docs/gates.md", "json", "", "cmd/serin/gates_test.go"},
	{"docs/webhooks.md", "python", "", "cmd/serin/webhooks_test.go"},
}

// snippet is a block of code of a page.
type snippet struct {
	page, kind, code string
	line             int
}

// snippets are those of all documents, by page.
func snippets(t *testing.T) map[string][]snippet {
	t.Helper()
	found := map[string][]snippet{}
	read := func(page string) {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		var open *snippet
		for i, line := range strings.Split(string(text), "\n") {
			kind, fence := strings.CutPrefix(line, "```")
			switch {
			case fence && open == nil:
				open = &snippet{page: page, kind: kind, line: i + 1}
			case fence:
				found[page], open = append(found[page], *open), nil
			case open != nil:
				open.code += line + "\n"
			}
		}
		if open != nil {
			t.Errorf("%s:%d: the block has no end", page, open.line)
		}
	}
	read("README.md")
	err := filepath.WalkDir("../../docs", func(path string, _ os.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			read(strings.TrimPrefix(filepath.ToSlash(path), "../../"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEverySnippetIsRun: what a document tells to type is typed here, page by page,
// against a server of its own; or it is run by another test, which is named above.
// What is text is marked so.
func TestEverySnippetIsRun(t *testing.T) {
	t.Parallel()
	used := map[int]bool{}
	for page, all := range snippets(t) {
		var here []snippet
		for _, s := range all {
			switch by := ranBy(s); {
			case s.kind == "text" || s.kind == "mermaid":
			case by >= 0:
				used[by] = true
				if text, err := os.ReadFile("../../" + elsewhere[by].by); err != nil || !strings.Contains(string(text), cmp.Or(elsewhere[by].has, filepath.Base(page))) {
					t.Errorf("%s:%d: %s does not run it (%v)", page, s.line, elsewhere[by].by, err)
				}
			case s.kind == "sh" || s.kind == "json" || s.kind == "yaml":
				here = append(here, s)
			default:
				t.Errorf("%s:%d: nobody runs this block of %q: it is text, or let a test run it", page, s.line, s.kind)
			}
		}
		if here != nil {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				needs(t, "bash", "curl")
				typeAll(t, page, here)
			})
		}
	}
	for i, e := range elsewhere {
		if !used[i] {
			t.Errorf("%v is no snippet any more", e)
		}
	}
}

func ranBy(s snippet) int {
	return slices.IndexFunc(elsewhere, func(e struct{ page, kind, has, by string }) bool {
		return e.page == s.page && e.kind == s.kind && strings.Contains(s.code, e.has)
	})
}

// typeAll types what a page says, in a folder with the example models, and with
// serin on the PATH. An hour is a second, and curl fails where a server refuses.
func typeAll(t *testing.T, page string, all []snippet) {
	t.Helper()
	dir := workplace(t)
	var s *server
	if page == "docs/models.md" {
		s = twoModels(t, dir)
	} else {
		s = child(t, dir).mustBeReady()
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	golden := `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}`
	for name, text := range map[string]string{
		"bin/serin": "#!/bin/sh\nSERIN_TEST_AS_PROGRAM=1 exec '" + program + "' \"$@\"\n", ".curlrc": "fail\nsilent\nshow-error\n", "model.joblib.golden.jsonl": golden,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "models", "model_v1.joblib"), filepath.Join(dir, "model.joblib")); err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		switch x.kind {
		case "json":
			if !json.Valid([]byte(x.code)) {
				t.Errorf("%s:%d: this is no JSON", x.page, x.line)
			}
		case "yaml":
			typeYAML(t, x)
		default:
			code := strings.NewReplacer("http://127.0.0.1:8000", s.url, "http://localhost:8000", s.url, "60m", "1s").Replace(x.code)
			bash := exec.Command("bash", "-euo", "pipefail", "-c", code)
			bash.Dir = dir
			bash.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "CURL_HOME="+dir, "SERIN_SERVER="+s.url)
			if out, err := bash.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: %v\n%s\n%s", x.page, x.line, err, x.code, out)
			}
		}
	}
}

// typeYAML reads a file of settings as serve does, and others as YAML.
func typeYAML(t *testing.T, x snippet) {
	t.Helper()
	var document map[string]any
	if err := yaml.Unmarshal([]byte(x.code), &document); err != nil {
		t.Errorf("%s:%d: %v", x.page, x.line, err)
	}
	if !strings.HasPrefix(x.code, "# serin.yaml") {
		return
	}
	file := filepath.Join(t.TempDir(), "serin.yaml")
	if err := os.WriteFile(file, []byte(x.code), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command("serve", "--config", file, "--print-config"); code != 0 {
		t.Errorf("%s:%d: exit %d %s", x.page, x.line, code, errs)
	}
}

// TestLinksLeadSomewhere: every file and every heading that a document leads to is
// there, and docs/README.md leads to every page beside it.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	led := map[string]bool{}
	for _, page := range slices.Concat(pages, more, []string{"../../README.md", "../../ARCHITECTURE.md", "../../CONTRIBUTING.md", "../../SECURITY.md"}) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to := page
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))
			}
			if page == "../../docs/README.md" {
				led[to] = true
			}
			there, err := os.Stat(to)
			if err != nil || m[2] != "" && !there.IsDir() && !hasHeading(t, to, m[2][1:]) {
				t.Errorf("%s leads to %s%s, which is not there", filepath.Base(page), m[1], m[2])
			}
		}
	}
	for _, page := range pages {
		if !led[page] && filepath.Base(page) != "README.md" {
			t.Errorf("docs/README.md does not lead to %s", filepath.Base(page))
		}
	}
}

// hasHeading tells whether a page has a heading of that name, as a link has it:
// small letters, digits and hyphens.
func hasHeading(t *testing.T, page, name string) bool {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := regexp.MustCompile(`[^a-z0-9_ -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(anchor, " ", "-") == name {
			return true
		}
	}
	return false
}
