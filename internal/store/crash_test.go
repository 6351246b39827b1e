package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// action is one operation of a story, and what it leads to.
type action struct {
	name string
	do   func(t testing.TB, s *Store) error
}

// story is a short life in which every durable step occurs.
func story() []action {
	save := func(rollout string, n int) action {
		return action{fmt.Sprintf("save %d", n), func(t testing.TB, s *Store) error {
			return s.SaveEvidence(t.Context(), "churn", rollout, evidence(n))
		}}
	}
	look := func(rollout string, n int) action {
		return action{fmt.Sprintf("look %d", n), func(t testing.TB, s *Store) error {
			_, err := s.SaveLook(t.Context(), "churn", rollout, lookAt(n))
			return err
		}}
	}
	event := func(generation uint64) action {
		return action{fmt.Sprintf("commit %d", generation), func(t testing.TB, s *Store) error { return s.Commit(t.Context(), life("churn", generation)) }}
	}
	artifact := action{"ingest", func(t testing.TB, s *Store) error {
		_, _, err := s.Ingest(t.Context(), strings.NewReader("model"), 100)
		return err
	}}
	return []action{artifact, event(1), event(2), save("r1", 5), look("r1", 6), event(3), look("r1", 7), event(4), event(5), save("r2", 8), look("r2", 9)}
}

// durableSteps is every step at which the story can be interrupted.
var durableSteps = []string{
	"open: checkpoint", "open: head", "head: synced", "head: renamed", "head: durable",
	"ingest: copied", "ingest: synced", "ingest: renamed", "ingest: durable",
	"commit: begin", "commit: durable",
	"evidence: begin", "evidence: durable",
	"look: begin", "look: durable",
}

// after tells what the store must hold after the first n actions of the story.
func after(t testing.TB, n int) contents {
	t.Helper()
	s := open(t, quickDir(t))
	for _, a := range story()[:n] {
		if err := a.do(t, s); err != nil {
			t.Fatal(err)
		}
	}
	return read(t, s)
}

// oneOf checks that what was found is what was acknowledged, or that and the
// operation in progress.
func oneOf(t testing.TB, where string, got, acknowledged, next contents) {
	t.Helper()
	if cmp.Equal(acknowledged, got, equal) || cmp.Equal(next, got, equal) {
		return
	}
	t.Errorf("%s: neither before nor after the operation:\n%s", where, cmp.Diff(acknowledged, got, equal))
}

// TestCrashAtEveryStep takes the directory as it is at each step, and opens it.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	type moment struct {
		step         string
		acknowledged int
		image        image
	}
	dir := quickDir(t)
	acknowledged := 0
	var moments []moment
	step := func(name string) { moments = append(moments, moment{name, acknowledged, takeImage(t, dir)}) }
	s, err := Open(dir, Options{Step: step})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range story() {
		if err := a.do(t, s); err != nil {
			t.Fatal(err)
		}
		acknowledged++
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	states := make([]contents, len(story())+1)
	for n := range states {
		states[n] = after(t, n)
	}
	seen := make(map[string]bool)
	for i, m := range moments {
		seen[m.step] = true
		got, err := openImage(t, m.image)
		if err != nil {
			t.Errorf("moment %d, %s: %v", i, m.step, err)
			continue
		}
		oneOf(t, fmt.Sprintf("moment %d, %s", i, m.step), got, states[m.acknowledged], states[min(m.acknowledged+1, len(states)-1)])
	}
	for _, name := range durableSteps {
		if !seen[name] {
			t.Errorf("the step %q did not occur", name)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Errorf("steps that are not in the list: %v", seen)
	}
}

// The test binary is its own child: childDir names the directory to live the
// story in, childKill the number of the step at which to die, childFull that it
// should run out of disk instead.
const (
	childDir  = "SERIN_STORE_CHILD"
	childKill = "SERIN_STORE_KILL"
	childFull = "SERIN_STORE_FULL"
)

// startChild runs the test binary as a child on a directory. It returns what
// the child writes.
func startChild(t *testing.T, dir string, environment ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(executable)
	c.Env = append(os.Environ(), append(environment, childDir+"="+dir)...)
	c.Stderr = os.Stderr
	if _, err := c.StdinPipe(); err != nil { // Wait closes it
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewScanner(output)
}

// child lives in the process that startChild starts.
func child(dir string) {
	if os.Getenv(childFull) != "" {
		childRunsOutOfDisk(dir)
		return
	}
	t := &outside{}
	kill, err := strconv.Atoi(os.Getenv(childKill))
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	s, err := Open(dir, Options{Step: func(string) {
		if steps++; steps == kill {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range story() {
		if err := a.do(t, s); err != nil {
			t.Fatal(err)
		}
		fmt.Println(i + 1)
	}
	fmt.Println("done")
	_, _ = io.Copy(io.Discard, os.Stdin) // holds the directory until it is killed, or its parent is gone
}

// outside is a testing.TB for a process that is not a test.
type outside struct{ testing.TB }

func (outside) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (outside) Helper() {}

func (outside) Cleanup(func()) {}

func (outside) Context() context.Context { return context.Background() }

// TestKill kills a process at every step with SIGKILL and looks at what it
// acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	states := make([]contents, len(story())+1)
	for n := range states {
		states[n] = after(t, n)
	}
	for step := 1; ; step++ {
		dir := quickDir(t)
		c, output := startChild(t, dir, fmt.Sprintf("%s=%d", childKill, step))
		acknowledged, done := 0, false
		for !done && output.Scan() {
			if done = output.Text() == "done"; !done {
				acknowledged++
			}
		}
		if done {
			checkSecondProcess(t, dir, c.Process.Pid)
			_ = c.Process.Kill() // Wait tells
		}
		err := c.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the child ended with %v", step, err)
		}
		s := open(t, dir)
		oneOf(t, fmt.Sprintf("killed at step %d", step), read(t, s), states[acknowledged], states[min(acknowledged+1, len(states)-1)])
		if err := s.Prune(digestOf("model")); err != nil {
			t.Error(err)
		}
		if names := listArtifacts(t, s); acknowledged > 0 && !slices.Equal(names, []string{digestOf("model")}) || len(names) > 1 {
			t.Errorf("killed at step %d after %d actions: artifacts %v", step, acknowledged, names)
		}
		if done {
			if step < 2*len(story()) {
				t.Errorf("there were only %d steps to be killed at", step)
			}
			return
		}
	}
}

// checkSecondProcess opens a directory that another process holds.
func checkSecondProcess(t *testing.T, dir string, pid int) {
	t.Helper()
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", pid)) {
		t.Errorf("a second process: got %v", err)
	}
}
