package app

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/control"
	"serin/internal/trace"
)

// calls counts those of the admin side, by the pattern that answers them,
// and logs those that change something. Pages that are open are calls in flight.
type calls struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inside   *prometheus.GaugeVec
	log      *slog.Logger
}

func newCalls(log *slog.Logger) *calls {
	return &calls{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "serin_admin_requests_total", Help: "Calls of the admin side, by their route and status."}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "serin_admin_request_duration_seconds", Help: "Time of such calls; of a page's stream as long as it was open.",
			Buckets: []float64{0.005, 0.025, 0.1, 0.5, 2.5, 10, 60}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, []string{"route"}),
		inside: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "serin_admin_requests_in_flight", Help: "Such calls now: open pages, uploads, deploys on their way."}, []string{"route"}),
		log:    log,
	}
}

func (c *calls) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.requests, c.seconds, c.inside}
}

// behind counts what this mux answers.
func (c *calls) behind(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, route := mux.Handler(r)
		begun, out := time.Now(), &trace.Writer{ResponseWriter: w}
		inside := c.inside.WithLabelValues(route)
		inside.Inc()
		defer func() {
			inside.Dec()
			passed, status := time.Since(begun), cmp.Or(out.Status, http.StatusOK)
			c.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
			c.seconds.WithLabelValues(route).Observe(passed.Seconds())
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				c.log.InfoContext(r.Context(), "admin call", "route", route, "path", control.Printable(r.URL.Path), "status", status, "took", passed.String(), "actor", control.Printable(r.Header.Get("Serin-Actor")))
			}
		}()
		mux.ServeHTTP(out, r)
	})
}

// named gives a request its id, and everything that is done for it. Predictions have
// only the one that their client sent: theirs is a cost that nobody has asked for.
func named(w http.ResponseWriter, r *http.Request) *http.Request {
	if r.Method == http.MethodPost && (strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(r.URL.Path, "/v2/models/") || strings.HasSuffix(r.URL.Path, "/invocations")) {
		return r
	}
	return r.WithContext(trace.With(r.Context(), trace.ID(w.Header())))
}

// routeOf is that of predictions which no mux has looked at.
func routeOf(r *http.Request) string {
	if r.URL.Path == "/predict" {
		return "/predict"
	}
	return "/models/{model}/predict"
}
