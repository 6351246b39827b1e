package app

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// stream opens the page's stream with a token, and reads to its first message.
func (r *running) stream(token string) *bufio.Reader {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/admin/models/churn/live", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	for _, want := range []string{"event: who", "data: {"} {
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			r.t.Fatalf("%s: %q (%v), want %s", res.Status, line, err, want)
		}
	}
	return lines
}

// TestStreamEndsWithItsKey: whose key is taken out is told nothing more, also where
// he began to listen before; others are.
func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	tokens := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	viewers, owners := r.stream(tokens["viewer"]), r.stream(tokens["owner"])
	lines, err := os.ReadFile(c.Admission.Keys)
	if err != nil {
		t.Fatal(err)
	}
	_, others, found := strings.Cut(string(lines), "\n") // the viewer's is the first line
	if !found {
		t.Fatalf("the keys are %q", lines)
	}
	if err := os.WriteFile(c.Admission.Keys, []byte(others), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, viewers); err != nil {
		t.Errorf("the stream has no good end: %v", err)
	}
	for range 10 {
		if _, err := owners.ReadString('\n'); err != nil {
			t.Fatalf("another's stream ends, too: %v", err)
		}
	}
}
