package kayenta

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const divider = "--- answer\n"

// readCase splits a file of testdata/cases: what it is about, the request, and
// the answer.
func readCase(t testing.TB, name string) (about, request, answer string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	about, rest, _ := strings.Cut(string(text), "\n")
	request, answer, found := strings.Cut(rest, divider)
	if !found {
		t.Fatalf("%s has no line %q", name, divider)
	}
	return about, request, answer
}

func ask(t testing.TB, method, kind, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/judge", strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestCases(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(names) < 16 {
		t.Fatalf("%d cases, error %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			about, request, want := readCase(t, name)
			w := ask(t, http.MethodPost, "application/json; charset=UTF-8", request)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, []byte(rounded(w.Body.String())), "", "  "); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, []byte(about+"\n"+request+divider+pretty.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, pretty.String()); diff != "" {
				t.Errorf("%s (rewrite with go test ./internal/kayenta -update):\n%s", about, diff)
			}
		})
	}
}

// rounded keeps ten digits of a number: the last ones may differ between
// processors.
func rounded(s string) string {
	return regexp.MustCompile(`-?[0-9]+\.[0-9]{9,}(e-?[0-9]+)?`).ReplaceAllStringFunc(s, func(s string) string {
		x, _ := strconv.ParseFloat(s, 64)
		return strconv.FormatFloat(x, 'g', 10, 64)
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const rest = `"scoreThresholds":{"pass":95,"marginal":75}`
	one := `{"canaryConfig":{"metrics":[{"name":"m","groups":["g"],"analysisConfigurations":{"canary":CANARY}}]},` + rest + `,"metricSetPairList":[{"name":"m","values":{"experiment":[1],"control":[2]}}]}`
	tests := []struct {
		name, method, kind, body string
		status                   int
		want                     string
	}{
		{"no content type", http.MethodPost, "", "{}", 415, "application/json"},
		{"a form", http.MethodPost, "application/x-www-form-urlencoded", "{}", 415, "application/json"},
		{"no JSON", http.MethodPost, "application/json", "judge", 422, "not a request for a judge"},
		{"too large", http.MethodPost, "application/json", strings.Repeat(" ", maxBody+1), 413, "larger than 4 MiB"},
		{"no thresholds", http.MethodPost, "application/json", `{}`, 422, "scoreThresholds"},
		{"half the thresholds", http.MethodPost, "application/json", `{"scoreThresholds":{"pass":95}}`, 422, "scoreThresholds"},
		{"unknown metric", http.MethodPost, "application/json", `{` + rest + `,"metricSetPairList":[{"name":"m","values":{"experiment":[],"control":[]}}]}`, 422, `metric \"m\"`},
		{"one sample", http.MethodPost, "application/json", `{` + rest + `,"metricSetPairList":[{"name":"m","values":{"experiment":[]}}]}`, 422, "metricSetPairList[0].values lacks"},
		{"a word for a value", http.MethodPost, "application/json", strings.Replace(strings.Replace(one, "CANARY", "{}", 1), "[1]", `["many"]`, 1), 422, "want a number"},
		{"beyond the floats", http.MethodPost, "application/json", strings.Replace(strings.Replace(one, "CANARY", "{}", 1), "[1]", `[1e999]`, 1), 422, "metricSetPairList.0.values.experiment"},
		{"a list", http.MethodPost, "application/json", `[]`, 422, "a judge: it should be an object"},
		{"a number for an object", http.MethodPost, "application/json", `{"canaryConfig":3}`, 422, "a judge: canaryConfig should be an object"},
		{"a string for a number", http.MethodPost, "application/json", `{"scoreThresholds":{"pass":"a"}}`, 422, "a judge: scoreThresholds.pass should be a number"},
		{"too many values", http.MethodPost, "application/json", strings.Replace(strings.Replace(one, "CANARY", "{}", 1), "[1]", "[0"+strings.Repeat(",1", maxValues)+"]", 1), 422, "more than 25000 values"},
		{"critical is a word", http.MethodPost, "application/json", strings.Replace(one, "CANARY", `{"critical":"true"}`, 1), 422, "critical"},
		{"a factor of 0", http.MethodPost, "application/json", strings.Replace(one, "CANARY", `{"outliers":{"outlierFactor":0}}`, 1), 422, "outlierFactor is 0"},
		{"a weight too large", http.MethodPost, "application/json", `{"canaryConfig":{"classifier":{"groupWeights":{"g":101}}},` + rest + `}`, 422, "from 0 to 100"},
		{"weights too large", http.MethodPost, "application/json", `{"canaryConfig":{"classifier":{"groupWeights":{"a":60,"b":60}}},` + rest + `}`, 422, "sum to 120"},
		{"a long group", http.MethodPost, "application/json", `{"canaryConfig":{"metrics":[{"groups":["` + strings.Repeat("g", maxName+1) + `"]}]},` + rest + `}`, 422, "a name of 201 bytes"},
		{"many groups", http.MethodPost, "application/json", `{"canaryConfig":{"metrics":[{"groups":["g"` + strings.Repeat(`,"g"`, maxGroups) + `]}]},` + rest + `}`, 422, "is in 51 groups"},
		{"many metrics", http.MethodPost, "application/json", `{` + rest + `,"metricSetPairList":[{}` + strings.Repeat(`,{}`, maxPairs) + `]}`, 422, "has 501 metrics"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := ask(t, tt.method, tt.kind, tt.body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %s; want %d and %q", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

func TestACompressedBodyIsToldSo(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/judge", strings.NewReader("\x1f\x8b\x08"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType || !strings.Contains(w.Body.String(), "send it uncompressed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// FuzzJudge: whatever is decoded is judged, with a score from 0 to 100 and every
// pair in the answer, the same every time.
func FuzzJudge(f *testing.F) {
	names, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		_, request, _ := readCase(f, name)
		f.Add([]byte(request))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Decode(body)
		if err != nil {
			return
		}
		a, err := Judge(r)
		if err != nil {
			return
		}
		if !(a.Score.Score >= 0 && a.Score.Score <= 100.01) || len(a.Results) != len(r.Pairs) {
			t.Fatalf("%+v", a)
		}
		for _, result := range a.Results {
			if result.Critical && result.Classification != pass && !result.Muted && a.Score.Score != 0 {
				t.Fatalf("%+v is critical and the score is %v", result, a.Score)
			}
		}
		first, second := ask(t, http.MethodPost, "application/json", string(body)), ask(t, http.MethodPost, "application/json", string(body))
		if len(body) <= maxBody && (first.Code != http.StatusOK || first.Body.String() != second.Body.String()) {
			t.Fatalf("%d %s, then %s", first.Code, first.Body, second.Body)
		}
	})
}

// TestFewWait: those who would wait too long hold no memory meanwhile.
func TestFewWait(t *testing.T) {
	t.Parallel()
	handler := Handler()
	send := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/judge", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	var others sync.WaitGroup
	var ends []*io.PipeWriter
	for range maxWaiting {
		body, client := io.Pipe()
		ends = append(ends, client)
		others.Go(func() { send(body) })
		if _, err := io.WriteString(client, "{"); err != nil { // it has been read, so it has its place
			t.Fatal(err)
		}
	}
	if w := send(strings.NewReader("{}")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more: %d %s", w.Code, w.Body)
	}
	for _, client := range ends {
		_ = client.Close()
	}
	others.Wait()
	if w := send(strings.NewReader("{}")); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}
