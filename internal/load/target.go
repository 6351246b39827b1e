package load

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Target is whom the load is put on, and in which words.
type Target struct {
	// Server is an address, http://HOST:PORT or https://HOST:PORT; that of gRPC
	// where the protocol is grpc.
	Server *url.URL
	// Protocol is one of Protocols.
	Protocol string
	// Model is the name of the model; empty for the one that the server names
	// first.
	Model string
	// Rows is how many rows a request has, 1 to 100,000.
	Rows int
	// Data are rows, each a JSON array or an object by name; the requests take
	// them in turns. Where there are none, the row is made up from what the server
	// tells of its model.
	Data []json.RawMessage
	// Given is a request that is sent as it is, instead of all that.
	Given *Request
	// Token is sent with each request; empty for none.
	Token string
	// TLS is how the server is known, and the certificate that it is shown; nil for
	// the usual.
	TLS *tls.Config
	// HTTP2 speaks HTTP/2 from the first byte (h2c, or h2 over TLS); gRPC always does.
	HTTP2 bool
}

// protocols are the ways to ask for a prediction.
var protocols = map[string]func(*Target, *tensors) ([]Request, error){
	"predict":     (*Target).predict,
	"v2":          (*Target).v2,
	"v2-binary":   (*Target).v2Binary,
	"grpc":        (*Target).grpc,
	"v1":          (*Target).v1,
	"invocations": (*Target).invocations,
}

// Protocols lists the names of the protocols, the server's own first.
func Protocols() []string {
	return []string{"predict", "v2", "v2-binary", "grpc", "v1", "invocations"}
}

// ErrUnreachable is wrapped by errors that say that nobody answers.
var ErrUnreachable = errors.New("no answer")

// Dial makes the requests, for which it may have to ask the server what its
// model takes, and returns what opens connections to it. Of the target it fills
// in the model's name where it had to ask for it.
func (t *Target) Dial(ctx context.Context) (Dial, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	requests, err := t.requests(ctx)
	if err != nil {
		return nil, err
	}
	if t.Token != "" {
		for i := range requests {
			headers := http.Header{"Authorization": {t.bearer()}}
			maps.Copy(headers, requests[i].Headers)
			requests[i].Headers = headers
		}
	}
	switch {
	case t.Protocol == "grpc":
		return overGRPC(t.Server, t.secured(), t.bearer(), requests), nil
	case t.HTTP2:
		return overHTTP2(t.Server, t.secured("h2"), requests), nil
	default:
		return overHTTP(t.Server, t.secured(), requests), nil
	}
}

// bearer is what a header says of who asks; "" if nobody does.
func (t *Target) bearer() string {
	if t.Token == "" {
		return ""
	}
	return "Bearer " + t.Token
}

// secured is TLS for the target; what is to be spoken is asked for in the handshake.
func (t *Target) secured(speaks ...string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLS != nil {
		config = t.TLS.Clone()
	}
	config.ServerName, config.NextProtos = t.Server.Hostname(), speaks
	return config
}

func (t *Target) check() error {
	switch {
	case t.Server.Scheme != "http" && t.Server.Scheme != "https" || t.Server.Host == "":
		return fmt.Errorf("%q is no address of a server: write http://HOST:PORT", t.Server)
	case protocols[t.Protocol] == nil:
		return fmt.Errorf("%q is no protocol: use one of %s", t.Protocol, strings.Join(Protocols(), ", "))
	case t.Rows < 1 || t.Rows > maxRows:
		return fmt.Errorf("%d rows in a request: use 1 to %d", t.Rows, maxRows)
	case t.Given != nil && t.Protocol == "grpc":
		return errors.New("a body of your own can be sent over HTTP only")
	}
	return nil
}

// requests are what is sent, in turns.
func (t *Target) requests(ctx context.Context) ([]Request, error) {
	takes, err := t.ask(ctx)
	if err != nil {
		return nil, err
	}
	return t.requestsOf(takes)
}

// requestsOf makes the requests for a model that takes this; nil is not known.
func (t *Target) requestsOf(takes *tensors) ([]Request, error) {
	if t.Given != nil {
		return []Request{*t.Given}, nil
	}
	if len(t.Data) == 0 {
		t.Data = []json.RawMessage{takes.example()}
	}
	return protocols[t.Protocol](t, takes)
}

// batches are the rows of each request: all rows in turns, Rows at a time, round
// and round until every row was in one of them.
func (t *Target) batches() [][]json.RawMessage {
	n := (len(t.Data) + t.Rows - 1) / t.Rows
	batches := make([][]json.RawMessage, n)
	for i := range batches {
		for j := range t.Rows {
			batches[i] = append(batches[i], t.Data[(i*t.Rows+j)%len(t.Data)])
		}
	}
	return batches
}

// each makes a request of every batch.
func (t *Target) each(path string, body func(rows []json.RawMessage) ([]byte, error)) ([]Request, error) {
	var requests []Request
	for _, rows := range t.batches() {
		b, err := body(rows)
		if err != nil {
			return nil, err
		}
		requests = append(requests, Request{Path: path, ContentType: "application/json", Body: b})
	}
	return requests, nil
}

func member(name string) func([]json.RawMessage) ([]byte, error) {
	return func(rows []json.RawMessage) ([]byte, error) {
		return json.Marshal(map[string][]json.RawMessage{name: rows})
	}
}

// below is the path of a call on the named model, or on the server's default.
func (t *Target) below(call string) string {
	if t.Model == "" {
		return "/" + call
	}
	return "/models/" + url.PathEscape(t.Model) + "/" + call
}

func (t *Target) predict(*tensors) ([]Request, error) {
	if t.Rows > 1 {
		return t.each(t.below("predict"), member("instances"))
	}
	return t.each(t.below("predict"), func(rows []json.RawMessage) ([]byte, error) {
		return json.Marshal(map[string]json.RawMessage{"features": rows[0]})
	})
}

func (t *Target) v1(*tensors) ([]Request, error) {
	return t.each("/v1/models/"+url.PathEscape(t.Model)+":predict", member("instances"))
}

// invocations takes rows by position as a tensor, and rows by name as records.
func (t *Target) invocations(*tensors) ([]Request, error) {
	byName := func(row json.RawMessage) bool { return row[0] == '{' }
	switch {
	case !slices.ContainsFunc(t.Data, byName):
		return t.each(t.below("invocations"), member("inputs"))
	case slices.ContainsFunc(t.Data, func(row json.RawMessage) bool { return !byName(row) }):
		return nil, errors.New("some rows are arrays and some are objects: this protocol takes rows of one kind")
	default:
		return t.each(t.below("invocations"), member("dataframe_records"))
	}
}

// Request is one HTTP request, to be sent again and again.
type Request struct {
	Path        string
	ContentType string
	Body        []byte
	Headers     http.Header
}

// address is the host and port of a server.
func address(server *url.URL) string {
	port := cmp.Or(server.Port(), map[string]string{"http": "80", "https": "443"}[server.Scheme])
	return net.JoinHostPort(server.Hostname(), port)
}

// at is the whole path of a request.
func (r Request) at(server *url.URL) string {
	return strings.TrimSuffix(server.EscapedPath(), "/") + r.Path
}

func (r Request) url(server *url.URL) string {
	return server.Scheme + "://" + server.Host + r.at(server)
}
