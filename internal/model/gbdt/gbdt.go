package gbdt

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"

	"serin/internal/model"
)

// LoadXGBoost reads a model of XGBoost to the end of r: its JSON, its UBJSON or
// its old binary format. Refusals of the content are *model.Refusal; any other
// error is r's own.
func LoadXGBoost(r io.Reader) (model.Predictor, error) { return XGBoost(r, XGBoostOptions{}) }

// LoadLightGBM reads a model of LightGBM, its text, to the end of r. Errors are
// as with LoadXGBoost.
func LoadLightGBM(r io.Reader) (model.Predictor, error) {
	p, _, err := LightGBM(r, 0)
	return p, err
}

// LoadCatBoost reads a model of CatBoost, its JSON, to the end of r. Errors are
// as with LoadXGBoost.
func LoadCatBoost(r io.Reader) (model.Predictor, error) {
	p, err := readCatBoost(r)
	if err != nil {
		return nil, refusal(nextCatBoost, err)
	}
	return p, nil
}

// buffer wraps a reader, once.
func buffer(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 1<<16) }

// refusal makes the answer to a file out of the error that ended its reading:
// damage becomes a *model.Refusal.
func refusal(next string, err error) error {
	if d, ok := errors.AsType[damage](err); ok {
		return &model.Refusal{Reason: string(d), Next: next}
	}
	return err
}

// labels makes class labels 0, 1, ... n-1.
func labels(n int) []model.Label {
	classes := make([]model.Label, n)
	for i := range classes {
		classes[i] = model.Label(strconv.Itoa(i))
	}
	return classes
}

// uniqueNames tells whether names are all different, none of them empty.
func uniqueNames(names []string) bool {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if strings.TrimSpace(name) == "" || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// numbered tells whether names are those that a library gives to the columns of
// a matrix: f0, f1, ...
func numbered(prefix string, names []string) bool {
	for i, name := range names {
		if name != prefix+strconv.Itoa(i) {
			return false
		}
	}
	return true
}
