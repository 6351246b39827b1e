package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"serin/internal/rollout"
)

// Client calls a server's admin side. Make one with NewClient.
type Client struct {
	at    string // as it was given
	base  string
	actor string
	model string // "" is the server's default
	token string // "" for none
	http  *http.Client
	local bool // at a Unix socket, where there is no TLS
}

// ParseWeight reads a share of the requests as people write it, like 10% or
// 0.1, for a command line.
func ParseWeight(s string) (rollout.Weight, error) { return rollout.ParseWeight(s) }

// Unreachable says that no server answered.
type Unreachable struct {
	Server string
	Err    error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("no serin server answers at %s: %v. Start one with serin serve, or name another with --server or SERIN_SERVER", u.Server, u.Err)
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// NewClient returns a client of the server at an address like
// "http://127.0.0.1:8000" or "unix:/run/serin.sock", which acts in somebody's name.
func NewClient(server, actor string) (*Client, error) {
	if file, socket := strings.CutPrefix(server, "unix:"); socket {
		dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", file)
		}
		return &Client{at: server, base: "http://localhost", actor: actor, http: &http.Client{Transport: &http.Transport{DialContext: dial}}, local: true}, nil
	}
	if server != "" && !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("server address %q is not a URL: write it like http://127.0.0.1:8000", server)
	}
	return &Client{at: strings.TrimSuffix(server, "/"), base: strings.TrimSuffix(server, "/"), actor: actor, http: &http.Client{}}, nil
}

// As returns a client that shows a token, "" for none, and speaks TLS as the config
// says, nil for as usual: which servers it believes, and its certificate.
func (c *Client) As(token string, config *tls.Config) *Client {
	other := *c
	other.token = token
	if config != nil && !c.local {
		other.http = &http.Client{Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true, TLSHandshakeTimeout: patience, IdleConnTimeout: time.Minute,
		}}
	}
	return &other
}

// For returns a client whose calls are about the model of that name; "" is the
// server's default.
func (c *Client) For(model string) *Client {
	other := *c
	other.model = model
	return &other
}

// path is where a call of the client's model is.
func (c *Client) path(call string) string {
	if c.model == "" {
		return call
	}
	return strings.Replace(byName(call), "{model}", url.PathEscape(c.model), 1)
}

// patience is how long a call may take; a deploy has to load a model.
const (
	patience       = 10 * time.Second
	deployPatience = 20 * time.Minute
)

// Deploy asks for a canary and returns when it is live. Where the request has a
// Model, that is sent.
func (c *Client) Deploy(ctx context.Context, r DeployRequest) (Change, error) {
	if r.Model != nil {
		return c.upload(ctx, r)
	}
	return call[Change](ctx, c, deployPatience, http.MethodPost, c.path("/admin/deploy-canary"), r)
}

// upload is Deploy with the file.
func (c *Client) upload(ctx context.Context, r DeployRequest) (Change, error) {
	name := filepath.Base(r.ModelPath)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	options, err := json.Marshal(struct {
		DeployRequest

		ModelPath *string `json:"model_path,omitempty"` // left out
	}{DeployRequest: r})
	if err == nil {
		err = w.WriteField("options", string(options))
	}
	if err == nil && r.Golden != nil {
		var part io.Writer
		if part, err = w.CreateFormFile("golden", name+".golden.jsonl"); err == nil {
			_, err = part.Write(r.Golden)
		}
	}
	if err == nil {
		_, err = w.CreateFormFile("model", name)
	}
	if err != nil {
		return Change{}, fmt.Errorf("encoding the request: %w", err)
	}
	end := "\r\n--" + w.Boundary() + "--\r\n"
	size := int64(form.Len()+len(end)) + r.Size
	body := io.MultiReader(&form, io.LimitReader(r.Model, r.Size), strings.NewReader(end))
	return send[Change](ctx, c, deployPatience, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+c.path(deployPath), body)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		req.Header.Set("Content-Type", w.FormDataContentType())
		req.Header.Set("Expect", "100-continue") // who is refused at once sends nothing
		if r.SHA256 != "" {
			req.Header.Set(digestHeader, r.SHA256)
		}
		return req, nil
	})
}

// Rollback takes the canary out.
func (c *Client) Rollback(ctx context.Context, r RollbackRequest) (Change, error) {
	return call[Change](ctx, c, patience, http.MethodPost, c.path("/admin/rollback-canary"), r)
}

// Promote makes the canary stable.
func (c *Client) Promote(ctx context.Context, r PromoteRequest) (Change, error) {
	return call[Change](ctx, c, patience, http.MethodPost, c.path("/admin/promote-canary"), r)
}

// Reweigh changes the canary's share of the requests.
func (c *Client) Reweigh(ctx context.Context, r WeightRequest) (Change, error) {
	return call[Change](ctx, c, patience, http.MethodPost, c.path("/admin/canary-weight"), r)
}

// ToggleSlowdown starts or ends a drill.
func (c *Client) ToggleSlowdown(ctx context.Context) (Slowdown, error) {
	return call[Slowdown](ctx, c, patience, http.MethodPost, c.path("/admin/toggle-slowdown"), nil)
}

// Check judges the canary; it counts as a look.
func (c *Client) Check(ctx context.Context) (Health, error) {
	return call[Health](ctx, c, patience, http.MethodGet, c.path("/admin/check-canary-health"), nil)
}

// State reads the state.
func (c *Client) State(ctx context.Context) (State, error) {
	return call[State](ctx, c, patience, http.MethodGet, c.path("/admin/state"), nil)
}

// LoginLink asks for an address that logs a browser in: once, and until it expires.
func (c *Client) LoginLink(ctx context.Context) (address string, expires time.Time, err error) {
	if c.local {
		return "", time.Time{}, errors.New("no browser opens a socket: name the server by the address that one reaches, with --server")
	}
	made, err := call[struct {
		Path    string    `json:"path"`
		Expires time.Time `json:"expires"`
	}](ctx, c, patience, http.MethodPost, "/login/link", nil)
	return c.base + made.Path, made.Expires, err
}

// call sends a body as JSON, or none.
func call[T any](ctx context.Context, c *Client, limit time.Duration, method, path string, body any) (T, error) {
	return send[T](ctx, c, limit, func(ctx context.Context) (*http.Request, error) {
		if body == nil {
			return http.NewRequestWithContext(ctx, method, c.base+path, http.NoBody)
		}
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(data))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	})
}

// send returns a *Problem for what the server refuses, and an *Unreachable
// where there is no server.
func send[T any](ctx context.Context, c *Client, limit time.Duration, request func(context.Context) (*http.Request, error)) (T, error) {
	var out T
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := request(limited)
	if err != nil {
		return out, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Serin-Actor", c.actor)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if limited.Err() != nil {
			err = fmt.Errorf("a server is there and did not answer in %v", limit)
		}
		return out, &Unreachable{c.at, reason(err)}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return out, cmp.Or(ctx.Err(), c.refused(res))
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, &Unreachable{c.at, err}
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%s answers what serin does not: %w", c.at, err)
	}
	return out, nil
}

// mostAnswer bounds an answer, in bytes.
const mostAnswer = 8 << 20

// refused reads what a server says instead of doing what was asked.
func (c *Client) refused(res *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return &Unreachable{c.at, err}
	}
	p := &Problem{}
	if json.Unmarshal(data, p) != nil || p.Detail == "" {
		return &Unreachable{c.at, fmt.Errorf("something answers %s there: is it a serin server?", res.Status)}
	}
	return p
}

// reason leaves out the method and the address, which the message has already.
func reason(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
