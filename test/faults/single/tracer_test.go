//go:build linux && amd64

package single

import (
	endian "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// A traced serin is the child of this test binary, started once more. That one
// stops it at each system call, as debuggers do, and does what it was told to.
// strace would not do: it counts calls by thread, and in Go any thread makes any.
//
//	test ──socket──> tracer ──ptrace──> serin
//
// The tracer dies with its serin, and its serin with it.

const (
	// traceSocket is where a tracer takes orders, in the folder that its serin runs in.
	traceSocket = "tracer"
	// tracedBinary is the variable that names the serin which a tracer starts.
	tracedBinary = "SERIN_FAULTS_BINARY"
	// clockFlag is for the tracer alone, as the last one: it can step the clock, which costs
	// a stop each time that the serin asks for the time.
	clockFlag = "--tracer-clock"
)

// order is what a tracer shall do at system calls that write.
type order struct {
	// Below and Sockets say which: those on files below a folder, those on sockets.
	Below   string
	Sockets bool
	// Durable leaves out those that make nothing durable: writes to files.
	Durable bool
	// Kill ends the process before the call of this number; 0 is never.
	Kill int
	// Fail lets each fail with this error instead, 0 is none; the calls in Spare do not.
	Fail  syscall.Errno
	Spare []string
	// Step is how many seconds the time of day is ahead for this process, from here on.
	Step int64
	// Hang keeps every thread for ever that opens or reads what is below this folder.
	Hang string
}

// trail is what a tracer has seen since its last order.
type trail struct {
	Calls []string
	// Clocks is how often the time of day was asked for.
	Clocks int
	// Hung is how many threads are kept.
	Hung int
}

// writes are the calls that change a file or send something, by the number of the
// argument that says which: a path if negative.
var writes = map[uint64]struct {
	name     string
	argument int
}{
	syscall.SYS_WRITE: {"write", 0}, syscall.SYS_PWRITE64: {"pwrite", 0}, syscall.SYS_FTRUNCATE: {"ftruncate", 0},
	syscall.SYS_FSYNC: {"fsync", 0}, syscall.SYS_FDATASYNC: {"fdatasync", 0}, syscall.SYS_FALLOCATE: {"fallocate", 0},
	syscall.SYS_OPENAT: {"open", -2}, syscall.SYS_OPEN: {"open", -1}, syscall.SYS_MKDIRAT: {"mkdir", -2}, syscall.SYS_MKDIR: {"mkdir", -1},
	syscall.SYS_RENAMEAT: {"rename", -2}, syscall.SYS_RENAME: {"rename", -1}, sysRenameat2: {"rename", -2},
	syscall.SYS_LINKAT: {"link", -2}, syscall.SYS_UNLINKAT: {"unlink", -2}, syscall.SYS_UNLINK: {"unlink", -1},
}

const (
	sysRenameat2 = 316
	trapSyscall  = syscall.SIGTRAP | 0x80
	exitKill     = 0x100000 // PTRACE_O_EXITKILL

	clockRealtime  = 0
	auxiliaryVDSO  = 33 // AT_SYSINFO_EHDR
	auxiliaryNever = 1  // AT_IGNORE
)

type tracer struct {
	pid    int
	clock  bool                  // it can be stepped
	inside map[int]bool          // threads that have entered a call
	failed map[int]syscall.Errno // those whose call fails when it returns
	dates  map[int]uintptr       // those that asked for the time of day, and where it is put

	mu    sync.Mutex
	order order
	trail trail
}

// traceMain runs a command under a tracer and returns what it ended with.
func traceMain(socket string, argv []string) int {
	door, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		return 1
	}
	defer door.Close()
	last := len(argv) - 1
	clock := argv[last] == clockFlag
	if clock {
		argv = argv[:last]
	}
	runtime.LockOSThread() // only the thread that started a process may trace it
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "tracer:", err)
		return 1
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt)
	go func() {
		for range asked {
			_ = syscall.Kill(p.Pid, syscall.SIGINT) // it may be dead
		}
	}()
	t := &tracer{pid: p.Pid, clock: clock, inside: map[int]bool{}, failed: map[int]syscall.Errno{}, dates: map[int]uintptr{}}
	go t.listen(door)
	return t.follow()
}

// listen takes orders, one a connection, and answers what was seen before each.
func (t *tracer) listen(door net.Listener) {
	for {
		c, err := door.Accept()
		if err != nil {
			return
		}
		var o order
		err = json.NewDecoder(c).Decode(&o)
		t.mu.Lock()
		seen := t.trail
		if err == nil {
			t.order, t.trail = o, trail{}
		}
		t.mu.Unlock()
		_ = errors.Join(json.NewEncoder(c).Encode(seen), c.Close()) // who asked has gone, or will see
	}
}

// follow lets the process go from call to call, until it ends.
func (t *tracer) follow() int {
	first := true
	known := map[int]bool{t.pid: true}
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		switch {
		case err != nil:
			return 1
		case status.Exited() && tid == t.pid:
			return status.ExitStatus()
		case status.Signaled() && tid == t.pid:
			return 128 + int(status.Signal())
		case !status.Stopped():
			delete(known, tid)
			continue
		}
		deliver := 0
		switch signal := status.StopSignal(); {
		case first:
			first = false
			const options = syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | exitKill
			err := syscall.PtraceSetOptions(tid, options)
			if t.clock {
				err = errors.Join(err, blind(tid))
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "tracer:", err)
				return 1
			}
		case signal == trapSyscall:
			if t.call(tid) {
				continue
			}
		case signal == syscall.SIGTRAP && status.TrapCause() > 0: // it has made a thread
		case signal == syscall.SIGSTOP && !known[tid]: // the thread itself
			known[tid] = true
		default:
			deliver = int(signal)
		}
		_ = syscall.PtraceSyscall(tid, deliver) // it may be dead
	}
}

