package format

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"

	"serin/internal/model"
)

// archives are what a zip archive may be, by the name of a file in it.
var archives = []struct {
	kind

	has string // the base name, or *.suffix
}{
	{kind{name: "a skops file", read: readSkops}, "schema.json"},
	{kind{name: "a PyTorch file", next: nextONNX}, "data.pkl"},
	{kind{name: "a Keras model", next: "Convert it with tf2onnx, and give the .onnx file."}, "config.json"},
	{kind{name: "an archive of numpy arrays (npz)", next: "Save the fitted model, not its arrays: joblib.dump(model, path)."}, "*.npy"},
	{kind{name: "an H2O model (MOJO)", next: nextConvert}, "model.ini"},
	{kind{name: "a zip archive of a model's folder", next: nextUnpack}, "MLmodel"},
	{kind{name: "a spreadsheet or document", next: nextJoblib}, "[Content_Types].xml"},
	{kind{name: "a zip archive with a model in it", next: nextUnpack}, "*.joblib"},
	{kind{name: "a zip archive with a model in it", next: nextUnpack}, "*.pkl"},
	{kind{name: "a zip archive with a model in it", next: nextUnpack}, "*.onnx"},
}

// readZip opens what an archive is.
func readZip(r io.Reader) (model.Predictor, error) {
	data, k, err := unzip(r)
	if err != nil {
		return nil, err
	}
	return k.open(bytes.NewReader(data), Options{})
}

// unzip takes the whole archive, whose table of contents is at its end, and
// tells what it is.
func unzip(r io.Reader) ([]byte, *kind, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a model file: %w", err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil, &model.Refusal{Reason: "the file begins as a zip archive and is none: it was cut or damaged", Next: "Copy it again from where it was saved, and compare sizes."}
	}
	for i := range archives {
		a := &archives[i]
		if slices.ContainsFunc(z.File, func(f *zip.File) bool {
			matches, err := path.Match(a.has, path.Base(f.Name))
			return err == nil && matches || path.Base(f.Name) == a.has
		}) {
			return data, &a.kind, nil
		}
	}
	return nil, nil, &model.Refusal{Reason: "the file is a zip archive of something that serin does not know", Next: nextUnpack}
}
