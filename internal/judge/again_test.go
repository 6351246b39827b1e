package judge

import (
	"encoding/json"
	"strings"
	"testing"

	"serin/internal/record"
	"serin/internal/rollout"
)

// stored makes the case of evidence as the server stores it.
func stored(t *testing.T, e *record.Evidence, look uint64) Case {
	t.Helper()
	o := NewMonitor(watched).Opinion(e)
	c := Case{Name: "promote by ana", Event: rollout.Promote, Look: look, Plan: watched, Finding: o.Welch.Finding}
	var detail any = o
	if look > 0 {
		c.Name, c.Finding, detail = "look 3", o.Monitor.Finding, o.Monitor
	}
	var err error
	if c.Detail, err = json.Marshal(detail); err != nil {
		t.Fatal(err)
	}
	if c.Evidence, err = e.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAgain(t *testing.T) {
	t.Parallel()
	_, healthy := same.watch(watched, 2, 1)
	slower := same
	slower.factor = 2
	_, slow := slower.watch(watched, 2, 2)
	look, decision := stored(t, &healthy, 3), stored(t, &healthy, 0)
	swap := func(from, to string) func(*Case) {
		return func(c *Case) {
			text := strings.Replace(string(c.Detail), from, to, 1)
			if text == string(c.Detail) {
				t.Errorf("%q is not in %s", from, c.Detail)
			}
			c.Detail = []byte(text)
		}
	}
	tests := []struct {
		name    string
		change  func(c *Case)
		of      Case
		differs string // in what differs, or in the error
		fails   bool
	}{
		{"a look", func(*Case) {}, look, "", false},
		{"a decision", func(*Case) {}, decision, "", false},
		{"the last digit", swap(`"log_threshold":2.995732273553991`, `"log_threshold":2.995732273553992`), look, "", false},
		{"another evidence", func(c *Case) { c.Evidence = stored(t, &slow, 3).Evidence }, look, "it was found", false},
		{"another plan", func(c *Case) { c.Plan.MinSlowdown = 0.05 }, look, "was", false},
		{"another finding", func(c *Case) { c.Finding = rollout.Finding{Verdict: rollout.Fail, Sentence: "no"} }, look, "it was found fail (no) and is", false},
		{"the monitor's finding for what somebody asked", func(c *Case) { c.Finding = NewMonitor(watched).Judge(&healthy).Finding }, decision, "it was found", false},
		{"Welch's finding for the end of the period", func(c *Case) { c.Event = rollout.PeriodOver }, decision, "it was found", false},
		{"a doctored flag", swap(`"confirmed":false`, `"confirmed":true`), look, ".confirmed was true and is false now", false},
		{"a doctored number", swap(`"p_value":`, `"p_value":1`), decision, ".welch.p_value was", false},
		{"a field more", swap(`"alarms":`, `"friends":1,"alarms":`), look, "has other fields", false},
		{"an alarm more", swap(`"alarms":[]`, `"alarms":["errors"]`), look, ".alarms has another length", false},
		{"damaged evidence", func(c *Case) { c.Evidence = c.Evidence[1:] }, look, "look 3: ", true},
		{"damaged numbers", func(c *Case) { c.Detail = []byte("{") }, look, "its numbers", true},
		{"no plan", func(c *Case) { c.Plan = rollout.Plan{} }, decision, "its plan", true},
		{"lost", func(c *Case) { *c = Case{Name: "look 4", Lost: "a flipped bit"} }, look, "look 4: a flipped bit", true},
	}
	for _, tt := range tests {
		c := tt.of
		tt.change(&c)
		_, differs, err := c.Again()
		got := differs
		if err != nil {
			got = err.Error()
		}
		if (err != nil) != tt.fails || !strings.Contains(got, tt.differs) || tt.differs == "" && got != "" {
			t.Errorf("%s: %q, %v; want %q", tt.name, differs, err, tt.differs)
		}
	}
}
