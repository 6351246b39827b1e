package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// mostRedirects is how often an address may lead to another.
const mostRedirects = 3

func tlsWith(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// https gets a file from a web server.
func (p *Porter) https(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	tokens, err := p.readTokens()
	if err != nil {
		return nil, 0, broken(r, err)
	}
	authorize := func(req *http.Request, at Reference) {
		req.Header.Del("Authorization") // net/http would take it along to other hosts of a domain
		for _, t := range tokens {
			if t.below.covers(at) {
				req.Header.Set("Authorization", "Bearer "+t.secret)
			}
		}
	}
	client := &http.Client{Transport: p.transport(p.named), CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > mostRedirects {
			return &Refusal{Kind: Forbidden, Detail: fmt.Sprintf("%s leads on more than %d times", r, mostRedirects), Next: "Give the address at which the file is."}
		}
		next := *req.URL
		next.RawQuery, next.Fragment = "", "" // a redirect may have its signature in the query
		at, err := parse(next.String())
		if err == nil && (at.scheme != schemeHTTPS || next.User != nil) {
			err = errors.New("only https addresses are followed, without a user")
		}
		if err == nil {
			err = p.allow(at)
		}
		if err != nil {
			return &Refusal{Kind: Forbidden, Err: err, Detail: fmt.Sprintf("%s leads to another address, which is refused: %v", r, err), Next: "Add --artifact-source for where it leads, if that may be fetched from, too."}
		}
		req.Header.Del("Referer")
		authorize(req, at)
		return nil
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.String(), nil)
	if err != nil {
		return nil, 0, broken(r, err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	authorize(req, r)
	return get(client, req, r)
}

// get sends a request for a file.
func get(client *http.Client, req *http.Request, r Reference) (io.ReadCloser, int64, error) {
	req.Header.Set("User-Agent", "serin")
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, broken(r, err)
	}
	err = answered(r, res.StatusCode)
	if encoding := res.Header.Get("Content-Encoding"); err == nil && encoding != "" && encoding != "identity" {
		err = &Refusal{Kind: Broken, Detail: fmt.Sprintf("%s comes packed as %q, and not as it is", r, encoding), Next: "Store it there without an encoding."}
	}
	if err != nil {
		return nil, 0, errors.Join(err, res.Body.Close())
	}
	return res.Body, res.ContentLength, nil
}
