package infer

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"serin/test/reference"
)

// TestErrorsAreDocumented: the page of errors has every code that a prediction may
// be refused with, in the words of each protocol.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	all := []*trouble{overloaded, notLoaded, stopping, {status: http.StatusServiceUnavailable, code: "version_gone"}, {status: http.StatusBadRequest}}
	for status := range meanings {
		all = append(all, &trouble{status: status})
	}
	facts := map[string]string{}
	for _, t := range all {
		m := t.meaning()
		rpc := regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(m.rpc.String(), "${1}_$2")
		facts[m.code] = fmt.Sprintf("HTTP %d, gRPC %s, MLflow %s.", t.status, strings.ToUpper(rpc), cmp.Or(m.mlflow, "BAD_REQUEST"))
	}
	if err := reference.Facts("docs/reference/errors.md", "Predictions", facts); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`\bcode: +"([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			if facts[found[1]] == "" {
				t.Errorf("%s: the code %s is not in the list above", file, found[1])
			}
		}
	}
}
