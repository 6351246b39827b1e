package app

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// letGoOfTheStart takes out of memory what is mapped of the program's own file. Of its
// forty megabytes most were needed once, to set up packages that most servers never
// call, and nobody would take them away while the machine has room: they would count as
// this process's memory for good. What is needed again comes back from the system's
// cache with the next touch. A system that does not say what is mapped, or does not
// take it away, leaves all as it was.
func letGoOfTheStart() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, s := range untouched(maps, program) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, s.from, s.to-s.from, syscall.MADV_DONTNEED)
	}
}

// span is addresses, from the first to before the last.
type span struct{ from, to uintptr }

// untouched are the mappings of a file that are as the file is and stay so: nobody may
// write to them, and nobody has, as the linker of a program in parts does with what it
// then closes. Those alone may be taken away. The list is /proc/PID/smaps.
func untouched(smaps io.Reader, file string) (spans []span) {
	var s span
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if from, to, ok := strings.Cut(fields[0], "-"); ok {
			s = span{}
			if first, err := strconv.ParseUint(from, 16, strconv.IntSize); err == nil && strings.HasSuffix(lines.Text(), " "+file) && !strings.Contains(fields[1], "w") {
				last, _ := strconv.ParseUint(to, 16, strconv.IntSize) // 0 where it is none, which is no span
				s = span{uintptr(first), uintptr(last)}
			}
		} else if fields[0] == "Anonymous:" && fields[1] == "0" && s.from < s.to {
			spans = append(spans, s)
		}
	}
	return spans
}
