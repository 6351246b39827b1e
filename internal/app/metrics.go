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
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// metrics reads, at each scrape, what the gauges hold anyway: a request pays
// nothing for being counted a second time. Names follow Prometheus: one prefix,
// base units, _total for counters. Labels are bounded: models, the versions that
// engines keep meters of, and words of ours; never what a client has sent.
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

// overall is of the process, and so of all models.
func overall(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("serin_"+name, help, labels, nil)
}

var (
	predictSeconds   = desc("predict_duration_seconds", "Time of answered prediction requests in the handler, from header to reply.", "version", "role", "protocol")
	predictRequests  = desc("predict_requests_total", "Prediction requests by protocol and HTTP status (that of gRPC's code); refused ones have no version and role, and those for a model that is not here no model.", "version", "role", "protocol", "code")
	predictFailures  = desc("predict_failures_total", "Predictions that gave no answer: the model's code broke, it was not ready at its deadline, or it has no answer to the row.", "version", "role", "reason")
	modelInfo        = desc("model_info", "Always 1, for each version that answers requests now.", "version", "role", "sha256")
	loadSeconds      = desc("model_load_duration_seconds", "Time that versions took to become ready: read, checked and warmed.")
	loadFailures     = desc("model_load_failures_total", "Versions that were loaded and not accepted.")
	phase            = desc("canary_phase", "1 for the phase that the model is in.", "phase")
	verdict          = desc("canary_verdict", "1 for what the seed's rule says of the evidence so far.", "verdict")
	monitorVerdict   = desc("canary_monitor_verdict", "1 for what the monitor's last look says; an alarm stays.", "verdict")
	alarm            = desc("canary_alarm", "1 from the monitor's first alarm to the end of the rollout.")
	drill            = desc("canary_drill", "1 while the canary is slowed down on purpose.")
	looked           = desc("canary_looks", "Looks at this rollout, of the monitor and of those who asked.", "by")
	logE             = desc("canary_log_e", "Natural logarithm of the e-value against the canary; for promote of that for it.", "signal")
	logEThreshold    = desc("canary_log_e_threshold", "What canary_log_e must reach to say so.", "signal")
	slowdown         = desc("canary_latency_ratio", "Canary's typical latency over stable's, with its confidence sequence.", "bound")
	smallestSlowdown = desc("canary_smallest_slowdown_ratio", "The smallest slowdown that would have raised an alarm by now in four of five canaries; 0.1 is 10 %.")
	tolerance        = desc("canary_tolerance_ratio", "The slowdown that a pass must rule out; 0.1 is 10 %.")
	trafficRatio     = desc("canary_traffic_ratio", "The canary's share of the requests, planned and observed.", "kind")
	samples          = desc("canary_samples", "Predictions observed in this rollout.", "role")
	failures         = desc("canary_failures", "Predictions in this rollout that gave no answer.", "role")
	abandoned        = desc("canary_abandoned", "Predictions in this rollout whose client had gone.", "role")
	unfinished       = desc("canary_unfinished", "Requests in this rollout that have not come back.", "role")
	meanSeconds      = desc("canary_latency_mean_seconds", "Mean prediction latency in this rollout.", "role")
	difference       = desc("canary_latency_difference_seconds", "Canary's mean minus stable's, with its confidence interval.", "bound")
	pValue           = desc("canary_p_value", "P-value of this moment's look; repeated looks find alarms that are none.", "test")
	startedAt        = desc("canary_start_timestamp_seconds", "When the canary went live.")
	elapsedSeconds   = desc("canary_elapsed_seconds", "Observed serving time of this rollout.")
	periodSeconds    = desc("canary_period_seconds", "Planned serving time of this rollout.")
	generation       = desc("generation", "Number of the decision that is in force.")
	astray           = desc("replica_aside", "1 while this replica serves other than was decided: without a canary that it cannot load, or stable only because it does not hear the store.")
	decisions        = desc("canary_decisions_total", "Decisions since the process started.", "decision", "actor_kind")

	storeHeard    = overall("store_heard_timestamp_seconds", "When this replica heard the store last, where several share it; 0 before it has.")
	buildInfo     = overall("build_info", "Always 1.", "version", "goversion")
	inFlight      = overall("predict_in_flight", "Prediction requests that are read and predicted now.")
	inFlightMost  = overall("predict_in_flight_limit", "How many there may be at once.")
	queued        = overall("predict_queued", "Prediction requests that wait for their turn.")
	queuedMost    = overall("predict_queued_limit", "How many may wait.")
	bodyBytes     = overall("predict_body_bytes", "Memory of the large bodies that are here now.")
	bodyBytesMost = overall("predict_body_limit_bytes", "How much there may be.")
	shed          = overall("predict_shed_total", "Prediction requests that were told to come again: the queue was full, or they had waited too long or past their deadline, or there was no memory for their body.", "reason")
	writeSeconds  = overall("store_write_duration_seconds", "Time of durable writes.", "operation")
	writeFailures = overall("store_write_failures_total", "Durable writes that failed.", "operation")
	hookSent      = overall("webhook_sent_total", "Events that a web hook has taken.", "hook")
	hookFailures  = overall("webhook_failures_total", "Tries to tell a web hook an event that have failed.", "hook")
	hookRetries   = overall("webhook_retries_total", "Tries beyond an event's first.", "hook")
	hookLetters   = overall("webhook_dead_letters", "Events that were given up, and are kept to be told again; of several replicas the one has them that tells.", "hook")
	hookArrived   = overall("webhook_last_success_timestamp_seconds", "When a web hook has taken an event last; 0 before it has, since the process started.", "hook")

	all = []*prometheus.Desc{
		predictSeconds, predictRequests, predictFailures, modelInfo, loadSeconds, loadFailures, phase, verdict, monitorVerdict, alarm, drill, looked, logE, logEThreshold,
		slowdown, smallestSlowdown, tolerance, trafficRatio, samples, failures, abandoned, unfinished, meanSeconds, difference, pValue, startedAt,
		elapsedSeconds, periodSeconds, decisions, generation, astray, storeHeard, buildInfo, inFlight, inFlightMost, queued, queuedMost, bodyBytes, bodyBytesMost, shed,
		writeSeconds, writeFailures, hookSent, hookFailures, hookRetries, hookLetters, hookArrived,
	}
)

