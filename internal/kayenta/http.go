package kayenta

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxWaiting is how many requests may come in and wait for their turn, with their
// bodies in memory. Behind more of them an answer would come too late to be read.
const maxWaiting = 8

// Handler answers POST /judge, one request after the other.
func Handler() http.Handler {
	turn, places := make(chan struct{}, 1), make(chan struct{}, maxWaiting)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			refuse(w, http.StatusUnsupportedMediaType, "invalid_request", "Send JSON with the header Content-Type: application/json.")
			return
		}
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
			refuse(w, http.StatusUnsupportedMediaType, "invalid_request", "The body is compressed: send it uncompressed, without the header Content-Encoding.")
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", "10")
			refuse(w, http.StatusServiceUnavailable, "overloaded", "The judge is busy with other requests: ask again in ten seconds.")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			refuse(w, http.StatusRequestEntityTooLarge, "invalid_request", "The body is larger than 4 MiB: ask for fewer metrics at a time, or with a longer step.")
			return
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "invalid_request", "The body ended too early: "+err.Error()+". Send it again.")
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-r.Context().Done():
			return // nobody waits for an answer
		}
		request, err := Decode(body)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, "invalid_request", err.Error()+".")
			return
		}
		answer, err := Judge(request)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, "invalid_request", err.Error()+".")
			return
		}
		write(w, http.StatusOK, "application/json", answer)
	})
}

// refuse answers with a problem, RFC 9457, in the form of serin's other ones.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	write(w, status, "application/problem+json", struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}{"/docs/errors#" + code, http.StatusText(status), status, detail, code})
}

func write(w http.ResponseWriter, status int, kind string, v any) {
	data, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil { // cannot happen: strings, and floats that JSON has
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
