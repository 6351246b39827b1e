package trace

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"

	otel "go.opentelemetry.io/otel/trace"
)

// place is where a request is in a trace: of its parent, or of a new one.
type place struct {
	trace  otel.TraceID
	parent otel.SpanID // zero in a new trace
	flags  otel.TraceFlags
}

// sampler says which requests are sampled; one of those that OTEL_TRACES_SAMPLER
// names.
type sampler struct {
	byParent bool    // where there is one, its word counts
	ratio    float64 // of the traces otherwise
}

// samplerOf reads the two variables; an empty name is what OpenTelemetry says of it.
func samplerOf(name, arg string) (sampler, error) {
	ratio := 1.0
	if arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: give the share of traces to record, from 0 to 1", arg)
		}
	}
	switch name {
	case "", "parentbased_always_on":
		return sampler{true, 1}, nil
	case "parentbased_always_off":
		return sampler{true, 0}, nil
	case "parentbased_traceidratio":
		return sampler{true, ratio}, nil
	case "always_on":
		return sampler{false, 1}, nil
	case "always_off":
		return sampler{false, 0}, nil
	case "traceidratio":
		return sampler{false, ratio}, nil
	default:
		return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER is %q: serin knows always_on, always_off, traceidratio, and these with parentbased_ before them", name)
	}
}

// decide says where a request belongs by its traceparent, and whether it is sampled.
// What is no traceparent begins a trace.
func (s sampler) decide(traceparent string) (at place, sampled bool) {
	at, known := parse(traceparent)
	if known && s.byParent {
		return at, at.flags.IsSampled()
	}
	if !known {
		at = place{}
		binary.BigEndian.PutUint64(at.trace[:8], rand.Uint64())
		binary.BigEndian.PutUint64(at.trace[8:], rand.Uint64()|1) // all zeros would be none
	}
	// As all of OpenTelemetry's samplers do, so that they agree about a trace.
	return at, float64(binary.BigEndian.Uint64(at.trace[8:])>>1) < s.ratio*(1<<63)
}

// parse reads a traceparent: version, trace, parent and flags in hexadecimal. Of a
// later version than ours it reads what it knows.
func parse(s string) (at place, ok bool) {
	const length = 55
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return place{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], s[:2]) || !unhex(at.trace[:], s[3:35]) || !unhex(at.parent[:], s[36:52]) || !unhex(flags[:], s[53:55]) {
		return place{}, false
	}
	if version[0] == 0xff || version[0] == 0 && (len(s) != length || flags[0] > 3) || len(s) > length && s[length] != '-' {
		return place{}, false
	}
	at.flags = otel.TraceFlags(flags[0]) & (otel.FlagsSampled | otel.FlagsRandom)
	return at, at.trace.IsValid() && at.parent.IsValid()
}

// unhex reads lower-case digits, as many as there is room for.
func unhex(to []byte, s string) bool {
	for i := range to {
		high, low := digit(s[2*i]), digit(s[2*i+1])
		if high > 15 || low > 15 {
			return false
		}
		to[i] = high<<4 | low
	}
	return true
}

func digit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	default:
		return 16
	}
}