// Describe is for Prometheus.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Collect is for Prometheus.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge(buildInfo, 1, m.version, runtime.Version())
	m.protocols.Lost(func(in route.Protocol, status int, n uint64) {
		count(predictRequests, n, "", "", "", in.String(), strconv.Itoa(status))
	})
	crowd := m.yard.standard.front.Crowd()
	gauge(inFlight, float64(crowd.Busy))
	gauge(inFlightMost, float64(crowd.Limits.Concurrency))
	gauge(queued, float64(crowd.Waiting))
	gauge(queuedMost, float64(crowd.Limits.Queue))
	gauge(bodyBytes, float64(crowd.Lent))
	gauge(bodyBytesMost, float64(crowd.Limits.Bodies))
	for why, n := range crowd.Shed {
		count(shed, n, why)
	}
	m.yard.writes.each(func(operation string, w written) {
		ch <- prometheus.MustNewConstSummary(writeSeconds, w.count, w.time.Seconds(), nil, operation)
		count(writeFailures, w.failed, operation)
	})
	if f := m.yard.fleet; f != nil {
		gauge(storeHeard, timestamp(f.Heard()))
	}
	for _, h := range m.yard.herald.Meters() {
		count(hookSent, h.Sent, h.Name)
		count(hookFailures, h.Failed, h.Name)
		count(hookRetries, h.Again, h.Name)
		gauge(hookLetters, float64(h.Letters), h.Name)
		gauge(hookArrived, timestamp(h.Arrived), h.Name)
	}
	lines := m.yard.lines()
	if !slices.ContainsFunc(lines, func(l *line) bool { return l.standard }) { // its paths are still asked
		refused(ch, m.yard.models[0].Name, m.yard.standard.front)
	}
	for _, l := range lines {
		l.collect(ch)
	}
}

// usual are the decisions that are counted from 0 on: the increase of a series that
// begins at 1 is seen by nobody.
var usual = []control.Decision{
	{Event: rollout.Deploy}, {Event: rollout.Rollback}, {Event: rollout.Promote},
	{Event: rollout.Loaded, BySelf: true}, {Event: rollout.LoadRefused, BySelf: true}, {Event: rollout.PeriodOver, BySelf: true},
	{Event: rollout.Alert, BySelf: true}, {Event: rollout.Alarm, BySelf: true}, {Event: rollout.Crash, BySelf: true},
}

// collect gives the metrics of one model.
func (l *line) collect(ch chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, append([]string{l.Name}, labels...)...)
	}
	arms, loads := l.cars.meters()
	for _, a := range arms {
		a.meter.Each(func(in route.Protocol, g *record.Gauge) {
			seen := g.Snapshot()
			ch <- distributed(predictSeconds, &seen, l.Name, a.version, string(a.role), in.String())
			put(predictRequests, prometheus.CounterValue, float64(seen.Count), a.version, string(a.role), in.String(), "200")
		})
		a.meter.EachFailure(func(why record.Failure, n uint64) {
			put(predictFailures, prometheus.CounterValue, float64(n), a.version, string(a.role), why.String())
		})
	}
	ch <- prometheus.MustNewConstSummary(loadSeconds, loads.ready, loads.time.Seconds(), nil, l.Name)
	put(loadFailures, prometheus.CounterValue, float64(loads.failed))
	refused(ch, l.Name, l.front)
	made := l.pilot.Decisions()
	for _, d := range usual {
		made[d] += 0
	}
	for d, n := range made {
		actor := "operator"
		if d.BySelf {
			actor = "serin"
		}
		put(decisions, prometheus.CounterValue, float64(n), string(d.Event), actor)
	}
	l.canary(func(d *prometheus.Desc, value float64, labels ...string) {
		put(d, prometheus.GaugeValue, value, labels...)
	})
}

