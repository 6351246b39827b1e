package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/judge"
)

// A rollout's cases are sent as JSON lines, since there may be thousands of
// some kB. The last line says that nothing is missing: a reader that does not
// see it was cut off.

// line is one of them: a case, or the end.
type line struct {
	Case *judge.Case `json:"case,omitempty"`
	// End is how many cases there were, Error why there are no more.
	End   *int   `json:"end,omitempty"`
	Error string `json:"error,omitempty"`
}

var casesOperation = func() huma.Operation {
	op := get("rollouts/{rollout}/cases", "Read how a rollout was judged", "JSON lines: each judged moment with its evidence, so that it can be judged again, and an end.")
	op.OperationID = "cases"
	op.Errors = []int{http.StatusNotFound, http.StatusServiceUnavailable}
	return op
}()

// cases sends what is stored. What goes wrong before the first case is an error
// like any other; later it is the last line.
func (h *handlers) cases(ctx context.Context, in *struct {
	Rollout string `path:"rollout" maxLength:"100" example:"r1" doc:"The rollout's id."`
}) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		to := json.NewEncoder(hc.BodyWriter())
		n := 0
		err := h.past.Cases(ctx, in.Rollout, func(c judge.Case) error {
			if n == 0 {
				hc.SetHeader("Content-Type", "application/x-ndjson")
			}
			n++
			return to.Encode(line{Case: &c})
		})
		last := line{End: &n}
		if err != nil {
			p := problemOf(err)
			if n == 0 {
				hc.SetHeader("Content-Type", problemType)
				hc.SetStatus(p.Status)
				_ = to.Encode(p)
				return
			}
			last.Error = p.Detail
		}
		if n == 0 {
			hc.SetHeader("Content-Type", "application/x-ndjson")
		}
		_ = to.Encode(last) // a client that has gone reads nothing
	}}, nil
}

// Cases gives every judged moment of a rollout that the server has stored to
// yield.
func (c *Client) Cases(ctx context.Context, rolloutID string, yield func(judge.Case) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+c.path("/admin/rollouts/"+url.PathEscape(rolloutID)+"/cases"), http.NoBody)
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Unreachable{c.at, reason(err)}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return c.refused(res)
	}
	const longest = 8 << 20
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return fmt.Errorf("%s answers what serin does not: %w", c.at, err)
		}
		switch {
		case l.Error != "":
			return errors.New(l.Error)
		case l.End != nil:
			return nil
		case l.Case == nil:
		default:
			if err := yield(*l.Case); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Unreachable{c.at, errors.Join(lines.Err(), io.ErrUnexpectedEOF)}
}
