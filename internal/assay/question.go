// Package assay puts latencies that were measured elsewhere on the scales: CSV
// files of requests in, the judge's report out, as JSON, as text and as a picture.
//
//	stable.csv, canary.csv --rowReader--> judge.Row --judge.Offline--> Report --> JSON
//	                           |                                         +-----> text, plot
//	                           +--> an error: file:line: what, and what to do
//
// What may not happen here: a row that is guessed at, where a file does not say
// what its columns are; memory that grows with the number of rows; a verdict of
// this room's own.
//
// Terms: a role is what a file is named for: stable, canary, or reference, which
// is stable's from before.
package assay

import (
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"serin/internal/judge"
	"serin/internal/rollout"
)

// Question is what shall be judged.
type Question struct {
	// Stable, Canary and Reference name CSV files; "-" is In, and an empty
	// Reference is none.
	Stable, Canary, Reference string
	// In is standard input.
	In io.Reader
	// Unit is what latencies are in where their column does not say; see CheckUnit.
	Unit string
	// Planned is true if Plan's weight is the share that the canary should have got.
	Planned bool
	Plan    rollout.Plan
	// Watched is a terminal that is told how much is read; nil for none.
	Watched io.Writer
}

// CheckUnit says what is wrong with a unit: it must be ns, us, ms or s.
func CheckUnit(name string) error {
	_, err := unitOf(name)
	return err
}

// Report is what the files say.
type Report struct {
	judge.Report

	Files []File `json:"files"`

	alpha float64
}

// File is a file that was read.
type File struct {
	Role    string   `json:"role"`
	Path    string   `json:"path"`
	Rows    uint64   `json:"rows"`
	Columns []string `json:"columns"`
	// Unit is what its latencies are in.
	Unit string `json:"unit"`
	// NotRead are columns whose names say nothing here.
	NotRead []string `json:"columns_not_read"`
}

// Judge reads the files and judges them. An error is about a file or the
// question, and says which line or word of it is wrong.
func (q *Question) Judge() (Report, error) {
	latencies, err := unitOf(q.Unit)
	if err != nil {
		return Report{}, err
	}
	files, err := q.open()
	for _, f := range files {
		defer f.Close()
	}
	if err != nil {
		return Report{}, err
	}
	p := newReading(q.Watched, files)
	defer p.clear()
	readers := map[string]*rowReader{}
	for _, f := range files {
		r, err := newRowReader(f.path, f, latencies)
		if err != nil {
			return Report{}, err
		}
		r.told = p.redraw
		f.rows, readers[f.role] = r, r
	}
	stable, canary := readers["stable"], readers["canary"]
	if (stable.time < 0) != (canary.time < 0) {
		with, without := stable.name, canary.name
		if stable.time < 0 {
			with, without = without, with
		}
		return Report{}, fmt.Errorf("%s: the column time is missing, which %s has; give times for both, or rename it there", without, with)
	}
	if q.Plan.InitialDelay > 0 && stable.time < 0 {
		return Report{}, fmt.Errorf("%s: --initial-delay needs the column time in both files", stable.name)
	}
	evidence := judge.Offline{Stable: stable.next, Canary: canary.next, Timed: stable.time >= 0, Planned: q.Planned}
	if r := readers["reference"]; r != nil {
		r.time = -1
		evidence.Reference = r.next
	}
	report, err := evidence.Judge(q.Plan)
	if err != nil {
		return Report{}, err
	}
	j := Report{Report: report, Files: []File{}, alpha: q.Plan.Alpha}
	for _, f := range files {
		j.Files = append(j.Files, File{f.role, f.path, f.rows.rows, f.rows.used, f.rows.unit.name, append([]string{}, f.rows.unused...)})
	}
	return j, nil
}

// source is an open file, or standard input.
type source struct {
	io.ReadCloser

	role, path string
	info       os.FileInfo // nil where nothing is known of it
	rows       *rowReader
}

// open opens the files that were named, none of them twice. What is open already
// is returned with an error, too.
func (q *Question) open() ([]*source, error) {
	var files []*source
	for _, s := range []*source{{role: "stable", path: q.Stable}, {role: "canary", path: q.Canary}, {role: "reference", path: q.Reference}} {
		if s.path == "" {
			continue
		}
		var f *os.File
		var err error
		if s.path == "-" {
			s.path, s.ReadCloser = "standard input", io.NopCloser(q.In)
			f, _ = q.In.(*os.File)
		} else if f, err = os.Open(s.path); err != nil {
			return files, fmt.Errorf("the file of %s cannot be opened: %w", s.role, err)
		} else {
			s.ReadCloser = f
		}
		files = append(files, s)
		if f != nil {
			s.info, _ = f.Stat() // of what cannot be told, nothing is
		}
		for _, other := range files[:len(files)-1] {
			if s.path == other.path || s.info != nil && other.info != nil && os.SameFile(s.info, other.info) {
				return files, fmt.Errorf("%s: it is named for both %s and %s; give a file for each", s.path, other.role, s.role)
			}
		}
	}
	return files, nil
}

// reading tells on a terminal how much is read, once that has taken a second.
type reading struct {
	w     io.Writer
	files []*source
	next  time.Time
	drawn bool
}

// newReading returns nil, which draws nothing, where nobody watches.
func newReading(w io.Writer, files []*source) *reading {
	if w == nil {
		return nil
	}
	return &reading{w: w, files: files, next: time.Now().Add(time.Second)}
}

func (p *reading) redraw() {
	if p == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.drawn = time.Now().Add(200*time.Millisecond), true
	rows, read, size := uint64(0), int64(0), int64(0)
	for _, f := range p.files {
		if f.rows != nil {
			rows, read = rows+f.rows.rows, read+f.rows.bytes.total
		}
		if f.info != nil && f.info.Mode().IsRegular() && size >= 0 {
			size += f.info.Size()
		} else {
			size = math.MinInt64 // how much there is to come is unknown
		}
	}
	fmt.Fprintf(p.w, "\r\x1b[Kreading: %d rows", rows)
	if size > 0 {
		fmt.Fprintf(p.w, ", %d %%", min(100, 100*read/size))
	}
}

func (p *reading) clear() {
	if p != nil && p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
