package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"serin/internal/api"
	"serin/internal/gatehouse"
	"serin/internal/infer"
	"serin/internal/kayenta"
	"serin/internal/trace"
	"serin/internal/web"
)

// gate says whether requests are welcome. Not ready and draining differ for
// those who are here already: a draining server still answers everything, and
// asks its clients to leave.
type gate struct{ ready, draining atomic.Bool }

// hall is every path of a server: what requests meet at the front, and where
// control is; which are one unless control has an address of its own.
type hall struct {
	front, control http.Handler
	endPages       func() // ends the streams to pages
	// Each path, at the front and where control is.
	outside, inside []string
}

// routes puts every path of the server on a mux, each behind its lock. Where
// control has an address of its own, the front is another mux, with what is for
// predictions.
func routes(c *Config, y *yard, protocols *infer.Protocols, metrics *prometheus.Registry, g *gate, l *gatehouse.Lock) (*hall, error) {
	h := &hall{}
	admin := gatehouse.NewCorridor(l, &h.inside)
	h.endPages = api.Register(admin, y.controls, c.Version, c.MaxModelBytes)
	calls := newCalls(c.Log)
	metrics.MustRegister(calls.collectors()...)
	counted := calls.behind(&admin.ServeMux)
	guarded := protocols.Plain(api.Guard(unhurried(counted)))

	mux := gatehouse.NewCorridor(l, &h.inside)
	predictions(mux, y, protocols, g)
	protocols.Manage(mux, y, func(h http.Handler) http.Handler { return protocols.Plain(api.Guard(unhurried(h))) })
	for _, below := range []string{"/admin/", "/gate/", "/models/{model}/gate/"} { // each path below has its own lock
		mux.ServeMux.Handle(below, guarded)
	}
	for _, path := range []string{"GET /admin/live", "GET /admin/models/{model}/live"} {
		mux.ServeMux.Handle(path, narrow(guarded))
	}
	mux.Handle("GET /admin/webhooks", api.Guard(http.HandlerFunc(y.herald.List)))
	mux.Handle("POST /admin/webhooks/{name}/replay", api.Guard(http.HandlerFunc(y.herald.Replay)))
	mux.Handle("/admin/webhooks", api.MethodNotAllowed(http.MethodGet))
	mux.Handle("/admin/webhooks/{name}/replay", api.MethodNotAllowed(http.MethodPost))
	mux.ServeMux.Handle("GET /openapi.json", counted)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{Registry: metrics, EnableOpenMetrics: true, ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelError)}))
	for _, path := range []string{"/openapi.json", "/metrics"} {
		mux.Handle(path, api.MethodNotAllowed(http.MethodGet))
	}
	window := web.Handler()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if !strings.Contains(r.Header.Get("Accept"), "text/html") { // no browser: KServe's clients ask here, in V1, whether the server lives
			status(w, http.StatusOK, "alive")
			return
		}
		window.ServeHTTP(w, r)
	})
	mux.Handle("GET /storybook.html", window)
	mux.Handle("GET /assets/", window)
	pages := web.Docs()
	mux.Handle("GET /docs", pages)
	mux.Handle("GET /docs/", pages)
	mux.Handle("/", api.NotFound("Predictions are at POST /predict or POST /models/NAME/predict, control is below /admin/, and GET /openapi.json describes it."))
	l.Entrance(mux)
	h.control = entered(c, y, protocols, g, l, mux)
	h.front, h.outside = h.control, h.inside
	err := errors.Join(admin.Err(), mux.Err())
	if c.AdminListen != "" {
		h.outside = nil
		outside := gatehouse.NewCorridor(l, &h.outside)
		predictions(outside, y, protocols, g)
		outside.Handle("/", api.NotFound("Predictions are at POST /predict or POST /models/NAME/predict; control has another address."))
		h.front, err = entered(c, y, protocols, g, l, outside), errors.Join(err, outside.Err())
	}
	return h, err
}

