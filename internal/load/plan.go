package load

import (
	"errors"
	"fmt"
	"time"
)

// Plan says how much wind there is.
type Plan struct {
	// Rate is requests per second of an open loop; 0 is a closed loop.
	Rate float64
	// Duration bounds the run, without its warm-up and without the requests that
	// are under way at its end.
	Duration time.Duration
	// WarmUp runs the same load before the clock starts; nothing of it is counted.
	WarmUp time.Duration
	// Requests bounds the run by count, without its warm-up; 0 is no bound.
	Requests uint64
	// Connections is how many requests can be under way at once.
	Connections int
	// Timeout bounds each request.
	Timeout time.Duration
}

// The bounds of a plan. They keep a typing error from becoming an attack.
const (
	maxConnections = 10_000
	maxRate        = 1e6
	maxDuration    = 24 * time.Hour
)

// Check says what is wrong with a plan; Run asks it, too.
func (p Plan) Check() error {
	switch {
	case p.Connections < 1 || p.Connections > maxConnections:
		return fmt.Errorf("%d connections: use 1 to %d", p.Connections, maxConnections)
	case !(p.Rate >= 0 && p.Rate <= maxRate):
		return fmt.Errorf("a rate of %v requests per second: use 0 (as fast as answers come) to %.0f", p.Rate, maxRate)
	case p.Duration <= 0 || p.Duration > maxDuration:
		return fmt.Errorf("a duration of %v: use up to %v", p.Duration, maxDuration)
	case p.WarmUp < 0 || p.WarmUp > maxDuration:
		return fmt.Errorf("a warm-up of %v: use up to %v", p.WarmUp, maxDuration)
	case p.Timeout <= 0:
		return errors.New("a timeout is needed: without one, a server that hangs would hang the run")
	}
	return nil
}

// due is when the nth request of an open loop is due, counted from the
// beginning: evenly spaced, as wrk2 and oha have it.
func (p Plan) due(n uint64) time.Duration {
	return time.Duration(float64(n) / p.Rate * float64(time.Second))
}
