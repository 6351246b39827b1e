package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// serveFloor is the least that an HTTP service in Go can do: read the body,
// answer a constant. It has what serin's server has, so that what is left between
// them is the prediction: the same limits on slow clients, and the same 20 MiB
// between two garbage collections (4 MiB, Go's smallest heap, times 500 %).
func serveFloor(ctx context.Context, l net.Listener) error {
	debug.SetGCPercent(500)
	answer := []byte(`{"probability":0.8,"prediction":1,"model_used":"stable","model_version":"model_v1","latency_ms":0.003}`)
	contentType := []string{"application/json"}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.Path != "/predict" {
				http.NotFound(w, r)
				return
			}
			_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 8<<20))
			w.Header()["Content-Type"] = contentType
			_, _ = w.Write(answer)
		}),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the floor: %w", err)
	}
	return nil
}
