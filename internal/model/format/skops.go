package format

import (
	"errors"
	"fmt"
	"io"

	"serin/internal/model"
	"serin/internal/model/sklearn"
	"serin/internal/pickle"
	"serin/internal/skops"
)

// readSkops reads what skops keeps in an archive: the values that a joblib file
// of the same estimator has.
func readSkops(r io.Reader) (model.Predictor, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading a model file: %w", err)
	}
	value, err := skops.Read(data, pickle.Options{Allow: sklearn.Names()})
	if err != nil {
		return nil, translated(err)
	}
	return sklearn.FromValue(value)
}

// translated makes a refusal of what customs do not let in.
func translated(err error) error {
	if refused, ok := errors.AsType[*pickle.Error](err); ok {
		return sklearn.Translate(refused)
	}
	return fmt.Errorf("reading a model file: %w", err)
}
