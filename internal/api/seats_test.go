package api

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections have no buffer: what a client does not
// read, the server cannot write.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipes() *pipes {
	closed := make(chan struct{})
	return &pipes{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// dial asks for the stream, and reads nothing yet.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p.conns <- server
	if _, err := io.WriteString(client, "GET /admin/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return client
}

// watched dials, and reads the answer's beginning.
func (p *pipes) watched(t *testing.T) (status int, body io.Reader) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(p.dial(t)), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		text, err := io.ReadAll(res.Body)
		if err != nil || !strings.Contains(string(text), "64 pages are open") {
			t.Errorf("%s: %s (%v)", res.Status, text, err)
		}
	}
	return res.StatusCode, res.Body
}

// theatre serves streams in a bubble, where no time passes but what is waited for.
func theatre(t *testing.T, play func(*testing.T, *pipes)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := show(t, 1)
		mux := http.NewServeMux()
		end := Register(mux, func() []Model { return []Model{{"churn", true, e, e, plan, nil, nil}} }, "test", 1<<20)
		house := newPipes()
		server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(house) })
		play(t, house)
		end()
		if err := server.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
}

// TestPagesThatDoNotReadLoseTheirPlaces: all places are held by clients that ask
// and never read; after a while whoever does read gets in.
func TestPagesThatDoNotReadLoseTheirPlaces(t *testing.T) {
	theatre(t, func(t *testing.T, house *pipes) {
		for range livePages {
			house.dial(t)
		}
		synctest.Wait()
		if status, _ := house.watched(t); status != http.StatusServiceUnavailable {
			t.Errorf("one more is answered with %d at once", status)
		}
		<-time.After(livePatience) // the bubble's clock: nothing waits
		synctest.Wait()
		for range livePages {
			status, body := house.watched(t)
			if status != http.StatusOK {
				t.Fatalf("a page that reads gets %d", status)
			}
			go func() { _, _ = io.Copy(io.Discard, body) }()
		}
	})
}

// TestOldestPageMakesRoom: where all pages read, whoever comes after a while gets
// the place that was taken first, whose page is told by the stream's end and may
// come again.
func TestOldestPageMakesRoom(t *testing.T) {
	theatre(t, func(t *testing.T, house *pipes) {
		ended := make(chan int, livePages)
		for i := range livePages {
			_, body := house.watched(t)
			go func() {
				if _, err := io.Copy(io.Discard, body); err == nil {
					ended <- i
				}
			}()
			<-time.After(time.Millisecond)
		}
		if status, _ := house.watched(t); status != http.StatusServiceUnavailable {
			t.Errorf("one more is answered with %d at once", status)
		}
		<-time.After(liveTenure)
		for want := range 2 {
			status, body := house.watched(t)
			if got := <-ended; status != http.StatusOK || got != want {
				t.Errorf("one more is answered with %d, in the place of page %d, want %d's", status, got, want)
			}
			go func() { _, _ = io.Copy(io.Discard, body) }()
		}
	})
}
