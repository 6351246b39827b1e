package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"serin/test/postgres"
)

// message is one of PostgreSQL's, with a type unless it is 0.
func message(kind byte, body string) (m []byte) {
	if kind != 0 {
		m = append(m, kind)
	}
	return append(binary.BigEndian.AppendUint32(m, uint32(4+len(body))), body...)
}

// TestStatementsAreCounted however the bytes are cut, and none in the first message
// or within a body.
func TestStatementsAreCounted(t *testing.T) {
	t.Parallel()
	var wire []byte
	for _, m := range [][]byte{
		message(0, "EEEEEEEE"), message('P', "EQ\x00\x00\x00\x04"), message('B', ""), message('E', "Q"), message('S', ""), message('Q', strings.Repeat("E", 5000)), message('E', ""),
	} {
		wire = append(wire, m...)
	}
	for cut := 1; cut <= len(wire); cut = cut*2 + 1 {
		var found atomic.Int64
		s := &scanner{found: &found}
		for rest := wire; len(rest) > 0; {
			n := min(cut, len(rest))
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if found.Load() != 3 {
			t.Errorf("in pieces of %d bytes there are %d statements instead of 3", cut, found.Load())
		}
	}
	if _, err := (&scanner{found: new(atomic.Int64)}).Write([]byte{0, 0, 0, 3}); !errors.Is(err, errNoMessage) {
		t.Errorf("a message of 3 bytes: %v", err)
	}
}

// TestATapPassesOn every byte both ways, and cuts what is open when it is closed.
func TestATapPassesOn(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	echo, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		if conn, err := echo.Accept(); err == nil {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	tapped, err := newTap(t.Context(), echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", tapped.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := append(message(0, "who"), message('Q', "what")...)
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != string(sent) {
		t.Errorf("%q came back: %v", got, err)
	}
	if r := tapped.read(); r != (reading{float64(len(sent)), float64(len(sent)), 1}) {
		t.Errorf("%d bytes each way and a statement were counted as %+v", len(sent), r)
	}
	tapped.close()
	if _, err := conn.Read(got); err == nil {
		t.Error("a connection outlives its tap")
	}
}

func TestAPageIsWrittenBetweenItsMarkers(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "page.md")
	const around = "before\n<!-- measured: arrival -->\nold\n<!-- end of arrival -->\nafter\n"
	if err := os.WriteFile(page, []byte(around), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &block{name: "arrival", head: "Measured."}
	b.must("this", "1", true, "%d", 1)
	b.must("that", "2", false, "%d", 3)
	b.table("what", "how much")
	b.row("all", "4")
	if err := write(page, []*block{b}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(around, "old\n", b.String(), 1)
	if string(text) != want || !strings.Contains(want, "| that | 2 | 3 | **does not hold** |\n") || !strings.Contains(want, "| all | 4 |\n") {
		t.Errorf("%s", text)
	}
	if err := holds([]*block{b}); err == nil {
		t.Error("what does not hold is not said")
	}
	if err := write(page, []*block{{name: "scale"}}); !errors.Is(err, errNoMarkers) {
		t.Errorf("a page without the markers: %v", err)
	}
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	values := []float64{5, 1, 4, 2, 3}
	if low, high := interval(values); median(values) != 3 || low >= 3 || high <= 3 || low < 1 || high > 5 {
		t.Errorf("the median of 1 to 5 is %v, in %v to %v", median(values), low, high)
	}
	// The line through 10 and 50: 4 a replica.
	b := &block{}
	predict1000(b, &load{replicas: 1, statements: 10}, &load{replicas: 11, statements: 50.0 / 11})
	if !strings.Contains(b.String(), "| statements/s | 4006 |") {
		t.Errorf("%s", b)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-only", "nothing"}, {"-counts", "0"}, {"-counts", "1,x"}, {"-counts", "101"}} {
		if _, _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestARollbackArrives is a short run of one part, with the real things.
func TestARollbackArrives(t *testing.T) {
	t.Parallel()
	s, _, err := parse([]string{"-quick", "-only", "arrival"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	blocks, err := measure(ctx, s)
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip(err)
	}
	if err != nil || len(blocks) != 1 {
		t.Fatal(blocks, err)
	}
	if !strings.Contains(blocks[0].String(), "none failed") {
		t.Errorf("%s", blocks[0])
	}
}
