package rollout

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated picture")

// TestPicture keeps docs/rollout.md equal to the table.
func TestPicture(t *testing.T) {
	t.Parallel()
	const path = "../../docs/rollout.md"
	if *update {
		if err := os.WriteFile(path, []byte(picture()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(picture(), string(got)); diff != "" {
		t.Errorf("docs/rollout.md is not what the law says; run go test ./internal/rollout -update\n%s", diff)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("# The life of a rollout\n\nGenerated from the table in `internal/rollout/moves.go` by its test; do not edit.\n\n```mermaid\nstateDiagram-v2\n    [*] --> empty\n")
	for _, p := range phases {
		for _, k := range slices.Sorted(maps.Keys(moves[p])) {
			for _, to := range moves[p][k].to {
				fmt.Fprintf(&b, "    %s --> %s : %s\n", phaseName(p), phaseName(to), k)
			}
		}
	}
	b.WriteString("```\n\nEvery other event is refused and changes nothing:\n\n| in phase | refused, with code |\n|---|---|\n")
	for _, p := range phases {
		var refused []string
		for _, k := range kinds {
			if _, legal := moves[p][k]; !legal {
				refused = append(refused, fmt.Sprintf("%s (`%s`)", k, refuse(in(p), ok(k)).Code))
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", phaseName(p), strings.Join(refused, ", "))
	}
	return b.String()
}

func phaseName(p Phase) string {
	if p == Empty {
		return "empty"
	}
	return string(p)
}
