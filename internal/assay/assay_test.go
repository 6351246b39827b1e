package assay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"serin/internal/judge"
	"serin/internal/rollout"
)

// plan is like a server's.
var plan = rollout.Plan{Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond, OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2}

// rowsWithoutEnd writes a row after the other, and calls mark at some of them.
type rowsWithoutEnd struct {
	rows, at int
	timed    bool
	mark     func(row int)
	left     []byte
}

func (g *rowsWithoutEnd) Read(p []byte) (int, error) {
	if len(g.left) == 0 {
		if g.at == g.rows {
			return 0, io.EOF
		}
		g.left = g.left[:0]
		if g.at == 0 && g.timed {
			g.left = append(g.left, "latency_us,error,time\n"...)
		} else if g.at == 0 {
			g.left = append(g.left, "latency_us,error,score\n"...)
		}
		g.mark(g.at)
		for range min(100, g.rows-g.at) {
			g.left = strconv.AppendInt(g.left, int64(1000+g.at*7919%5000), 10)
			g.left = append(g.left, ",0,"...)
			if g.timed {
				g.left = strconv.AppendInt(g.left, int64(g.at/10), 10)
			}
			g.left = append(g.left, '\n')
			g.at++
		}
	}
	n := copy(p, g.left)
	g.left = g.left[n:]
	return n, nil
}

