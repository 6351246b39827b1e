package format

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
)

// The least that the corpus must be, and the most that it may weigh.
const (
	leastModels  = 150
	rowsAModel   = 50
	mostBytes    = 15_000_000
	corpusFolder = "testdata/corpus"
)

// unread are models of the corpus that serin refuses although it should read
// them, as patterns of environment/family/file. A model that is read and answers
// wrongly is never excused.
var unread []string

// shelf is one archive of the corpus: what the models of one family answered in
// one environment. testdata/corpus/generate.py describes every field.
type shelf struct {
	Environment, Family string
	Versions            map[string]string
	Tables              []table
	Models              map[string]*expectation
	Refused             map[string]string

	files map[string][]byte
}

// table is rows to ask.
type table struct {
	Names []string
	Kinds []string
	Rows  [][]any
}

// expectation is what the library answers for one file.
type expectation struct {
	Table              int
	Names              []string
	Library            *string
	Estimators         []string
	Kind               string
	Absolute, Relative float64
	Classes            []any
	Values             [][]exact
	Prediction         []*int
}

// exact is a number of an answer; JSON has no NaN, so that may be a word.
type exact float64

func (e *exact) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case `"NaN"`:
		*e = exact(math.NaN())
	case `"Infinity"`:
		*e = exact(math.Inf(1))
	case `"-Infinity"`:
		*e = exact(math.Inf(-1))
	default:
		return json.Unmarshal(data, (*float64)(e))
	}
	return nil
}

// shelves reads the whole corpus. It fails if there is less of it than there
// must be: a test would otherwise pass by testing nothing.
func shelves(t testing.TB) []*shelf {
	t.Helper()
	paths, err := filepath.Glob(corpusFolder + "/*.zip")
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*shelf, 0, len(paths))
	models, size := 0, int64(0)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
		s := readShelf(t, path)
		all = append(all, s)
		models += len(s.Models)
	}
	if models < leastModels || size > mostBytes {
		t.Fatalf("%s holds %d models in %d bytes, want at least %d models in at most %d bytes; its generate.sh makes them",
			corpusFolder, models, size, leastModels, mostBytes)
	}
	return all
}

func readShelf(t testing.TB, path string) *shelf {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer archive.Close()
	s := &shelf{files: map[string][]byte{}}
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if s.files[file.Name], err = io.ReadAll(r); err != nil {
			t.Fatalf("%s: %s: %v", path, file.Name, err)
		}
	}
	if err := json.Unmarshal(s.files["expected.json"], s); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return s
}

// each calls f for every model of the corpus, with its name: environment/family/file.
func each(t *testing.T, f func(name string, s *shelf, file string, want *expectation)) {
	t.Helper()
	for _, s := range shelves(t) {
		for file, want := range s.Models {
			f(s.name(file), s, file, want)
		}
	}
}

// name is how the tests call one file.
func (s *shelf) name(file string) string { return s.Environment + "/" + s.Family + "/" + file }

// open opens one file. It is nil for a file that serin is known to refuse.
func (s *shelf) open(t *testing.T, file string) model.Predictor {
	t.Helper()
	p, err := Open(bytes.NewReader(s.files[file]), Options{})
	if err == nil {
		return p
	}
	if _, refused := errors.AsType[*model.Refusal](err); refused && known(s.name(file)) {
		return nil
	}
	t.Errorf("%s: %v", s.name(file), err)
	return nil
}

func known(name string) bool {
	return slices.ContainsFunc(unread, func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok })
}

// TestCorpus holds every model's signature and every answer against the library
// that wrote the file, row by row and all rows at once.
func TestCorpus(t *testing.T) {
	t.Parallel()
	cancelled := 0
	each(t, func(name string, s *shelf, file string, want *expectation) {
		p := s.open(t, file)
		if p == nil {
			return
		}
		if complaint := want.describes(p.Signature(), s.Tables[want.Table]); complaint != "" {
			t.Errorf("%s: %s", name, complaint)
			return
		}
		asked := ask(p, s.Tables[want.Table])
		var complaints []string
		for i := range asked.rows {
			if complaint := want.agrees(i, asked); complaint != "" {
				complaints = append(complaints, fmt.Sprintf("row %d: %s", i, complaint))
			}
		}
		if complaints != nil {
			t.Errorf("%s: %s (%d rows differ)", name, complaints[0], len(complaints))
		}
		if complaint := asked.together(p); complaint != "" {
			t.Errorf("%s: %s", name, complaint)
		}
		cancelled += asked.cancelled
	})
	if cancelled > mostCancelled {
		t.Errorf("%d float32 numbers are what is left of larger ones, want at most %d", cancelled, mostCancelled)
	}
}

// describes tells how the signature differs from what the file must say.
func (e *expectation) describes(s *model.Signature, in table) string {
	meaning := map[string]model.Meaning{"proba": model.Probabilities, "decision": model.Scores, "predict": model.Quantities}
	switch want, known := meaning[e.Kind]; {
	case len(s.Features) != len(in.Kinds):
		return fmt.Sprintf("%d features, want %d", len(s.Features), len(in.Kinds))
	case !slices.Equal(s.Names(), e.Names):
		return fmt.Sprintf("names %q, want %q", s.Names(), e.Names)
	case e.Library != nil && s.Library != *e.Library:
		return fmt.Sprintf("library %q, want %q", s.Library, *e.Library)
	case known && s.Values != want:
		return fmt.Sprintf("answers %s, want %s", s.Values, want)
	case (s.Task == model.Regression) != (e.Classes == nil) || len(s.Classes) != len(e.Classes):
		return fmt.Sprintf("%s with classes %v, want %v", s.Task, s.Classes, e.Classes)
	}
	for i, class := range s.Classes {
		var got any
		if err := json.Unmarshal([]byte(class), &got); err != nil || got != e.Classes[i] {
			return fmt.Sprintf("class %d is %s, want %v", i, class, e.Classes[i])
		}
	}
	for _, values := range e.Values {
		if values != nil && len(values) != s.Outputs {
			return fmt.Sprintf("%d numbers a row, want %d", s.Outputs, len(values))
		}
	}
	return ""
}

