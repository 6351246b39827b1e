package infer

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"serin/internal/model"
)

// A request has a deadline: what the server grants (Limits.Timeout), or what its
// client asks for, if that is sooner. It is about waiting and predicting.
//
//	arrived ── body ──┬── waits in the gate ──┬── the arm, block by block ──┬── reply
//	   client's clock │                       │                             │
//	                  └ the server's clock    └ 504: nobody's evidence      └ 504: see below
//
// An arm has failed by a deadline only if it would have missed it alone: if what
// it took itself is as much as the request had from when it came to the gate. Where
// the queue used up the rest, the arm is observed with what it took, up to where it
// was cut off. What was late before an arm began is in no evidence. Likewise a
// client that has gone before its answer was ready counts against the arm only if
// the arm took longer than the queue.

// askHeader is the header by which a client says how long it waits for a
// prediction, in whole milliseconds, from when the request arrives.
const askHeader = "Serin-Timeout-Ms"

// longestAsk is what a client may ask for at most; it is more than any server
// grants, and no arithmetic with it overflows.
const longestAsk = 1<<31 - 1

// askedDeadline is the one that the header asks for; zero if it asks for none.
func askedDeadline(h http.Header, arrived time.Time) (time.Time, *trouble) {
	value := h[askHeader]
	if len(value) == 0 {
		return time.Time{}, nil
	}
	ms, err := strconv.ParseInt(value[0], 10, 64)
	if err != nil || ms < 1 || ms > longestAsk || len(value) > 1 {
		return time.Time{}, troubled(http.StatusBadRequest, "The header %s is %q: give one whole number of milliseconds from 1 to %d.", askHeader, model.Clip(strings.Join(value, ", ")), longestAsk)
	}
	return arrived.Add(time.Duration(ms) * time.Millisecond), nil
}

// within is a deadline so many microseconds after a time; zero where they are 0,
// or more than anybody waits.
func within(from time.Time, microseconds int64) time.Time {
	if microseconds <= 0 || microseconds > math.MaxInt64/int64(time.Microsecond) {
		return time.Time{}
	}
	return from.Add(time.Duration(microseconds) * time.Microsecond)
}

// sooner is the first of two deadlines, of which either may be zero, for none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// passed tells whether it is the deadline or later.
func passed(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// blamed tells whether the arm, routed to then, would have missed the deadline
// also if the request had not waited for its slot.
func (req *request) blamed(routed time.Time, latency time.Duration) bool {
	return latency >= req.until.Sub(routed)+req.waited
}
