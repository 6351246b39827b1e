package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// patience is how long a try may take.
	patience = 10 * time.Second
	// tries is how often an event is posted before it is given up; triesRefused is
	// how often where the receiver says that it does not want it.
	tries, triesRefused = 20, 3
	// firstPause is the time between the first try and the second; each pause is twice
	// the one before, up to longestPause. longestWish bounds what Retry-After may ask.
	firstPause, longestPause, longestWish = time.Second, 15 * time.Minute, time.Hour
	// mostAnswer is how much of an answer is read, in bytes.
	mostAnswer = 4 << 10
)

// failure is a try that did not arrive.
type failure struct {
	what string
	// refused is true if another try can hardly help; wish is what the receiver asks
	// to wait.
	refused bool
	wish    time.Duration
}

func (f *failure) Error() string { return f.what }

// hopeless tells whether an event is given up after so many tries.
func (f *failure) hopeless(tried int) bool {
	return tried >= tries || f.refused && tried >= triesRefused
}

// pause is how long to wait after so many tries: twice as long each time, at random
// between a half and all of it, so that hooks of many servers do not come back all
// at once, and not before the receiver wishes. r is from 0 to 1.
func (f *failure) pause(tried int, r float64) time.Duration {
	whole := longestPause
	if shift := tried - 1; shift < 20 {
		whole = min(firstPause<<shift, longestPause)
	}
	return max(whole/2+time.Duration(r*float64(whole/2)), f.wish)
}

// newTransport is a hook's own way out: a receiver that hangs holds on to nobody
// else's connections.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        1,
		IdleConnTimeout:        time.Minute,
		TLSHandshakeTimeout:    patience,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// post tries once. No redirect is followed: an address that leads elsewhere is for
// its owner to correct.
func post(ctx context.Context, way http.RoundTripper, h *Hook, m *message, agent string) *failure {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL.String(), bytes.NewReader(m.body))
	if err != nil {
		return &failure{what: "the request cannot be made: " + printable(withoutAddress(err).Error()), refused: true}
	}
	req.Header = m.header.Clone()
	req.Header.Set("User-Agent", agent)
	now := time.Now()
	m.sign(req.Header, now, h.Secrets)
	client := &http.Client{Transport: way, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return &failure{what: "no answer: " + printable(withoutAddress(err).Error())}
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		_, _ = io.CopyN(io.Discard, res.Body, mostAnswer) // so that the connection is used again
		return nil
	}
	f := &failure{wish: retryAfter(res.Header.Get("Retry-After"), now)}
	switch {
	case res.StatusCode/100 == 3:
		f.refused, f.what = true, fmt.Sprintf("it answers %d, which leads elsewhere: configure the address that it leads to", res.StatusCode)
		return f
	case res.StatusCode/100 == 4 && res.StatusCode != http.StatusRequestTimeout && res.StatusCode != http.StatusTooEarly && res.StatusCode != http.StatusTooManyRequests:
		f.refused = true
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, mostAnswer)) // whatever came says more than nothing
	f.what = strings.TrimSuffix(fmt.Sprintf("it answers %d: %s", res.StatusCode, printable(strings.TrimSpace(string(said)))), ": ")
	return f
}

// withoutAddress leaves URLs out of an error, since they may be secrets.
func withoutAddress(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// retryAfter reads what a receiver wishes, in seconds or as a date; 0 if it wishes
// nothing that is understood, and an hour at most.
func retryAfter(wish string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(wish), 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, longestWish)
	}
	if at, err := http.ParseTime(wish); err == nil {
		return min(max(at.Sub(now), 0), longestWish)
	}
	return 0
}