// refused counts the requests for a model that no version has seen.
func refused(ch chan<- prometheus.Metric, model string, front *infer.Handler) {
	front.Refused(func(in route.Protocol, status int, n uint64) {
		ch <- prometheus.MustNewConstMetric(predictRequests, prometheus.CounterValue, float64(n), model, "", "", in.String(), strconv.Itoa(status))
	})
}

// gauges puts one number of one model.
type gauges func(d *prometheus.Desc, value float64, labels ...string)

func (l *line) canary(gauge gauges) {
	h := l.pilot.Peek()
	for _, p := range []rollout.Phase{rollout.Idle, rollout.Loading, rollout.Live, rollout.Due} {
		gauge(phase, is(h.State.Phase == p), string(p))
	}
	gauge(generation, float64(h.State.Generation))
	gauge(astray, is(h.Here != ""))
	live := h.State.Phase.Split()
	for _, v := range []rollout.Verdict{rollout.Insufficient, rollout.Pass, rollout.Fail} {
		gauge(verdict, is(live && h.Result.Verdict == v), v.String())
	}
	for _, v := range []rollout.Verdict{rollout.Insufficient, rollout.Pass, rollout.Fail, rollout.Invalid} {
		gauge(monitorVerdict, is(live && h.Watch.Verdict == v), v.String())
	}
	gauge(modelInfo, 1, h.State.Stable.Name, string(route.Stable), h.State.Stable.SHA256)
	gauge(alarm, is(live && h.State.Rollout.Alarm != nil))
	gauge(drill, is(live && h.State.Slowdown))
	if !live {
		return
	}
	r := h.State.Rollout
	gauge(modelInfo, 1, r.Canary.Name, string(route.Canary), r.Canary.SHA256)
	gauge(startedAt, timestamp(r.Started))
	gauge(elapsedSeconds, h.Elapsed.Seconds())
	gauge(periodSeconds, r.Plan.Period.Seconds())
	gauge(tolerance, r.Plan.Tolerance)
	gauge(trafficRatio, r.Weight.Fraction(), "planned")
	gauge(looked, float64(h.Look), "request")
	gauge(looked, float64(h.Watch.Number), "monitor")
	if h.Watch.Number > 0 {
		putWatch(gauge, &h.Watch)
	}
	putLook(gauge, &h.Result)
}

// putLook tells of this moment's look by the seed's rule, which does not count.
func putLook(gauge gauges, r *judge.Result) {
	if n := r.Stable.Count + r.Canary.Count; n > 0 {
		gauge(trafficRatio, float64(r.Canary.Count)/float64(n), "observed")
	}
	for role, s := range map[route.Role]*judge.Summary{route.Stable: &r.Stable, route.Canary: &r.Canary} {
		gauge(samples, float64(s.Count), string(role))
		gauge(failures, float64(s.Failures), string(role))
		gauge(abandoned, float64(s.Abandoned), string(role))
		gauge(unfinished, float64(s.Unfinished), string(role))
		gauge(meanSeconds, s.MeanMS/1e3, string(role))
	}
	gauge(difference, r.DifferenceMS/1e3, "estimate")
	gauge(difference, r.LowerMS/1e3, "lower")
	gauge(difference, r.UpperMS/1e3, "upper")
	gauge(pValue, r.PValue, r.Test)
}

// putWatch tells of the monitor's last look.
func putWatch(gauge gauges, w *control.Watch) {
	evidence := func(signal string, e, threshold float64) {
		gauge(logE, e, signal)
		gauge(logEThreshold, threshold, signal)
	}
	evidence(judge.Overall, w.LogE, w.LogThreshold)
	evidence("promote", w.Promote.LogE, w.Promote.LogThreshold)
	evidence("split", w.Guard.LogE, w.Guard.LogThreshold)
	for _, s := range w.Signals {
		evidence(s.Name, s.LogE, s.LogThreshold)
	}
	gauge(slowdown, w.Ratio, "estimate")
	gauge(slowdown, w.RatioLower, "lower")
	gauge(slowdown, w.RatioUpper, "upper")
	if w.SmallestSlowdown != nil {
		gauge(smallestSlowdown, *w.SmallestSlowdown)
	}
}

// timestamp is a moment as Prometheus has it: seconds, 0 for none.
func timestamp(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1e3
}

func is(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// meters returns the meters of the versions that served, and what came of loads.
func (g *engines) meters() ([]served, loads) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.served), g.loads
}
