package gatehouse

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSocket: only who runs the server reaches its socket, whatever the umask; the
// file of one that was killed is no obstacle, and another's is left alone.
func TestSocket(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	dir, err := os.MkdirTemp("", "serin")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "serin.sock")
	listen := func(file string) (*Addresses, error) { return Listen(t.Context(), "unix:"+file, "", "") }
	a, err := listen(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v (%v)", info.Mode(), err)
	}
	if at := new(House).URL(a.HTTP); at != "unix:"+file {
		t.Errorf("it answers at %s", at)
	}
	if _, err := listen(file); err == nil || !strings.Contains(err.Error(), "socket taken: "+file) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a second one: %v", err)
	}
	if conn, err := net.Dial("unix", file); err != nil {
		t.Errorf("after a second one nobody listens: %v", err)
	} else {
		_ = conn.Close()
	}
	a.HTTP.(*net.UnixListener).SetUnlinkOnClose(false) // as if it was killed
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if a, err = listen(file); err != nil {
		t.Fatalf("where one was killed: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("a server that stops leaves its socket: %v", err)
	}
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(file); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
}

// TestAddresses: which ones are this machine's alone, and which are none.
func TestAddresses(t *testing.T) {
	t.Parallel()
	var open Admission
	for address, wrong := range map[string]string{
		"127.0.0.1:8000": "", "localhost:0": "", "[::1]:8000": "", "unix:/run/serin.sock": "", "unix:serin.sock": "",
		"unix:": "a socket is a file", "unix:@serin": "a socket is a file", "unix:/" + strings.Repeat("x", 100): "has at most 100 bytes",
		"0.0.0.0:8000": "is not a loopback address", ":8000": "is not a loopback address", "8000": "write it like 127.0.0.1:8000",
	} {
		if err := open.CheckAddress("listen", address); wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)) {
			t.Errorf("%s: %v, want %q", address, err, wrong)
		}
	}
}
