package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/judge"
)

// offline is what the flags of judge say.
type offline struct {
	stable, canary, reference string
	unit, weight, output      string
	ascii                     bool
	config                    app.Config // its plan alone
}

func newJudge(c console) *cobra.Command {
	o := offline{unit: "ms", output: "text", config: app.Default()}
	o.config.Plan.InitialDelay = 0
	o.ascii = !speaksUTF8(os.Getenv)
	cmd := &cobra.Command{
		Use:   "judge --stable FILE --canary FILE",
		Short: "Judge latencies that were measured elsewhere, from two CSV files",
		Long: `Judge latencies that were measured elsewhere, by the rules that a server uses.

Each file has a row for each request, in the order in which they were answered:

  latency   in --unit; or latency_ns, latency_us, latency_ms, latency_s
  error     1 or true for a request without an answer, whose latency may be empty
  score     the model's answer as a probability; may be empty
  time      when it was answered: seconds, or 2006-01-02T15:04:05Z; never backwards

Columns are found by their names and others are not read. A file without a header
has one column, of latencies. - is standard input.

What is compared must be comparable: requests that were dealt at random, and
answered during the same time. With times in both files both arms are judged from
the first canary request to the last, in windows as a server does, and stable
before that is the reference. Without times the reference, which is what stable's
latencies are expected to look like, is --reference or stable's first quarter.

The verdict is of one look, at the end. Exit code 0 for a pass, 3 for a fail, 4 for
anything else.`,
		Example: `  serin judge --stable a.csv --canary b.csv
  serin judge --stable a.csv --canary b.csv --unit us --weight 10%
  jq -r .latency_ms canary.jsonl | serin judge --stable a.csv --canary - --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Flags()); err != nil {
				return usageError{err}
			}
			report, err := o.runUntil(cmd.Context(), cmd.InOrStdin(), c.err)
			if err != nil {
				return err
			}
			if err := c.print(o.output, report, func(w io.Writer) { report.write(w, o.config.Plan.Alpha, o.ascii) }); err != nil {
				return err
			}
			switch report.Monitor.Verdict.String() {
			case "pass":
				return nil
			case "fail":
				return &verdictError{api.ExitRegression}
			default:
				return &verdictError{api.ExitInconclusive}
			}
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *offline) flags(f *pflag.FlagSet) {
	p := &o.config.Plan
	f.StringVar(&o.stable, "stable", "", "CSV file of stable's requests")
	f.StringVar(&o.canary, "canary", "", "CSV file of the canary's requests")
	f.StringVar(&o.reference, "reference", "", "CSV file of stable's requests from before (default: see above)")
	f.StringVar(&o.unit, "unit", o.unit, "what latencies are in, where their column does not say: ns, us, ms or s")
	f.StringVar(&o.weight, "weight", "", "share of the requests that the canary should have got, like 10%, to test that it did")
	f.Float64Var(&p.Alpha, "alpha", p.Alpha, "level of Welch's test, and of the monitor")
	f.Uint64Var(&p.MinSamples, "min-samples", p.MinSamples, "fewest observations per arm for Welch's test")
	f.DurationVar(&p.MinEffect, "min-effect", p.MinEffect, "a smaller difference raises no alarm")
	f.Var((*shareFlag)(&p.MinSlowdown), "min-slowdown", "a smaller slowdown raises no alarm of the monitor")
	f.Var((*shareFlag)(&p.Tolerance), "tolerance", "slowdown that a pass must rule out")
	f.Float64Var(&p.MinDrift, "min-drift", p.MinDrift, "a smaller change of the scores (PSI) raises no alarm")
	f.DurationVar(&p.InitialDelay, "initial-delay", p.InitialDelay, "with times: the canary's first latencies are not judged for so long")
	f.StringVarP(&o.output, "output", "o", o.output, "text or json")
	f.BoolVar(&o.ascii, "ascii", o.ascii, "draw with plain characters (default where the locale is not UTF-8)")
}

// complete turns the words among the flags into a plan, and checks it.
func (o *offline) complete(given *pflag.FlagSet) error {
	if o.stable == "" || o.canary == "" {
		return errors.New("name both files: serin judge --stable a.csv --canary b.csv")
	}
	if given.Changed("weight") {
		w, err := api.ParseWeight(o.weight)
		if err != nil {
			return err
		}
		o.config.Plan.Weight = w
	}
	if _, err := unitOf(o.unit); err != nil {
		return err
	}
	return cmp.Or(checkOutput(o.output), o.config.Plan.Check())
}

// speaksUTF8 says what the locale does, by the first of its variables that is set.
func speaksUTF8(getenv func(string) string) bool {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// judged is what judge prints.
type judged struct {
	judge.Report

	Files []judgedFile `json:"files"`
}

// judgedFile is a file that was read.
type judgedFile struct {
	Role    string   `json:"role"`
	Path    string   `json:"path"`
	Rows    uint64   `json:"rows"`
	Columns []string `json:"columns"`
	// Unit is what its latencies are in.
	Unit string `json:"unit"`
	// NotRead are columns whose names say nothing here.
	NotRead []string `json:"columns_not_read"`
}

// runUntil is run, left behind when the context ends while it waits for input.
func (o *offline) runUntil(ctx context.Context, in io.Reader, progress io.Writer) (judged, error) {
	type result struct {
		report judged
		err    error
	}
	done := make(chan result, 1)
	go func() {
		report, err := o.run(in, progress)
		done <- result{report, err}
	}()
	select {
	case r := <-done:
		return r.report, r.err
	case <-ctx.Done():
		return judged{}, fmt.Errorf("judge: interrupted: %w", ctx.Err())
	}
}

func (o *offline) run(in io.Reader, progress io.Writer) (judged, error) {
	files, err := o.open(in)
	for _, f := range files {
		defer f.Close()
	}
	if err != nil {
		return judged{}, usageError{err}
	}
	p := newReading(progress, files)
	defer p.clear()
	readers := map[string]*rowReader{}
	for _, f := range files {
		latencies, _ := unitOf(o.unit) // complete has checked it
		r, err := newRowReader(f.path, f, latencies)
		if err != nil {
			return judged{}, usageError{err}
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
		return judged{}, usageError{fmt.Errorf("%s: the column time is missing, which %s has; give times for both, or rename it there", without, with)}
	}
	if o.config.Plan.InitialDelay > 0 && stable.time < 0 {
		return judged{}, usageError{fmt.Errorf("%s: --initial-delay needs the column time in both files", stable.name)}
	}
	evidence := judge.Offline{Stable: stable.next, Canary: canary.next, Timed: stable.time >= 0, Planned: o.weight != ""}
	if r := readers["reference"]; r != nil {
		r.time = -1
		evidence.Reference = r.next
	}
	report, err := evidence.Judge(o.config.Plan)
	if err != nil {
		return judged{}, usageError{err}
	}
	j := judged{Report: report, Files: []judgedFile{}}
	for _, f := range files {
		j.Files = append(j.Files, judgedFile{f.role, f.path, f.rows.rows, f.rows.used, f.rows.unit.name, append([]string{}, f.rows.unused...)})
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
func (o *offline) open(in io.Reader) ([]*source, error) {
	var files []*source
	for _, s := range []*source{{role: "stable", path: o.stable}, {role: "canary", path: o.canary}, {role: "reference", path: o.reference}} {
		if s.path == "" {
			continue
		}
		var f *os.File
		var err error
		if s.path == "-" {
			s.path, s.ReadCloser = "standard input", io.NopCloser(in)
			f, _ = in.(*os.File)
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
	if !(console{out: w}).terminal() {
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