// TestMemoryDoesNotGrow reads a million rows, and looks at the heap meanwhile.
func TestMemoryDoesNotGrow(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, tt := range []struct {
		timed          bool
		stable, canary int
	}{{false, 850_000, 150_000}, {true, 200_000, 200_000}} {
		var early, late uint64
		looks := func(row int) {
			switch row {
			case tt.stable / 10:
				early = heap()
			case tt.stable - tt.stable/10:
				late = heap()
			}
		}
		reader := func(name string, rows int, mark func(int)) *rowReader {
			r, err := newRowReader(name, &rowsWithoutEnd{rows: rows, timed: tt.timed, mark: mark}, units[2])
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		stable, canary := reader("stable", tt.stable, looks), reader("canary", tt.canary, func(int) {})
		report, err := judge.Offline{Stable: stable.next, Canary: canary.next, Timed: tt.timed}.Judge(plan)
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Monitor; stable.rows != uint64(tt.stable) || got.Stable.Count+2000 < uint64(tt.stable) || got.Canary.Count != uint64(tt.canary) {
			t.Errorf("timed %v: %d rows, %d and %d judged", tt.timed, stable.rows, got.Stable.Count, got.Canary.Count)
		}
		const most = 256 << 10
		if early == 0 || late > early+most {
			t.Errorf("timed %v: the heap was %d bytes after a tenth, and %d near the end", tt.timed, early, late)
		}
	}
}

func FuzzRowReader(f *testing.F) {
	for _, text := range []string{
		"", "1\n2.5\n", "latency_us,error,score,time\n1,0,0.5,1\n,1,,2\n3,false,1,2006-01-02T15:04:05Z\n", "latency\n\"1\"\n", "a,b\n1,2\n",
		"\ufefflatency\r\n1e3\r\n", "\x1f\x8b", "latency,latency\n", "latency,time\n1,9e9\n", "1\n\"", "nan\n", "latency_s\n0x1p-3\n",
	} {
		f.Add([]byte(text), byte(2))
	}
	f.Fuzz(func(t *testing.T, text []byte, u byte) {
		rows := fuzzedRows(t, text, units[int(u)%len(units)])
		if len(rows) == 0 {
			return
		}
		var b bytes.Buffer
		b.WriteString("time,latency_ns,error,score\n")
		for _, r := range rows {
			failed, score := 0, ""
			if r.Failed {
				failed = 1
			}
			if !math.IsNaN(r.Score) {
				score = strconv.FormatFloat(r.Score, 'g', -1, 64)
			}
			fmt.Fprintf(&b, "%s,%d,%d,%s\n", strconv.FormatFloat(r.Time.Seconds(), 'g', -1, 64), r.Latency, failed, score)
		}
		again := fuzzedRows(t, b.Bytes(), units[0])
		if len(again) != len(rows) {
			t.Fatalf("%d rows, and %d when they are written and read again:\n%s", len(rows), len(again), b.String())
		}
		for i, r := range again {
			was := rows[i]
			const quantum = 4 * time.Microsecond // of a number of seconds, that far from 1970
			if (r.Time-was.Time).Abs() > quantum || r.Latency != was.Latency || r.Failed != was.Failed || r.Score != was.Score && !math.IsNaN(was.Score) {
				t.Fatalf("row %d was %+v and is %+v", i, was, r)
			}
		}
	})
}

// fuzzedRows are what can be read of a file, all of it or nothing, and hold what
// any rows must.
func fuzzedRows(t *testing.T, text []byte, u unit) []judge.Row {
	t.Helper()
	r, err := newRowReader("x.csv", bytes.NewReader(text), u)
	var rows []judge.Row
	for err == nil {
		var row judge.Row
		if row, err = r.next(); err != nil {
			break
		}
		if row.Latency < 0 || row.Latency > slowest || row.Score < 0 || row.Score > 1 || len(rows) > 0 && row.Time < rows[len(rows)-1].Time {
			t.Fatalf("row %d is %+v", len(rows), row)
		}
		rows = append(rows, row)
	}
	if errors.Is(err, io.EOF) && len(rows) > 0 {
		return rows
	}
	if where := regexp.MustCompile(`^x\.csv(:[1-9]\d*)?: .`); !where.MatchString(err.Error()) {
		t.Fatalf("an error that does not say where: %v", err)
	}
	return nil
}

// TestThePlotFits whatever the latencies are: in 80 columns, and in ASCII if that
// is wanted.
func TestThePlotFits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	rows := func(n int, center, sigma float64) func() (judge.Row, error) {
		return func() (judge.Row, error) {
			if n--; n < 0 {
				return judge.Row{}, io.EOF
			}
			return judge.Row{Latency: time.Duration(min(center*math.Exp(sigma*rng.NormFloat64()), 1e12)), Score: math.NaN()}, nil
		}
	}
	for _, a := range []float64{0, 1, 60, 1e4, 1e8, 9e11} {
		for _, b := range []float64{0, 50, 1.1e8, 1e12} {
			for _, sigma := range []float64{0, 0.01, 1, 5} {
				for _, n := range []int{0, 1, 500} {
					report, err := judge.Offline{Stable: rows(n, a, sigma), Canary: rows(500, b, sigma)}.Judge(plan)
					if err != nil {
						t.Fatal(err)
					}
					for _, ascii := range []bool{false, true} {
						var text bytes.Buffer
						writePlot(&text, &report.Stable, &report.Canary, ascii)
						lines := strings.Split(text.String(), "\n")
						if len(lines) != 1+2*(plotRows+1)+2+1 {
							t.Errorf("%d lines:\n%s", len(lines), text.String())
						}
						for _, line := range lines {
							if columns := []rune(line); len(columns) > 80 || ascii && len(columns) != len(line) || strings.Contains(line, "NaN") {
								t.Fatalf("%g and %g, sigma %g: %q", a, b, sigma, line)
							}
						}
						if !strings.Contains(text.String(), "p50^") || !strings.Contains(text.String(), "^p99") {
							t.Errorf("no marks:\n%s", text.String())
						}
					}
				}
			}
		}
	}
}

// TestReading is told after a second, with a share where the sizes are known.
func TestReading(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stable.csv")
	if err := os.WriteFile(path, []byte("latency\n"+strings.Repeat("1\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	known := &source{info: info, rows: &rowReader{rows: 3, bytes: &rationed{total: info.Size() / 4}}}
	unknown := &source{rows: &rowReader{rows: 4, bytes: &rationed{total: 9}}}
	for _, tt := range []struct {
		files []*source
		in    time.Duration
		want  string
	}{
		{[]*source{known}, time.Hour, ""},
		{[]*source{known}, -time.Second, "\r\x1b[Kreading: 3 rows, 25 %\r\x1b[K"},
		{[]*source{unknown, known}, -time.Second, "\r\x1b[Kreading: 7 rows\r\x1b[K"},
	} {
		var text bytes.Buffer
		p := &reading{w: &text, files: tt.files, next: time.Now().Add(tt.in)}
		p.redraw()
		p.redraw() // too soon
		p.clear()
		if text.String() != tt.want {
			t.Errorf("got %q, want %q", text.String(), tt.want)
		}
	}
	var nobody *reading
	nobody.redraw()
	nobody.clear()
	if newReading(nil, nil) != nil {
		t.Error("it is told where nobody watches")
	}
}
