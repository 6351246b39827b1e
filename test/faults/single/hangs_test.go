//go:build linux && amd64 && nights

package single

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestACanaryThatHangs answers none of the requests that it gets within
// --predict-timeout. They get 504, the others are answered by stable, the monitor
// rolls it back by itself, and nothing of it is left in the way. It takes half a minute
// of one core, so it is for the nights.
func TestACanaryThatHangs(t *testing.T) {
	t.Parallel()
	h := newHome(t, "--initial-delay", "0s", "--weight", "50%", "--predict-timeout", "400ms", "--on-alarm", "rollback", "--model", "churn=models/quick.json")
	put(t, filepath.Join(h.folder, "models", "quick.json"), forest(t, 1, 1, 1))
	put(t, filepath.Join(h.folder, "models", "slow.json"), forest(t, 2, 400, 10))
	s := h.start(binary(t))
	h.must(s, deploy.path, `{"model_path": "models/slow.json"}`)
	dear := `{"instances": [` + strings.Repeat("[0.5, 1.2, 0.8, 0.3, 1.1],", 29_999) + `[0.5, 1.2, 0.8, 0.3, 1.1]]}`
	answers := map[int]int{}
	until(t, "the canary is rolled back", func() bool {
		answers[post(s, "/invocations", dear).status]++
		return h.stands(s).Rollout == nil
	})
	t.Logf("answers by status: %v", answers)
	if answers[http.StatusOK] == 0 || answers[http.StatusGatewayTimeout] == 0 || len(answers) != 2 {
		t.Errorf("answers by status: %v", answers)
	}
	until(t, "stable answers again", func() bool { return post(s, "/invocations", dear).status == http.StatusOK })
}