// call is one stop of a thread, before or after a system call. It tells whether the
// thread is kept there.
func (t *tracer) call(tid int) (kept bool) {
	var r syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &r) != nil {
		return false
	}
	if t.inside[tid] = !t.inside[tid]; !t.inside[tid] {
		if errno, found := t.failed[tid]; found {
			delete(t.failed, tid)
			r.Rax = uint64(-int64(errno))
			_ = syscall.PtraceSetRegs(tid, &r)
		}
		if at, found := t.dates[tid]; found {
			delete(t.dates, tid)
			t.step(tid, at)
		}
		return false
	}
	if t.hangs(tid, &r) {
		return true
	}
	if at := asked(&r); at != 0 {
		t.dates[tid] = at
		return false
	}
	what, found := writes[r.Orig_rax]
	if !found {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.meant(tid, what.name, what.argument, &r) {
		return false
	}
	t.trail.Calls = append(t.trail.Calls, what.name)
	if len(t.trail.Calls) == t.order.Kill {
		_ = syscall.Kill(t.pid, syscall.SIGKILL)
		return false
	}
	if t.order.Fail != 0 && !slices.Contains(t.order.Spare, what.name) {
		t.failed[tid] = t.order.Fail
		r.Orig_rax = ^uint64(0) // no call at all
		_ = syscall.PtraceSetRegs(tid, &r)
	}
	return false
}

// hangs says whether a call is to what does not answer any more, and counts it.
func (t *tracer) hangs(tid int, r *syscall.PtraceRegs) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var target string
	switch {
	case t.order.Hang == "":
		return false
	case r.Orig_rax == syscall.SYS_OPENAT:
		target = text(tid, uintptr(r.Rsi))
	case r.Orig_rax == syscall.SYS_READ:
		target, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(r.Rdi)))
	}
	hangs := strings.HasPrefix(target, t.order.Hang)
	if hangs {
		t.trail.Hung++
	}
	return hangs
}

// asked is where a call puts the time of day; 0 if it is another call. What it puts there
// begins with the seconds.
func asked(r *syscall.PtraceRegs) uintptr {
	switch {
	case r.Orig_rax == syscall.SYS_CLOCK_GETTIME && r.Rdi == clockRealtime:
		return uintptr(r.Rsi)
	case r.Orig_rax == syscall.SYS_GETTIMEOFDAY:
		return uintptr(r.Rdi)
	}
	return 0
}

// step changes the time of day that a thread was told.
func (t *tracer) step(tid int, at uintptr) {
	t.mu.Lock()
	ahead := t.order.Step
	t.trail.Clocks++
	t.mu.Unlock()
	word := make([]byte, 8)
	if _, err := syscall.PtracePeekData(tid, at, word); err != nil {
		return // it is dead
	}
	endian.LittleEndian.PutUint64(word, endian.LittleEndian.Uint64(word)+uint64(ahead))
	_, _ = syscall.PtracePokeData(tid, at, word)
}

// blind keeps a process that has not begun from finding the page on which the kernel
// answers what the time is without a system call. Its stack begins with the arguments, the
// environment, each with a zero behind it, and pairs that name such things.
func blind(pid int) error {
	var r syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &r); err != nil {
		return err
	}
	word := make([]byte, 8)
	at := uintptr(r.Rsp) + 8
	for zeros := 0; zeros < 2; at += 8 {
		if _, err := syscall.PtracePeekData(pid, at, word); err != nil {
			return err
		}
		if endian.LittleEndian.Uint64(word) == 0 {
			zeros++
		}
	}
	for ; ; at += 16 {
		if _, err := syscall.PtracePeekData(pid, at, word); err != nil {
			return err
		}
		switch endian.LittleEndian.Uint64(word) {
		case 0:
			return errors.New("the process has no page with the time on it")
		case auxiliaryVDSO:
			endian.LittleEndian.PutUint64(word, auxiliaryNever)
			_, err := syscall.PtracePokeData(pid, at, word)
			return err
		}
	}
}

// meant says whether the order is about this call.
func (t *tracer) meant(tid int, name string, argument int, r *syscall.PtraceRegs) bool {
	arguments := []uint64{r.Rdi, r.Rsi, r.Rdx}
	if argument < 0 {
		at := -argument - 1
		if name == "open" && arguments[at+1]&syscall.O_CREAT == 0 {
			return false
		}
		return t.order.Below != "" && strings.HasPrefix(text(tid, uintptr(arguments[at])), t.order.Below)
	}
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(arguments[argument])))
	if err != nil {
		return false
	}
	if strings.HasPrefix(target, "socket:") {
		return t.order.Sockets
	}
	bulk := name == "write" || name == "pwrite" || name == "ftruncate"
	return t.order.Below != "" && strings.HasPrefix(target, t.order.Below) && !(t.order.Durable && bulk)
}

// text reads a string of the process.
func text(tid int, at uintptr) string {
	var all []byte
	for len(all) < 4096 {
		word := make([]byte, 64)
		n, err := syscall.PtracePeekData(tid, at+uintptr(len(all)), word)
		word = word[:n]
		for i, b := range word {
			if b == 0 {
				return string(append(all, word[:i]...))
			}
		}
		if all = append(all, word...); err != nil || n == 0 {
			break
		}
	}
	return string(all)
}
