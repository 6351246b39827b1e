package app

import (
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"serin/internal/control"
	"serin/internal/infer"
	"serin/internal/judge"
	"serin/internal/rollout"
	"serin/internal/route"
)

// metrics reads, at each scrape, what the gauges hold anyway: a request pays
// nothing for being counted a second time. Names follow Prometheus: one prefix,
// base units, _total for counters.
type metrics struct {
	version   string
	yard      *yard
	protocols *infer.Protocols
}

func newMetrics(version string, y *yard, protocols *infer.Protocols) []prometheus.Collector {
	return []prometheus.Collector{
		&metrics{version, y, protocols},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("serin_"+name, help, append([]string{"model"}, labels...), nil)
}

var (
	predictSeconds  = desc("predict_duration_seconds", "Time of answered prediction requests in the handler, from header to reply.", "version", "role")
	predictRequests = desc("predict_requests_total", "Prediction requests by HTTP status; refused ones have no version and role, and those for a model that is not here no model.", "version", "role", "code")
	loadSeconds     = desc("model_load_duration_seconds", "Time that the version loaded last took to become ready.")
	phase           = desc("canary_phase", "1 for the phase that the model is in.", "phase")
	verdict         = desc("canary_verdict", "1 for what the seed's rule says of the evidence so far.", "verdict")
	monitorVerdict  = desc("canary_monitor_verdict", "1 for what the monitor's last look says; an alarm stays.", "verdict")
	logE            = desc("canary_log_e", "Natural logarithm of the e-value against the canary; overall it is an alarm from ln(1/alpha) on.", "signal")
	slowdown        = desc("canary_latency_ratio", "Canary's typical latency over stable's, with its confidence sequence.", "bound")
	trafficRatio    = desc("canary_traffic_ratio", "The canary's share of the requests, planned and observed.", "kind")
	samples         = desc("canary_samples", "Predictions observed in this rollout.", "role")
	failures        = desc("canary_failures", "Predictions in this rollout that gave no answer.", "role")
	meanSeconds     = desc("canary_latency_mean_seconds", "Mean prediction latency in this rollout.", "role")
	difference      = desc("canary_latency_difference_seconds", "Canary's mean minus stable's, with its confidence interval.", "bound")
	pValue          = desc("canary_p_value", "P-value of this moment's look; repeated looks find alarms that are none.", "test")
	elapsedSeconds  = desc("canary_elapsed_seconds", "Observed serving time of this rollout.")
	periodSeconds   = desc("canary_period_seconds", "Planned serving time of this rollout.")
	decisions       = desc("canary_decisions_total", "Decisions since the process started.", "decision", "actor_kind")
	buildInfo       = prometheus.NewDesc("serin_build_info", "Always 1.", []string{"version", "goversion"}, nil)

	all = []*prometheus.Desc{
		predictSeconds, predictRequests, loadSeconds, phase, verdict, monitorVerdict, logE, slowdown, trafficRatio, samples, failures, meanSeconds,
		difference, pValue, elapsedSeconds, periodSeconds, decisions, buildInfo,
	}
)

// bounds are the upper ends of the histogram's buckets, about three to a decade.
var bounds = []time.Duration{
	time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// Describe is for Prometheus.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Collect is for Prometheus.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, m.version, runtime.Version())
	m.protocols.Lost(func(status int, n uint64) {
		ch <- prometheus.MustNewConstMetric(predictRequests, prometheus.CounterValue, float64(n), "", "", "", strconv.Itoa(status))
	})
	for _, l := range m.yard.lines() {
		l.collect(ch)
	}
}

// collect gives the metrics of one model.
func (l *line) collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, append([]string{l.Name}, labels...)...)
	}
	arms, lastLoad := l.cars.meters()
	for _, a := range arms {
		seen := a.gauge.Snapshot()
		buckets := make(map[float64]uint64, len(bounds))
		for _, b := range bounds {
			buckets[b.Seconds()] = seen.AtMost(b)
		}
		ch <- prometheus.MustNewConstHistogram(predictSeconds, seen.Count, seen.Sum(), buckets, l.Name, a.version, string(a.role))
		put(predictRequests, prometheus.CounterValue, float64(seen.Count), a.version, string(a.role), "200")
	}
	put(loadSeconds, prometheus.GaugeValue, lastLoad.Seconds())
	l.front.Refused(func(status int, n uint64) {
		put(predictRequests, prometheus.CounterValue, float64(n), "", "", strconv.Itoa(status))
	})
	for d, n := range l.pilot.Decisions() {
		actor := "operator"
		if d.BySelf {
			actor = "serin"
		}
		put(decisions, prometheus.CounterValue, float64(n), string(d.Event), actor)
	}
	l.canary(put)
}

func (l *line) canary(put func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		put(d, prometheus.GaugeValue, value, labels...)
	}
	h := l.pilot.Peek()
	for _, p := range []rollout.Phase{rollout.Idle, rollout.Loading, rollout.Live, rollout.Due} {
		gauge(phase, is(h.State.Phase == p), string(p))
	}
	live := h.State.Phase.Split()
	for _, v := range []rollout.Verdict{rollout.Insufficient, rollout.Pass, rollout.Fail} {
		gauge(verdict, is(live && h.Result.Verdict == v), v.String())
	}
	for _, v := range []rollout.Verdict{rollout.Insufficient, rollout.Pass, rollout.Fail, rollout.Invalid} {
		gauge(monitorVerdict, is(live && h.Watch.Verdict == v), v.String())
	}
	if !live {
		return
	}
	if h.Watch.Number > 0 {
		putWatch(gauge, h.Watch)
	}
	r := h.Result
	gauge(trafficRatio, h.State.Rollout.Weight.Fraction(), "planned")
	if n := r.Stable.Count + r.Canary.Count; n > 0 {
		gauge(trafficRatio, float64(r.Canary.Count)/float64(n), "observed")
	}
	for role, s := range map[route.Role]struct {
		count, failures uint64
		mean            float64
	}{
		route.Stable: {r.Stable.Count, r.Stable.Failures, r.Stable.MeanMS},
		route.Canary: {r.Canary.Count, r.Canary.Failures, r.Canary.MeanMS},
	} {
		gauge(samples, float64(s.count), string(role))
		gauge(failures, float64(s.failures), string(role))
		gauge(meanSeconds, s.mean/1e3, string(role))
	}
	gauge(difference, r.DifferenceMS/1e3, "estimate")
	gauge(difference, r.LowerMS/1e3, "lower")
	gauge(difference, r.UpperMS/1e3, "upper")
	gauge(pValue, r.PValue, r.Test)
	gauge(elapsedSeconds, h.Elapsed.Seconds())
	gauge(periodSeconds, h.State.Rollout.Plan.Period.Seconds())
}

// putWatch tells of the monitor's last look.
func putWatch(gauge func(*prometheus.Desc, float64, ...string), w control.Watch) {
	gauge(logE, w.LogE, judge.Overall)
	gauge(logE, w.Promote.LogE, "promote")
	for _, s := range w.Signals {
		gauge(logE, s.LogE, s.Name)
	}
	gauge(slowdown, w.Ratio, "estimate")
	gauge(slowdown, w.RatioLower, "lower")
	gauge(slowdown, w.RatioUpper, "upper")
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// meters returns the gauges of the versions that served, and how long the last
// load took.
func (g *engines) meters() ([]served, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.served), g.lastLoad
}
