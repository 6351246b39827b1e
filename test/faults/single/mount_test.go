//go:build linux && amd64

package single

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAFolderThatHangs is one on another machine that does not answer any more: a call to
// it never comes back. A deploy from there waits, and nobody else: predictions are made,
// commands are answered, a rollback ends it, another file is deployed, and the server
// stops when it is told to.
func TestAFolderThatHangs(t *testing.T) {
	t.Parallel()
	for name, below := range map[string]string{"open": "", "read": "/model_v2.joblib"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mount := t.TempDir()
			h := newHome(t, "--initial-delay", "0s", "--weight", "50%", "--artifact-source", "file://"+mount)
			content, err := os.ReadFile(filepath.Join(h.folder, "models/model_v2.joblib"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(mount, "model_v2.joblib"), content)
			s := h.trace()
			if _, err := s.tell(order{Hang: mount + below}); err != nil {
				t.Fatal(err)
			}
			answered := make(chan answer, 1)
			go func() { answered <- post(s.Server, deploy.path, `{"model_path": "file://`+mount+`/model_v2.joblib"}`) }()
			until(t, "the deploy hangs", func() bool {
				seen, err := s.tell(order{Hang: mount + below})
				if err != nil {
					t.Fatal(err)
				}
				return seen.Hung > 0
			})
			for range 20 {
				h.predicted(s.Server)
			}
			if now := h.stands(s.Server); now.String() != alone {
				t.Errorf("it is %s", now)
			}
			h.must(s.Server, revert.path, revert.body)
			if a := <-answered; a.status != http.StatusConflict || !strings.Contains(a.text, "rolled_back_while_loading") {
				t.Errorf("the deploy was called off, and answers %d %s", a.status, a.text)
			}
			h.must(s.Server, deploy.path, deploy.body)
			bothArms(h, s.Server)
			h.must(s.Server, promote.path, promote.body)
			h.endsWell(s, "idle with model_v2 and no canary")
		})
	}
}
