package gatehouse

import (
	"net/http"
	"time"
)

const (
	// net/http reads so much of a body by itself where nobody has, in bytes.
	readAnyway = 256 << 10
	// mostDrained is how much of a body is read for nothing, in bytes, and longestDrain
	// for how long.
	mostDrained  = 1 << 30
	longestDrain = 10 * time.Second
)

// Drain reads on where a request was answered before its body was there. Many clients
// send all of it before they read; closed at once, the connection would be reset, and
// the answer lost with it. It is the last thing that is done for a request. Who has
// asked whether to send (Expect: 100-continue) has been told, and sends nothing; in
// HTTP/2 a stream ends without that.
func Drain(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength <= readAnyway || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(longestDrain)) != nil {
		return
	}
	nothing := make([]byte, 1) // nearly always the body was read, and this finds its end
	for read := 0; read < mostDrained; {
		n, err := r.Body.Read(nothing)
		if err != nil { // its end, mostly: it was read
			return
		}
		if read == 0 {
			_ = control.Flush() // for those who read while they send
			nothing = make([]byte, 32<<10)
		}
		read += n
	}
}