// predictions are what clients of models need.
func predictions(mux *gatehouse.Corridor, y *yard, protocols *infer.Protocols, g *gate) {
	mux.Handle("POST /predict", y.standard.front) // the default model's, also while that is unloaded
	protocols.Register(mux)
	mux.Handle("POST /judge", kayenta.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { status(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case g.draining.Load():
			status(w, http.StatusServiceUnavailable, "draining")
		case !g.ready.Load():
			status(w, http.StatusServiceUnavailable, "loading")
		default:
			status(w, http.StatusOK, "ready")
		}
	})
	for _, path := range []string{"/healthz", "/readyz"} {
		mux.Handle(path, api.MethodNotAllowed(http.MethodGet))
	}
	for _, path := range []string{"/predict", "/models/{model}/predict", "/judge"} {
		mux.Handle(path, api.MethodNotAllowed(http.MethodPost))
	}
}

// entered is what every request meets first.
func entered(c *Config, y *yard, protocols *infer.Protocols, g *gate, l *gatehouse.Lock, mux *gatehouse.Corridor) http.Handler {
	front, anyAddress := y.standard.front, gatehouse.Exposed(c.Listen, c.AdminListen)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		if !gatehouse.KnownHost(c.AllowedHosts, anyAddress, r.Host) {
			protocols.Refuse(w, r, http.StatusForbidden, gatehouse.ForeignHost(r.Host))
			return
		}
		if r.URL.Path == "/predict" && r.Method == http.MethodPost { // nearly always; the mux has dozens of patterns to look through
			if r, ok := l.Predicts(w, r, ""); ok {
				front.ServeHTTP(w, r)
			}
			return
		}
		if name, ok := modelOf(r); ok { // likewise, with a look-up
			if r, ok := l.Predicts(w, r, name); ok {
				protocols.Predict(name, w, r)
			}
			return
		}
		// By the same request in all rooms, for a mux writes on it which pattern it found.
		inside := named(w, r)
		mux.ServeHTTP(w, inside)
		r.Pattern = inside.Pattern
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace.Echo(w.Header(), r.Header)
		if at, sampled := c.tracer.Sampled(r.Header); sampled {
			c.tracer.Serve(at, routeOf(r), w, r, inner)
		} else {
			inner(w, r)
		}
		gatehouse.Drain(w, r)
	})
}

// modelOf takes the model's name out of POST /models/NAME/predict.
func modelOf(r *http.Request) (name string, ok bool) {
	if r.Method != http.MethodPost {
		return "", false
	}
	if name, ok = strings.CutPrefix(r.URL.Path, "/models/"); ok {
		name, ok = strings.CutSuffix(name, "/predict")
	}
	return name, ok && name != "" && !strings.Contains(name, "/")
}

func status(w http.ResponseWriter, code int, word string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(`{"status":"` + word + `"}`))
}

// unhurried lifts the write deadline: loading a large model takes its time.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A writer that has no deadline needs none lifted.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		next.ServeHTTP(w, r)
	})
}

// wired is where a request's connection is in its context.
type wired struct{}

// narrow lets the system keep little for a client that does not read, so that it
// is found out within a minute: left alone, the system would buffer megabytes of a
// stream that has some kilobytes a second. HTTP/2 has windows of its own.
func narrow(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire := r.Context().Value(wired{})
		if inner, ok := wire.(interface{ NetConn() net.Conn }); ok { // TLS
			wire = inner.NetConn()
		}
		if c, ok := wire.(interface{ SetWriteBuffer(bytes int) error }); ok && r.ProtoMajor == 1 {
			_ = c.SetWriteBuffer(64 << 10) // one that keeps more is slower to find out
		}
		next.ServeHTTP(w, r)
	})
}

// maxStreams bounds the requests that one connection of HTTP/2 may have under way.
const maxStreams = 250

// newServer bounds what a slow or silent client can hold on to. Who expects large
// bodies gives them longer. Without TLS nobody can be told that HTTP/2 is spoken
// here; a client that begins with it is answered in it, on the same port.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams, WriteByteTimeout: 30 * time.Second},
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, wired{}, c) },
	}
}