// asked is what a model answered, a row at a time.
type asked struct {
	p      model.Predictor
	rows   []model.Rows
	values [][]float64
	class  []int
	errs   []error // why there is no answer
	// cancelled is how many numbers agree only by the second rule of close.
	cancelled int
}

// ask asks every row alone.
func ask(p model.Predictor, in table) *asked {
	s, a := p.Signature(), &asked{p: p}
	for _, row := range in.Rows {
		rows, err := rowOf(s, row)
		values, class := make([]float64, s.Outputs), make([]int, 1)
		if err == nil {
			err = p.Predict(rows, answers(s, values, class))
		}
		a.rows, a.values, a.class, a.errs = append(a.rows, rows), append(a.values, values), append(a.class, class[0]), append(a.errs, err)
	}
	return a
}

func answers(s *model.Signature, values []float64, classes []int) model.Answers {
	if s.Task == model.Regression {
		classes = nil
	}
	return model.Answers{Values: values, Classes: classes}
}

// rowOf is a row as the signature asks for it, or what the row has that the
// signature does not take.
func rowOf(s *model.Signature, row []any) (model.Rows, error) {
	rows := model.Rows{N: 1, Numbers: make([]float64, len(row))}
	if slices.ContainsFunc(s.Features, func(f model.Feature) bool { return f.Kind == model.Text }) {
		rows.Texts = make([]string, len(row))
	}
	for i, value := range row {
		f := s.Features[i]
		if f.Kind == model.Unused {
			continue
		}
		switch v := value.(type) {
		case nil:
			if !f.Missing {
				return rows, fmt.Errorf("feature %d may not be missing", i)
			}
			rows.Numbers[i] = math.NaN()
			continue
		case float64:
			rows.Numbers[i] = v
		case bool:
			if v {
				rows.Numbers[i] = 1
			}
		case string:
			if f.Kind == model.Text {
				rows.Texts[i] = v
				continue
			}
		}
		if _, text := value.(string); text != (f.Kind == model.Text) {
			return rows, fmt.Errorf("feature %d is a %s, and the row has %v", i, f.Kind, value)
		}
	}
	return rows, nil
}

// agrees tells how the answer to row i differs from the library's.
func (e *expectation) agrees(i int, got *asked) string {
	refused := e.Values != nil && e.Values[i] == nil || e.Values == nil && e.Prediction[i] == nil
	switch {
	case refused && got.errs[i] == nil && !slices.ContainsFunc(got.values[i], math.IsNaN):
		return fmt.Sprintf("got %v, want no answer", got.values[i])
	case refused:
		return ""
	case got.errs[i] != nil && e.Values != nil:
		return fmt.Sprintf("got no answer (%v), want %v", got.errs[i], e.Values[i])
	case got.errs[i] != nil:
		return fmt.Sprintf("got no answer (%v), want class %d", got.errs[i], *e.Prediction[i])
	}
	if e.Values != nil {
		for k, want := range e.Values[i] {
			if !e.close(got, i, k, float64(want)) {
				return fmt.Sprintf("value %d: got %v, want %v", k, got.values[i][k], want)
			}
		}
	}
	if e.Prediction != nil && got.class[i] != *e.Prediction[i] {
		return fmt.Sprintf("got class %d, want %d", got.class[i], *e.Prediction[i])
	}
	return ""
}

// together asks all rows that have an answer at once, and tells where that
// differs from the answer of the row alone; and once more for values alone.
func (a *asked) together(p model.Predictor) string {
	s, all := p.Signature(), a.answered()
	if all.N == 0 {
		return "not one row has an answer"
	}
	values, again, classes := make([]float64, all.N*s.Outputs), make([]float64, all.N*s.Outputs), make([]int, all.N)
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	if err := p.Predict(all, answers(s, values, classes)); err != nil {
		return fmt.Sprintf("%d rows at once: %v", all.N, err)
	}
	k := 0
	for i, err := range a.errs {
		if err != nil {
			continue
		}
		if got := values[k*s.Outputs : (k+1)*s.Outputs]; !slices.EqualFunc(got, a.values[i], same) || classes[k] != a.class[i] {
			return fmt.Sprintf("row %d: got %v, class %d in a batch, alone %v, class %d", i, got, classes[k], a.values[i], a.class[i])
		}
		k++
	}
	if err := p.Predict(all, model.Answers{Values: again}); err != nil || !slices.EqualFunc(again, values, same) {
		return fmt.Sprintf("asked for no classes: %v, other values", err)
	}
	return ""
}

// answered are the rows that have an answer, as one batch.
func (a *asked) answered() model.Rows {
	var all model.Rows
	for i, rows := range a.rows {
		if a.errs[i] == nil {
			all.N++
			all.Numbers = append(all.Numbers, rows.Numbers...)
			all.Texts = append(all.Texts, rows.Texts...)
		}
	}
	return all
}

// TestCorpusIsRefused: what must not be served is refused, by name.
func TestCorpusIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range shelves(t) {
		for file, want := range s.Refused {
			_, err := Open(bytes.NewReader(s.files[file]), Options{})
			refusal, ok := errors.AsType[*model.Refusal](err)
			if !ok || !strings.Contains(refusal.Error(), want) && !known(s.name(file)) {
				t.Errorf("%s: %v, want a refusal that says %q", s.name(file), err, want)
			}
		}
	}
}
