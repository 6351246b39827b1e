package report

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"serin/internal/judge"
)

// Explanation is what came out of judging again.
type Explanation struct {
	Rollout   string `json:"rollout"`
	Decisions int    `json:"decisions"`
	Looks     int    `json:"looks"`
	Different int    `json:"different"`
	// Unjudged counts what could not be judged again, Dropped the looks before the
	// first that is kept.
	Unjudged int         `json:"unjudged"`
	Dropped  uint64      `json:"dropped"`
	Cases    []Explained `json:"cases"`
}

// Explained is one case, judged again.
type Explained struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Look uint64    `json:"look"`
	// Verdict and Sentence are what was found then.
	Verdict  string `json:"verdict"`
	Sentence string `json:"sentence"`
	// Again is what the monitor says now, with its numbers in brief.
	Again       string  `json:"again"`
	Canary      uint64  `json:"canary"`
	Stable      uint64  `json:"stable"`
	Ratio       float64 `json:"ratio"`
	RatioLower  float64 `json:"ratio_lower"`
	RatioUpper  float64 `json:"ratio_upper"`
	LogE        float64 `json:"log_e"`
	LogEPromote float64 `json:"log_e_promote"`
	PValue      float64 `json:"p_value"`
	// Differs says what came out otherwise; "" if nothing did.
	Differs string `json:"differs"`
}

// Add judges a case again.
func (e *Explanation) Add(c judge.Case) error {
	if len(c.Evidence) == 0 && c.Lost == "" { // an event of the journal
		e.Cases = append(e.Cases, Explained{Name: c.Name, At: c.At})
		return nil
	}
	o, differs, err := c.Again()
	switch {
	case err != nil:
		differs = "it cannot be judged: " + err.Error()
		e.Unjudged++
	case differs != "":
		e.Different++
	}
	if c.Look > 0 && e.Looks == 0 {
		e.Dropped = c.Look - 1
	}
	m := o.Monitor
	e.Cases = append(e.Cases, Explained{
		Name: c.Name, At: c.At, Look: c.Look, Verdict: c.Finding.Verdict.String(), Sentence: c.Finding.Sentence, Again: m.Verdict.String(), Canary: m.Canary.Count, Stable: m.Stable.Count,
		Ratio: m.Ratio, RatioLower: m.RatioLower, RatioUpper: m.RatioUpper, LogE: m.LogE, LogEPromote: m.Promote.LogE, PValue: o.Welch.PValue, Differs: differs,
	})
	if c.Look > 0 {
		e.Looks++
	} else {
		e.Decisions++
	}
	return nil
}

// Write prints the decisions, and the looks at which the verdict changed.
func (e *Explanation) Write(w io.Writer, all bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME (UTC)\tMOMENT\tCANARY\tSTABLE\tLATENCY\tCONFIDENCE\tLN E\tLN E PASS\tVERDICT")
	var told []Explained
	before := "none yet"
	for _, x := range e.Cases {
		if x.Verdict == "" {
			fmt.Fprintf(table, "%s\t%s\n", x.At.UTC().Format(time.DateTime), x.Name)
			continue
		}
		changed := x.Look == 0 || x.Verdict != before
		if x.Look > 0 {
			before = x.Verdict
		}
		if changed {
			told = append(told, x)
		}
		if all || changed || x.Differs != "" {
			verdict := x.Verdict
			if x.Verdict != x.Again && x.Differs == "" {
				verdict += " (Welch)"
			}
			typical, interval := "-", "-"
			if x.RatioLower != x.RatioUpper {
				typical, interval = Times(x.Ratio), Times(x.RatioLower)+" to "+Times(x.RatioUpper)
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%.2f\t%.2f\t%s\n", x.At.UTC().Format(time.DateTime), x.Name, x.Canary, x.Stable,
				typical, interval, x.LogE, x.LogEPromote, verdict)
		}
	}
	_ = table.Flush() // the writer below fails likewise
	fmt.Fprintln(w)
	for _, x := range told {
		fmt.Fprintf(w, "%s: %s\n", x.Name, x.Sentence)
	}
	for _, x := range e.Cases {
		if x.Differs != "" {
			fmt.Fprintf(w, "NOT THE SAME: %s: %s\n", x.Name, x.Differs)
		}
	}
	if e.Dropped > 0 {
		fmt.Fprintf(w, "the first %d looks are not kept any more\n", e.Dropped)
	}
	fmt.Fprintf(w, "rollout %s: %d decisions and %d looks were judged again, and ", e.Rollout, e.Decisions, e.Looks)
	if e.Different+e.Unjudged == 0 {
		fmt.Fprintln(w, "all came out the same")
	} else {
		fmt.Fprintf(w, "%d came out otherwise, %d could not be judged\n", e.Different, e.Unjudged)
	}
}

// Times writes a ratio of latencies.
func Times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("x%.4g", ratio)
	}
	return fmt.Sprintf("%+.2f%%", 100*(ratio-1))
}
