package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
	"serin/internal/rollout"
)

// chapter is one rollout in the list of all.
type chapter struct {
	Rollout string `json:"rollout"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	Stable  string `json:"stable" doc:"The version that it was to replace."`
	Outcome string `json:"outcome" enum:"in progress,promoted,rolled back"`
	// Began and Ended are when it was asked for and when it was over; Ended is null
	// while it goes on.
	Began    *time.Time `json:"began"`
	Ended    *time.Time `json:"ended"`
	Actor    string     `json:"actor" doc:"Who ended it; or while it goes on, who asked for it."`
	Reason   string     `json:"reason" doc:"Why."`
	Verdict  string     `json:"verdict" doc:"What was found last, where an event says it."`
	Sentence string     `json:"sentence"`
}

// chapters are a list, in an object that may get more members.
type chapters struct {
	Rollouts []*chapter `json:"rollouts"`
}

var rolloutsOperation = func() huma.Operation {
	op := get("rollouts", "List the rollouts", "Each attempt to replace stable, newest first: how it ended, when, by whom and why. From the journal.")
	op.Errors = []int{http.StatusServiceUnavailable}
	return op
}()

// journalPage is how many events are read at a time.
const journalPage = 200

// rollouts reads the journal backwards, until the oldest of the rollouts that
// were asked for is whole.
func (h *handlers) rollouts(ctx context.Context, in *struct {
	Limit int `query:"limit" default:"20" minimum:"1" maximum:"1000" doc:"How many."`
}) (*reply[chapters], error) {
	list, known := []*chapter{}, map[string]*chapter{}
	for before := uint64(0); ; {
		page, err := h.past.Recent(ctx, before, journalPage)
		if err != nil {
			return nil, problemOf(err)
		}
		for i := range page {
			e := &page[i]
			before = e.Seq
			if e.Rollout == "" { // of no rollout, or it cannot be read
				continue
			}
			c := known[e.Rollout]
			if c == nil {
				if len(list) == in.Limit {
					return &reply[chapters]{chapters{list}}, nil
				}
				c = opened(e)
				known[e.Rollout], list = c, append(list, c)
			}
			c.add(e)
		}
		if len(page) == 0 || before <= 1 {
			return &reply[chapters]{chapters{list}}, nil
		}
	}
}

// opened is a rollout as its latest event tells of it.
func opened(e *control.Entry) *chapter {
	c := &chapter{Rollout: e.Rollout, Outcome: "in progress", Actor: e.Actor, Reason: e.Reason}
	if l := e.State.Last; e.State.Rollout == nil && l != nil && l.Rollout == e.Rollout {
		c.Outcome, c.Actor, c.Reason, c.Version, c.Ended = "rolled back", l.Actor, l.Reason, l.Version, &l.At
		if promoted(&e.State) {
			c.Outcome = "promoted"
		}
	}
	return c
}

// add takes what an earlier event tells beside it.
func (c *chapter) add(e *control.Entry) {
	if c.Verdict == "" && e.Finding != nil {
		c.Verdict, c.Sentence = e.Finding.Verdict.String(), e.Finding.Sentence
	}
	if r := e.State.Rollout; r != nil && r.ID == e.Rollout {
		c.Version, c.SHA256, c.Stable = r.Canary.Name, r.Canary.SHA256, e.State.Stable.Name
	}
	if e.Event != rollout.Deploy {
		return
	}
	c.Began = &e.At
	if c.Ended == nil {
		c.Actor, c.Reason = e.Actor, e.Reason
	}
}

// Rollouts lists the latest rollouts of the model, newest first.
func (c *Client) Rollouts(ctx context.Context, limit int) ([]*chapter, error) { //nolint:revive // its fields are read, its name is not needed
	out, err := call[chapters](ctx, c, patience, http.MethodGet, c.path("/admin/rollouts")+"?limit="+strconv.Itoa(limit), nil)
	return out.Rollouts, err
}

// Ruling reads the monitor's verdict on a version, or for "" on the rollout in
// progress; it is not counted as a look.
func (c *Client) Ruling(ctx context.Context, version string) (ruling, error) { //nolint:revive // likewise
	return call[ruling](ctx, c, patience, http.MethodGet, c.path("/gate/verdict")+"?version="+url.QueryEscape(version), nil)
}
