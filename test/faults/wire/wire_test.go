package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// soon bounds what must happen, and brief is for how long nothing may.
const (
	soon  = 10 * time.Second
	brief = 50 * time.Millisecond
)

// echo is a server that says what it hears, and a proxy in front of it.
func echo(t *testing.T) *Proxy {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	door, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = door.Close() })
	go func() {
		for {
			c, err := door.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	p, err := New(door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// caller is a client's end.
type caller struct {
	net.Conn

	t    *testing.T
	text *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *caller {
	t.Helper()
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &caller{c, t, bufio.NewReader(c)}
}

// says sends a line and returns what comes back within the time.
func (c *caller) says(line string, within time.Duration) (string, error) {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := io.WriteString(c, line); err != nil {
		return "", err
	}
	return c.text.ReadString('\n')
}

func (c *caller) answers(line string) {
	c.t.Helper()
	if got, err := c.says(line, soon); got != line || err != nil {
		c.t.Errorf("%q came back as %q: %v", line, got, err)
	}
}

func TestWhatIsHeldArrivesInOrder(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.answers("a\n")
	p.Set(Held, 0)
	if got, err := c.says("b\n", brief); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while it is held %q comes: %v", got, err)
	}
	if got, err := dial(t, p).says("x\n", brief); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a new connection is answered %q: %v", got, err)
	}
	p.Set(Pass, 0)
	c.answers("b\n") // the first one's
	_ = c.SetDeadline(time.Now().Add(soon))
	if got, err := c.text.ReadString('\n'); got != "b\n" {
		t.Errorf("then %q: %v", got, err)
	}
}

func TestLateIsLate(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Set(Late, brief)
	began := time.Now()
	c.answers("a\n")
	if took := time.Since(began); took < 2*brief {
		t.Errorf("there and back took %v, twice %v is the least", took, brief)
	}
}

func TestCutRefusesUntilItPasses(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.answers("a\n")
	p.Set(Cut, 0)
	for _, c := range []*caller{c, dial(t, p)} {
		if got, err := c.says("b\n", soon); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q comes: %v", got, err)
		}
	}
	p.Set(Pass, 0)
	dial(t, p).answers("c\n")
}

func TestHalfOpenStaysSoAndNewOnesPass(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.answers("a\n")
	p.Set(HalfOpen, 0)
	dial(t, p).answers("b\n")
	p.Set(Pass, 0)
	if got, err := c.says("c\n", brief); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q comes: %v", got, err)
	}
}

func TestResetIsNoEnd(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	c.answers("a\n")
	p.Set(Reset, 0)
	if got, err := c.says("b\n", soon); err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q comes: %v", got, err)
	}
	dial(t, p).answers("b\n")
}
