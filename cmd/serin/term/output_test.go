package term

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestYAMLIsTheSameAsJSON: in names, order, numbers and texts that look like
// something else.
func TestYAMLIsTheSameAsJSON(t *testing.T) {
	t.Parallel()
	v := struct {
		Z      string            `json:"z"`
		A      []float64         `json:"a"`
		Words  []string          `json:"words"`
		Empty  []int             `json:"empty"`
		None   *int              `json:"none"`
		Object map[string]any    `json:"object"`
		Nobody map[string]string `json:"nobody"`
	}{
		"<last>", []float64{0, 1e-9, 0.1, 1e300, 12345678901234567},
		[]string{"", "yes", "no", "1", "1e3", "null", "~", "2026-01-02", "a: b", "- a", "#", "two\nlines\n", " space ", "\x7f\x01", "é 😀", "'", `"`, "!tag", "&x", "*y"},
		[]int{}, nil, map[string]any{"deep": []any{true, map[string]any{"deeper": []string{"x"}}}}, map[string]string{},
	}
	var text, doc bytes.Buffer
	if err := (Console{Out: &text}).Print("json", v, nil); err != nil {
		t.Fatal(err)
	}
	if err := (Console{Out: &doc}).Print("yaml", v, nil); err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(text.Bytes(), &want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(doc.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(got) // integers are floats then, as in want
	if err == nil {
		err = json.Unmarshal(again, &got)
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s\n%s", err, diff, doc.String())
	}
	if z, a := bytes.Index(doc.Bytes(), []byte("z: <last>")), bytes.Index(doc.Bytes(), []byte("\na:\n  - 0\n")); z != 0 || a < 0 {
		t.Errorf("the order or the style is another:\n%s", doc.String())
	}
}
