package format

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The marks around the table in the page.
const (
	tableBegin = "<!-- made from the corpus by: go test ./internal/model/format -run Page -update -->\n"
	tableEnd   = "<!-- end -->\n"
)

var update = flag.Bool("update", false, "write docs/formats.md's table")

// TestPageTable: the page's table is what the corpus holds and serin reads.
func TestPageTable(t *testing.T) {
	t.Parallel()
	entries := map[[2]string]*entry{}
	for _, s := range shelves(t) {
		for file, want := range s.Models {
			if p, err := Open(bytes.NewReader(s.files[file]), Options{}); err == nil { // or TestCorpus complains
				library, _, _ := strings.Cut(p.Signature().Library, " ")
				version := s.Versions[packages[library]]
				if s.Family == "onnx_" {
					library, version = "ONNX, by "+library, s.Versions["onnx"]
				}
				enter(entries, library, version, want)
			}
		}
	}
	want, got := tableOf(entries), between(t, tableBegin, tableEnd)
	switch {
	case want == got:
	case *update:
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(page, []byte(strings.Replace(string(text), tableBegin+got, tableBegin+want, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s does not list what the corpus holds; go test ./internal/model/format -run Page -update", page)
	}
}

// packages are the libraries, as signatures name them, and their Python packages.
var packages = map[string]string{
	"scikit-learn": "sklearn", "XGBoost": "xgboost", "LightGBM": "lightgbm", "CatBoost": "catboost",
}

// entry is one line of the table: an estimator of a library.
type entry struct {
	versions  []string
	tolerance float64
}

// helpers are kept by scikit-learn inside estimators, and are none themselves.
var helpers = []string{"LabelEncoder", "LabelBinarizer", "IsotonicRegression"}

// enter notes the estimators inside one model.
func enter(entries map[[2]string]*entry, library, version string, want *expectation) {
	// An ONNX model's are its operators, in one string.
	for estimator := range strings.SplitSeq(strings.Join(want.Estimators, "/"), "/") {
		if strings.HasPrefix(estimator, "_") || slices.Contains(helpers, estimator) {
			continue
		}
		e := entries[[2]string{library, estimator}]
		if e == nil {
			e = &entry{}
			entries[[2]string{library, estimator}] = e
		}
		e.tolerance = max(e.tolerance, want.Relative)
		if !slices.Contains(e.versions, version) {
			e.versions = append(e.versions, version)
		}
	}
}

// tableOf writes the entries, by library and estimator.
func tableOf(entries map[[2]string]*entry) string {
	var b strings.Builder
	b.WriteString("\n| library | estimator | files of versions | agreement |\n|---|---|---|--:|\n")
	for _, name := range slices.SortedFunc(maps.Keys(entries), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		e := entries[name]
		slices.SortFunc(e.versions, byNumbers)
		versions := e.versions[0]
		if last := e.versions[len(e.versions)-1]; last != versions {
			versions += " to " + last
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %g |\n", name[0], name[1], versions, e.tolerance)
	}
	b.WriteString("\n")
	return b.String()
}

// byNumbers compares versions: 1.9 comes before 1.10.
func byNumbers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	})
}
