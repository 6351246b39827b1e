package api

import (
	"fmt"
	"testing"

	"serin/test/reference"
)

// TestErrorsAreDocumented: the page of errors has every code of this door, and what
// it means for HTTP and for scripts.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	facts := map[string]string{}
	for code, o := range outcomes {
		facts[code] = fmt.Sprintf("HTTP %d, exit code %d.", o.status, o.exit)
	}
	if err := reference.Facts("docs/reference/errors.md", "Control", facts); err != nil {
		t.Error(err)
	}
}
