package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	{"docs/python.md", "sh", "pip install ./clients/python", "clients/python/tests/test_package.py"},
	{"clients/python/README.md", "sh", "pip install ./clients/python", "clients/python/tests/test_package.py"},
	{"clients/python/README.md", "python", "", "clients/python/tests/test_docs.py"},
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
		before := ""
		for i, line := range strings.Split(string(text), "\n") {
			kind, fence := strings.CutPrefix(line, "```")
			switch {
			case open == nil && before == "" && strings.HasPrefix(line, "    "):
				t.Errorf("%s:%d: a block of code is fenced and says its language; nobody runs this one", page, i+1)
			case fence && open == nil:
				open = &snippet{page: page, kind: kind, line: i + 1}
			case fence:
				found[page], open = append(found[page], *open), nil
			case open != nil:
				open.code += line + "\n"
			}
			before = line
		}
		if open != nil {
			t.Errorf("%s:%d: the block has no end", page, open.line)
		}
	}
	read("README.md")
	read("clients/python/README.md")
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
	used, program := map[int]bool{}, build(t)
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
			case s.kind == "sh" || s.kind == "json" || s.kind == "jsonl" || s.kind == "yaml" || s.kind == "python" && page == "docs/security.md":
				here = append(here, s)
			default:
				t.Errorf("%s:%d: nobody runs this block of %q: it is text, or let a test run it", page, s.line, s.kind)
			}
		}
		if here != nil {
			t.Run(page, func(t *testing.T) {
				t.Parallel()
				needs(t, "bash", "curl")
				typeAll(t, page, program, here)
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

// desk is where a page is typed: a folder with what the page takes for granted, the
// server that it speaks of, and what else its commands find in the environment.
type desk struct {
	dir string
	*server
	env []string
}

// prepare makes the desk of a page.
func prepare(t *testing.T, page, program string) (p desk) {
	t.Helper()
	switch p.dir = workplace(t); page {
	case "docs/models.md":
		p.server = twoModels(t, p.dir)
	case "docs/security.md":
		server, in, _ := locked(t)
		p.server, p.env = server, []string{"SERIN_CA=" + in("ca.pem"), "SERIN_TOKEN_FILE=" + in("admin")}
		for name, from := range map[string]string{"token": "viewer", "clients.pem": "ca.pem", "ca.pem": "ca.pem", "server.pem": "server.pem", "server.key": "server.key", "edge.pem": "edge.pem", "edge.key": "edge.key"} {
			if err := os.Link(in(from), filepath.Join(p.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	case "docs/webhooks.md":
		p.server = child(t, p.dir, "SERIN_WEBHOOK=ops=http://127.0.0.1:9/").mustBeReady()
	case "docs/statistics.md":
		p.server = child(t, p.dir).mustBeReady()
		if code, _, errs := command("deploy", "models/model_v2.joblib", "--server", p.url); code != 0 {
			t.Fatal(errs)
		}
	default:
		p.server = child(t, p.dir).mustBeReady()
	}
	if err := os.Link(filepath.Join(p.dir, "models", "model_v1.joblib"), filepath.Join(p.dir, "model.joblib")); err != nil {
		t.Fatal(err)
	}
	latencies := "latency_ms\n"
	for i := range 5000 {
		latencies += strconv.Itoa(50+i*37%100) + "\n"
	}
	for name, text := range map[string]string{
		"a.csv": latencies, "b.csv": latencies, "bin/serin": fmt.Sprintf(onPath, program), ".curlrc": "fail\nsilent\nshow-error\n",
		"model.joblib.golden.jsonl": `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}`, "rows.csv": "tenure,monthly_charges,support_calls,monthly_usage,late_payments\n0.5,1.2,0.8,0.3,1.1\n",
	} {
		file := filepath.Join(p.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "PATH="+filepath.Join(p.dir, "bin")+":"+os.Getenv("PATH"), "CURL_HOME="+p.dir, "SERIN_SERVER="+p.url)
	return p
}

// onPath is serin on a page's PATH. A server is another one than that of the page,
// on ports of its own, and stops when it has said that it answers.
const onPath = `#!/bin/bash
serin=%q
[ "$1" = serve ] && [[ " $* " != *" --print-config "* ]] || exec "$serin" "$@"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkfifo "$folder/said"
env -u SERIN_TOKEN_FILE -u SERIN_CA SERIN_LISTEN=127.0.0.1:0 SERIN_GRPC_LISTEN=127.0.0.1:0 SERIN_DATA="$folder/data" SERIN_DRAIN=0s "$serin" "$@" >"$folder/said" &
exec 3<"$folder/said"
read -r said <&3
kill $!
wait $! && [[ $said == *" on http"* ]]
`

// typeAll types what a page says. An hour is a second, a thousand canaries are two,
// and curl fails where a server refuses.
func typeAll(t *testing.T, page, program string, all []snippet) {
	t.Helper()
	p := prepare(t, page, program)
	as := strings.NewReplacer("http://127.0.0.1:8000", p.url, "http://localhost:8000", p.url, "https://models.example:8000", p.url, "0.0.0.0:8000", "0.0.0.0:0",
		"https://ops.example.com", "http://127.0.0.1:9", "https://hooks.slack.com", "http://127.0.0.1:9", "60m", "1s", "serin simulate ", "serin simulate --runs 2 ")
	for _, x := range all {
		var cmd *exec.Cmd
		switch x.kind {
		case "json":
			if !json.Valid([]byte(x.code)) {
				t.Errorf("%s:%d: this is no JSON", x.page, x.line)
			}
			continue
		case "jsonl":
			for line := range strings.Lines(x.code) {
				if !json.Valid([]byte(line)) {
					t.Errorf("%s:%d: this is no JSON: %s", x.page, x.line, line)
				}
			}
			continue
		case "yaml":
			typeYAML(t, p.dir, x)
			continue
		case "python":
			cmd = client(t, strings.TrimSpace(as.Replace(x.code)))
		default:
			cmd = exec.Command("bash", "-euo", "pipefail", "-c", as.Replace(x.code))
		}
		if cmd == nil {
			continue
		}
		cmd.Dir, cmd.Env = p.dir, append(append(os.Environ(), cmd.Env...), p.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s:%d: %v\n%s\n%s", x.page, x.line, err, x.code, out)
		}
	}
}

// client asks for the state with the client that a line of Python makes; nil where
// there is no Python for it.
func client(t *testing.T, made string) *exec.Cmd {
	t.Helper()
	python := os.Getenv("SERIN_TEST_PYTHON")
	if python == "" {
		if os.Getenv("SERIN_TEST_FULL") != "" {
			t.Error("SERIN_TEST_PYTHON names no Python with httpx; make test sets one up")
		}
		return nil
	}
	folder, err := filepath.Abs("../../clients/python/src")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", "import serin\ntoken = open('token').read().strip()\nprint("+made+".state())")
	cmd.Env = []string{"PYTHONPATH=" + folder, "PYTHONDONTWRITEBYTECODE=1"}
	return cmd
}

// typeYAML reads a file of settings as serve does, and others as YAML. Settings are
// left where the page's next lines find them.
func typeYAML(t *testing.T, dir string, x snippet) {
	t.Helper()
	var document map[string]any
	if err := yaml.Unmarshal([]byte(x.code), &document); err != nil {
		t.Errorf("%s:%d: %v", x.page, x.line, err)
	}
	if !strings.HasPrefix(x.code, "# serin.yaml") {
		return
	}
	file := filepath.Join(dir, "serin.yaml")
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

// TestNamedTestsExist: a document that names a test by its command names one that is
// there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("go test \\./(\\S+) -run (Test\\w+)`").FindAllStringSubmatch(string(text), -1)
	for _, m := range commands {
		files, err := filepath.Glob(filepath.Join("../..", m[1], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			code, err := os.ReadFile(file)
			return err == nil && strings.Contains(string(code), "\nfunc "+m[2]+"(t ")
		}) {
			t.Errorf("docs/guarantees.md: there is no %s in %s", m[2], m[1])
		}
	}
	if len(commands) < 20 {
		t.Errorf("only %d tests are named: this test looks in the wrong place", len(commands))
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
