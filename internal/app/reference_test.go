package app

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"serin/test/reference"
)

// described takes a description of a metric apart, which tells nobody else.
var described = regexp.MustCompile(`^Desc\{fqName: "(serin_\w+)", help: "(.*?)", (?:unit: "\w*", )?constLabels: \{\}, variableLabels: \{(.*)\}\}$`)

// TestMetricsReference: docs/reference/metrics.md has every metric, as the registry
// knows it; `make docs` writes it.
func TestMetricsReference(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/predict", strings.NewReader(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, text := r.send(req); status != http.StatusOK {
		t.Fatal(text)
	}
	scraped := r.metrics()
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		for _, c := range append(newMetrics("", nil, nil), newCalls(nil).collectors()...) {
			c.Describe(all)
		}
	}()
	var rows []string
	for d := range all {
		found := described.FindStringSubmatch(d.String())
		if found == nil {
			continue // of the Go runtime and of the process
		}
		kind := "gauge"
		if known := regexp.MustCompile(`(?m)^# TYPE ` + found[1] + ` (\w+)$`).FindStringSubmatch(scraped); known != nil {
			kind = known[1]
		} else if strings.HasSuffix(found[1], "_total") {
			kind = "counter"
		}
		help := strings.ReplaceAll(strings.ReplaceAll(found[2], `\"`, `"`), "|", `\|`)
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", found[1], kind, strings.ReplaceAll(found[3], ",", ", "), help))
	}
	slices.Sort(rows)
	if len(rows) < 30 {
		t.Fatalf("only %d metrics are described", len(rows))
	}
	page := `# Metrics

What ` + "`GET /metrics`" + ` tells Prometheus of serin, beside what its Go client tells of every process (` + "`go_*`, `process_*`" + `). A metric of a
canary is there while there is one. Labels have few values: names of models and versions that are served, and words of serin's own.

This page is written by ` + "`make docs`" + `, from the registry.

| metric | type | labels | what it is |
|---|---|---|---|
` + strings.Join(rows, "")
	if err := reference.Page("docs/reference/metrics.md", page); err != nil {
		t.Error(err)
	}
}
