package offline

import (
	"errors"
	"os"
	"testing"

	"serin/internal/model"
	"serin/internal/model/format"
)

// TestAPanicOfAReaderIsReportable: it is refused like a file that is no good, and
// what to report is there; other errors stay as they are.
func TestAPanicOfAReaderIsReportable(t *testing.T) {
	t.Parallel()
	err := refusedModel("x.joblib", format.Reportable(&format.Panic{Value: "index out of range"}, "abc123"))
	const want = "x.joblib is refused: serin's reader panics: index out of range. This is a bug in serin's reader: please report it with the file's SHA-256 abc123."
	if _, refused := errors.AsType[*model.Refusal](err); err.Error() != want || !refused {
		t.Errorf("refused: %v: %v", refused, err)
	}
	if err := format.Reportable(os.ErrNotExist, ""); err != os.ErrNotExist { //nolint:errorlint // the same, not one that wraps it
		t.Error(err)
	}
}
