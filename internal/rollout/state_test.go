package rollout

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlanCheck(t *testing.T) {
	t.Parallel()
	if err := plan.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Plan){
		"weight":        func(p *Plan) { p.Weight = 0 },
		"duration":      func(p *Plan) { p.Period = 0 },
		"at_end":        func(p *Plan) { p.AtEnd = "explode" },
		"min_samples":   func(p *Plan) { p.MinSamples = 1 },
		"alpha":         func(p *Plan) { p.Alpha = 1e-17 },
		"min_effect":    func(p *Plan) { p.MinEffect = -1 },
		"on_alarm":      func(p *Plan) { p.OnAlarm = "" },
		"initial_delay": func(p *Plan) { p.InitialDelay = -1 },
	} {
		bad := plan
		spoil(&bad)
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), name+" ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlanCheckOfTheMonitorsNumbers(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		slowdown, tolerance, drift float64
		want                       string // the field that is named, "" for none
	}{
		{0, 0.1, 0, ""},
		{9.9, 10, 1e300, ""},
		{0, 1e-9, 0.2, ""},
		{-0.01, 0.1, 0.2, "min_slowdown"},
		{0.1, 0.1, 0.2, "min_slowdown"},
		{0.2, 0.1, 0.2, "min_slowdown"},
		{nan, 0.1, 0.2, "min_slowdown"},
		{inf, 0.1, 0.2, "min_slowdown"},
		{0, 0, 0.2, "tolerance"},
		{0, -1, 0.2, "tolerance"},
		{0.02, 10.01, 0.2, "tolerance"},
		{0.02, nan, 0.2, "tolerance"},
		{0.02, inf, 0.2, "tolerance"},
		{0.02, 0.1, -0.1, "min_drift"},
		{0.02, 0.1, nan, "min_drift"},
		{0.02, 0.1, inf, "min_drift"},
	}
	for _, tt := range tests {
		p := plan
		p.MinSlowdown, p.Tolerance, p.MinDrift = tt.slowdown, tt.tolerance, tt.drift
		err := p.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want+" ") {
			t.Errorf("%v below %v, drift %v: %v, want one that names %q", tt.slowdown, tt.tolerance, tt.drift, err, tt.want)
		}
	}
}

func TestStateSurvivesJSON(t *testing.T) {
	t.Parallel()
	s := step(t, step(t, step(t, in(Live), ok(Alert)), ok(Alarm)), ok(Reweigh))
	s.remember(Past{SHA256: v1.SHA256, At: noon, Reason: "x", Quarantined: true})
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
}
