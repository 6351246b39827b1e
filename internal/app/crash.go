package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"serin/internal/control"
)

// blackBox tells after a restart how the previous process ended. A file in the
// state directory exists while a process runs, and the Go runtime writes into
// it when it has to end the process: a stack overflow, a concurrent map write,
// a panic that nobody recovered. So at a start
//
//	no file      the previous process stopped
//	empty        it was killed, or the machine went down
//	not empty    it crashed, and the file says how
//
// SIGQUIT and SIGABRT write a report, too; they are sent by somebody who wants
// to see what the process does, or by a watchdog, and count as a kill.
//
// The report stays until the start that reads it has acted on it.
type blackBox struct {
	path  string
	file  *os.File
	found bool
	start control.Start
}

func openBlackBox(dir string) (*blackBox, error) {
	b := &blackBox{path: filepath.Join(dir, "crash.txt")}
	report, err := os.ReadFile(b.path)
	switch {
	case err == nil:
		b.found, b.start.Killed, b.start.Crash = true, true, headline(string(report))
		if strings.HasPrefix(b.start.Crash, "SIGQUIT:") || strings.HasPrefix(b.start.Crash, "SIGABRT:") {
			b.start.Crash = ""
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading how the previous process ended: %w", err)
	}
	if b.file, err = os.OpenFile(b.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, fmt.Errorf("preparing for a crash: %w", err)
	}
	if err := debug.SetCrashOutput(b.file, debug.CrashOptions{}); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing for a crash: %w", err), b.file.Close())
	}
	return b, nil
}

// headline is the line of a crash report that says what happened.
func headline(report string) string {
	for line := range strings.Lines(report) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"fatal error: ", "panic: ", "runtime: ", "SIG"} {
			if strings.HasPrefix(line, prefix) {
				return line
			}
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(report), "\n")
	return first
}

// acted forgets the report of the previous process.
func (b *blackBox) acted() error {
	if err := b.file.Truncate(0); err != nil {
		return fmt.Errorf("clearing the crash report: %w", err)
	}
	b.found = false
	return nil
}

// close says that this process stopped; a report that nobody acted on stays.
func (b *blackBox) close() error {
	err := errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), b.file.Close())
	if !b.found {
		err = errors.Join(err, os.Remove(b.path))
	}
	return err
}
