package main

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// harmless are the files that the Go runtime, the C library, the race detector
// and cobra look at when a program starts, for reading.
var harmless = regexp.MustCompile(`^(/proc(/self/(exe|maps|cgroup|mountinfo|auxv))?|/proc/[0-9]+/|/sys/kernel/mm/transparent_hugepage/hpage_pmd_size|/sys/fs/cgroup/[a-z0-9_./,-]*|` +
	`/sys/devices/system/cpu/(online|possible)|/etc/ld\.so\.(preload|cache)|/(usr/)?lib(64)?/[A-Za-z0-9_./+-]*\.so[0-9.]*|/etc/localtime|/usr/share/zoneinfo/.*|/dev/null|)$`)

// call is one line of strace: a process id, a call, its arguments and what it
// returned.
var (
	call  = regexp.MustCompile(`^[0-9]+ +([a-z0-9_]+)\((.*)$`)
	paths = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	// torn is a call whose number is none: Linux has fewer than a thousand. strace took
	// what a call of a new thread answers, the number of a process, for a call.
	torn = regexp.MustCompile(`(?m)^[0-9]+ +syscall_0x[0-9a-f]{4,}\(`)
)

// TestHostileFilesDoNothing gives every file of the hostile corpus to serin
// inspect and watches its system calls: no other program is started, nothing is
// dialled, nothing is opened to be written, and from the moment at which the file
// is opened nothing else is opened at all. It needs strace, which make test
// installs and without which it is skipped unless SERIN_TEST_FULL is set.
func TestHostileFilesDoNothing(t *testing.T) {
	t.Parallel()
	needs(t, "strace")
	dir := t.TempDir()
	files := unpackHostile(t, dir)
	for _, name := range append(files, "good.joblib") {
		log := trace(t, dir, name)
		for tries := 1; torn.MatchString(log) && tries < 3; tries++ {
			log = trace(t, dir, name)
		}
		for _, complaint := range misdeeds(strings.Split(log, "\n"), filepath.Join(dir, name)) {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

// TestMisdeedsAreSeen gives the watcher the traces of a program that does what
// it may not.
func TestMisdeedsAreSeen(t *testing.T) {
	t.Parallel()
	const start, file = `7 execve("/bin/serin", ["serin"], 0x1 /* 3 vars */) = 0`, `7 openat(AT_FDCWD, "/tmp/a.pkl", O_RDONLY|O_CLOEXEC) = 3`
	if seen := "7 execve(1)\n7 syscall_0x6a1b(0xc00006f900, 0x80, 0, 0, 0, 0 <unfinished ...>"; !torn.MatchString(seen) || torn.MatchString("7 syscall_0x1cf(0x1) = 0") {
		t.Error("a trace that is torn is not told from a call that strace has no name for")
	}
	for line, want := range map[string]bool{
		`8 execve("/bin/sh", ["sh", "-c", "id"], 0x1 /* 3 vars */) = 0`: true,
		`8 execve("/bin/sh", ["sh"] <unfinished ...>`:                   true,
		`8 vfork() = 9`: true,
		`8 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 9`:                                           true,
		`8 clone(child_stack=0xc0, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM) = 9`: false,
		`8 clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 9`:                                              false,
		`8 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 4`:                                                             true,
		`8 connect(4, {sa_family=AF_UNIX, sun_path="/x"}, 110) = 0`:                                                   true,
		`8 openat(AT_FDCWD, "/tmp/a.pkl", O_RDWR) = 4`:                                                                true,
		`8 openat(AT_FDCWD, "/tmp/new", O_WRONLY|O_CREAT, 0666) = 4`:                                                  true,
		`8 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 4`:                                                             true,
		`8 openat(AT_FDCWD, "/proc/self/maps", O_RDONLY) = 4`:                                                         false,
		`8 unlink("/tmp/a.pkl") = 0`:                                                                                  true,
		`8 newfstatat(AT_FDCWD, "/tmp/a.pkl", {st_mode=S_IFREG}, 0) = 0`:                                              false,
		`8 newfstatat(3, "", {st_mode=S_IFREG}, AT_EMPTY_PATH) = 0`:                                                   false,
		`8 tgkill(7, 8, SIGURG) = 0`:                                                                                  false,
		`8 tgkill(1, 1, SIGKILL) = 0`:                                                                                 true,
		`8 exit_group(8) = ?`:                                                                                         false,
		`8 +++ exited with 8 +++`:                                                                                     false,
		`8 --- SIGURG {si_code=1}---`:                                                                                 false,
	} {
		if got := misdeeds([]string{start, file, line}, "/tmp/a.pkl"); (len(got) > 0) != want {
			t.Errorf("%s: %q, want a complaint: %v", line, got, want)
		}
	}
	if misdeeds([]string{start}, "/tmp/a.pkl") == nil {
		t.Error("a program that does not open the file: no complaint")
	}
}

// misdeeds are the calls that a reader of files may not make.
func misdeeds(log []string, file string) (complaints []string) {
	programs, opened := 0, false
	for _, line := range log {
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name, args := m[1], m[2]
		path := ""
		if p := paths.FindStringSubmatch(args); p != nil {
			path = p[1]
		}
		bad := false
		switch name {
		case "execve", "execveat":
			programs++
			bad = programs > 1
		case "clone", "clone3":
			bad = !strings.Contains(args, "CLONE_THREAD")
		case "open", "openat", "openat2":
			opened = opened || path == file
			bad = path != file && !harmless.MatchString(path) && opened || strings.Contains(args, "O_WRONLY") || strings.Contains(args, "O_RDWR") || strings.Contains(args, "O_CREAT")
		case "access", "faccessat", "faccessat2", "stat", "lstat", "newfstatat", "statx", "statfs", "readlink", "readlinkat", "getcwd":
			bad = opened && path != file && !harmless.MatchString(path)
		case "tgkill": // Go interrupts its own threads so
			bad = !strings.Contains(args, "SIGURG")
		case "exit", "exit_group":
		default: // of the files, the network and processes: nothing else is needed
			bad = true
		}
		if bad {
			complaints = append(complaints, line)
		}
	}
	if !opened {
		complaints = append(complaints, "the file was not opened")
	}
	return complaints
}

// trace runs serin inspect on a file and returns its calls on files, the
// network and processes.
func trace(t *testing.T, dir, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := filepath.Join(dir, "strace.log")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-e", "trace=%file,%network,%process", "-o", log, selfProgram(t), "inspect", filepath.Join(dir, name))
	cmd.Env = append(os.Environ(), "SERIN_TEST_AS_PROGRAM=1")
	out, err := cmd.CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if name == "good.joblib" && err != nil || name != "good.joblib" && (!ok || exit.ExitCode() != 8 || !strings.Contains(string(out), "refused")) {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	calls, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(calls)
}

// unpackHostile puts the hostile corpus into a folder, and one good model, and
// returns the names of the exploits.
func unpackHostile(t *testing.T, dir string) []string {
	t.Helper()
	z, err := zip.OpenReader("../../internal/model/format/testdata/hostile/hostile.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		if f.Name == "expected.json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(f.Name, "/", "-")
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	good, err := os.ReadFile("../../models/model_v1.joblib")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good.joblib"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if len(names) < 350 {
		t.Fatalf("%d hostile files, want 350", len(names))
	}
	return names
}
