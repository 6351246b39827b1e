package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"serin/internal/api"
)

// TestCompletion: a shell is offered the names that the server knows, and nothing
// where there is none.
func TestCompletion(t *testing.T) {
	t.Parallel()
	models := script(t, `{"models":[{"model":"churn","default":true},{"model":"fraud"}]}`)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "deploy", "--server", models, "--model", ""}, "churn\nfraud\n:4\n"},
		{[]string{"__complete", "report", "--server", script(t, twoRollouts), ""}, "r8\tmodel_v3 in progress\nr7\tmodel_v2 promoted\n:4\n"},
		{[]string{"__complete", "explain", "--server", script(t, ""), ""}, ":4\n"},
		{[]string{"__complete", "explain", "--server", "ftp://nowhere", ""}, ":4\n"},
		{[]string{"__complete", "wait", "--server", script(t, twoRollouts), ""}, "r8\tmodel_v3 in progress\nr7\tmodel_v2 promoted\n:4\n"},
		{[]string{"__complete", "deploy", "--at-end", ""}, "hold\npromote\nrollback\n:4\n"},
		{[]string{"__complete", "report", "--output", ""}, "html\nmarkdown\njson\nyaml\n:4\n"},
		{[]string{"__complete", "watch", ""}, ":4\n"},
		{[]string{"__complete", "deploy", "--reason", ""}, ":4\n"},
		{[]string{"__complete", "deploy", ""}, ":0\n"}, // files
		{[]string{"__complete", "serve", "--config", ""}, ":0\n"},
	} {
		if _, out, _ := command(tt.args...); out != tt.want {
			t.Errorf("%v: %q; want %q", tt.args, out, tt.want)
		}
	}
}

// TestCompletionScripts: there is one for each shell. The test below lets the shells
// read theirs; nobody here has PowerShell.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, out, errs := command("completion", shell)
		if code != api.ExitOK || errs != "" || !strings.Contains(out, "__complete") {
			t.Errorf("%s: exit %d %s", shell, code, errs)
		}
	}
}

// TestShells types into bash, zsh and fish what a user would, with the script that
// serin has for them and a server that runs. What is run when Enter is pressed says
// what the Tab key has made of a line.
func TestShells(t *testing.T) {
	t.Parallel()
	needs(t, "bash", "zsh", "fish")
	const extension = "/usr/share/bash-completion/bash_completion" // bash's script is written for it
	if _, err := os.Stat(extension); err != nil && (os.Getenv("SERIN_TEST_FULL") == "" || runtime.GOOS != "linux") {
		t.Skip("the package bash-completion is missing; make test runs this with it")
	}
	dir := workplace(t)
	if err := os.Rename(filepath.Join(dir, "models/model_v1.joblib"), filepath.Join(dir, "models/$(touch harm).joblib")); err != nil {
		t.Fatal(err)
	}
	program := build(t)
	s := start(t, program, dir, nil, "--listen", "127.0.0.1:0", "--drain", "0s",
		"--model", "churn=models/model_v2.joblib", "--model", "fraud=models/model_v2.joblib").mustBeReady()
	if _, err := s.client.Deploy(t.Context(), api.DeployRequest{ModelPath: "models/$(touch harm).joblib"}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bin/serin": "#!/bin/sh\ncase $1 in __complete* | completion) exec '" + program + "' \"$@\";; esac\necho \"it runs [$*]\"\n",
		".bashrc":   "PS1='ready> '; . " + extension + "; " + documented(t, "source <(serin completion bash)") + "\n",
		".zshrc":    "PS1='ready> '; autoload -U compinit; compinit -u; " + documented(t, "source <(serin completion zsh)") + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "HOME="+dir, "ZDOTDIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "TERM=xterm",
		"PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "SERIN_SERVER="+s.url)
	inside := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = filepath.Join(dir, "models"), env
		return cmd
	}
	lines := []struct{ typed, run string }{
		{"promote --model fr", "promote --model fraud"},
		{"check -m c", "check -m churn"},
		{"report r", "report r1"},
		{"deploy --at-end ro", "deploy --at-end rollback"},
		{"deploy model_v", "deploy model_v2.joblib"},
		{"promote --server http://127.0.0.1:1 --model fr", "promote --server http://127.0.0.1:1 --model fr"}, // nobody is there: nothing is said
	}
	for _, shell := range []*exec.Cmd{inside("bash", "--rcfile", "../.bashrc", "-i"), inside("zsh", "-d", "-i")} {
		var all, want []string
		for _, l := range lines {
			all, want = append(all, "serin "+l.typed+"\t"), append(want, "it runs ["+l.run+"]\r\n")
		}
		if screen, done := typed(t, shell, all, want); done < len(lines) {
			t.Errorf("%s: serin %s with Tab is not serin %s:\n%q", shell.Path, lines[done].typed, lines[done].run, screen)
		}
	}
	script := documented(t, "serin completion fish | source")
	for _, line := range []string{"promote --model ", "promote --model=f", "report ", "report r1 ", "deploy --weight 5% model_v"} {
		script += "; echo '$ serin " + line + "'; complete -C 'serin " + line + "'"
	}
	const want = "$ serin promote --model \nchurn\nfraud\n$ serin promote --model=f\n--model=fraud\n" +
		"$ serin report \nr1\t$(touch harm) in progress\n$ serin report r1 \n$ serin deploy --weight 5% model_v\nmodel_v2.joblib\n"
	if got, err := inside("fish", "--no-config", "-c", script).CombinedOutput(); err != nil || string(got) != want {
		t.Errorf("fish: %v\n%s", err, got)
	}
	if _, err := os.Stat(filepath.Join(dir, "models/harm")); err == nil {
		t.Error("a shell ran what a version is called")
	}
}

// documented is a line that the document of the first five minutes has in its table.
func documented(t *testing.T, line string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/first-five-minutes.md")
	if err != nil || !strings.Contains(string(page), "`"+strings.ReplaceAll(line, "|", `\|`)+"`") {
		t.Errorf("docs/first-five-minutes.md does not say %s (%v)", line, err)
	}
	return line
}

// typed starts a shell in a terminal, types lines at its prompt, each with Enter
// when the one before is through, and waits for what they write. It returns the
// screen, and how many lines wrote what was wanted.
func typed(t *testing.T, shell *exec.Cmd, lines, want []string) (screen string, done int) {
	t.Helper()
	terminal, err := pty.StartWithSize(shell, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { _ = shell.Process.Kill() }) // which ends the reads
	defer func() { late.Stop(); _ = shell.Process.Kill(); _ = shell.Wait(); terminal.Close() }()
	var seen bytes.Buffer
	until := func(text string) bool {
		for part := make([]byte, 4096); ; {
			if _, after, found := strings.Cut(seen.String(), text); found {
				seen.Reset()
				seen.WriteString(after)
				return true
			}
			n, err := terminal.Read(part)
			seen.Write(part[:n])
			if err != nil {
				return false
			}
		}
	}
	for until("ready> ") && done < len(lines) {
		_, _ = terminal.WriteString(lines[done] + "\r")
		if !until(want[done]) {
			break
		}
		done++
	}
	return seen.String(), done
}
