package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// family is a process and its descendants, as /proc shows them. Where there is no
// /proc, it is empty, and nothing is known of it.
type family []member

type member struct {
	pid   int
	began uint64 // tells the process from a later one of the same id
	ticks uint64 // of CPU, in user and kernel mode
	rss   int64  // resident memory, bytes
}

// ticksPerSecond is Linux's USER_HZ, on every architecture that Go knows.
const ticksPerSecond = 100

// familyOf lists a process and its descendants.
func familyOf(pid int) family {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	all, children := map[int]member{}, map[int][]int{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil { // it has ended meanwhile
			continue
		}
		if m, parent, ok := parseStat(text); ok {
			all[m.pid] = m
			children[parent] = append(children[parent], m.pid)
		}
	}
	var f family
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		if m, ok := all[queue[0]]; ok {
			f = append(f, m)
		}
		queue = append(queue, children[queue[0]]...)
	}
	return f
}

// parseStat reads /proc/PID/stat. The name, in brackets, may hold anything.
func parseStat(text []byte) (m member, parent int, ok bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return m, 0, false
	}
	m.pid, _ = strconv.Atoi(strings.TrimSpace(string(text[:max(bytes.IndexByte(text, '('), 0)])))
	fields := strings.Fields(string(text[end+1:])) // from the third on: state, ppid, ...
	if len(fields) < 22 {
		return m, 0, false
	}
	number := func(nth int) uint64 { // as proc(5) counts
		n, _ := strconv.ParseUint(fields[nth-3], 10, 64)
		return n
	}
	m.ticks, m.began, m.rss = number(14)+number(15), number(22), int64(number(24))*int64(os.Getpagesize())
	return m, int(number(4)), m.pid > 0
}

// cpu is how many seconds of CPU the family has taken.
func (f family) cpu() float64 {
	var ticks uint64
	for _, m := range f {
		ticks += m.ticks
	}
	return float64(ticks) / ticksPerSecond
}

// rss is the family's resident memory in bytes; what its members share is counted
// for each.
func (f family) rss() (sum int64) {
	for _, m := range f {
		sum += m.rss
	}
	return sum
}

// kill ends those of the family that still run.
func (f family) kill() {
	for _, m := range f {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(m.pid) + "/stat")
		if err != nil {
			continue
		}
		now, _, _ := parseStat(text)
		if p, err := os.FindProcess(m.pid); err == nil && now.began == m.began {
			_ = p.Kill()
		}
	}
}
