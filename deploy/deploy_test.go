// Package deploy_test holds the files for other systems to what serin is: promtool
// checks the alerts and tests them, and reads every query of the dashboard; and each
// metric and label that is asked for is in a real scrape of the built binary.
package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"serin/test/program"
)

// promtool finds Prometheus' tool: on the path, or where scripts/setup-tests puts it.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		path, err = filepath.Abs("../bin/promtool")
		if err == nil {
			_, err = os.Stat(path)
		}
	}
	if err == nil {
		return path
	}
	if os.Getenv("SERIN_TEST_FULL") == "1" {
		t.Fatalf("no promtool: %v; scripts/setup-tests brings it", err)
	}
	t.Skip("no promtool; scripts/setup-tests brings it")
	return ""
}

func run(t *testing.T, dir, tool string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	run(t, "prometheus", tool, "check", "rules", "alerts.yml")
	run(t, "prometheus", tool, "test", "rules", "alerts_test.yml")
}

// rules is a file of alerts.
type rules struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	Name  string `yaml:"name"`
	Rules []rule `yaml:"rules"`
}

type rule struct {
	Alert  string `yaml:"alert,omitempty"`
	Record string `yaml:"record,omitempty"`
	Expr   string `yaml:"expr"`
}

func alerts(t *testing.T) (all rules) {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yml")
	if err == nil {
		err = yaml.Unmarshal(text, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEveryAlertIsTested: an alert that nobody has seen raised is none.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	tests, err := os.ReadFile("prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if !regexp.MustCompile(`alertname: ` + r.Alert + `\n +eval_time: \w+\n +exp_alerts:`).Match(tests) {
				t.Errorf("alerts_test.yml does not see %s raised", r.Alert)
			}
		}
	}
}

// dashboard is what Grafana imports, as far as it is about data.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Type    string
		Title   string
		Targets []struct{ Expr string }
	}
	Annotations struct{ List []struct{ Expr string } }
	Templating  struct {
		List []struct{ Name, Type, Definition string }
	}
}

// queries are those of the dashboard, with values in the place of its variables.
func queries(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("grafana/serin.json")
	var d dashboard
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q: its id is another one's, or it asks nothing", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		all = append(all, a.Expr)
	}
	if len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" || d.UID == "" || d.Title == "" {
		t.Error("the dashboard has no datasource to choose, or no name")
	}
	replace := strings.NewReplacer("$__rate_interval", "1m", "$model", ".*", "$instance", ".*")
	for i := range all {
		if all[i] = replace.Replace(all[i]); strings.Contains(all[i], "$") {
			t.Errorf("an unknown variable in %s", all[i])
		}
	}
	return all
}

// TestDashboardAsksInPromQL has promtool read each query, as if it was a rule.
func TestDashboardAsksInPromQL(t *testing.T) {
	t.Parallel()
	tool := promtool(t)
	g := group{Name: "dashboard"}
	for i, q := range queries(t) {
		g.Rules = append(g.Rules, rule{Record: fmt.Sprintf("query_%d", i), Expr: q})
	}
	text, err := yaml.Marshal(rules{Groups: []group{g}})
	dir := t.TempDir()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "queries.yml"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, tool, "check", "rules", "queries.yml")
}

var (
	metricName = regexp.MustCompile(`\b(?:serin|process)_\w+`)
	selector   = regexp.MustCompile(`\b((?:serin|process)_\w+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`(\w+) *(?:=~|!~|!=|=)`)
)

// TestWhatIsAskedForIsThere: the metrics of the alerts and of the dashboard, and their
// labels, are in a scrape of a server with a canary that the monitor has looked at.
func TestWhatIsAskedForIsThere(t *testing.T) {
	t.Parallel()
	found := scraped(t)
	all := queries(t)
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			all = append(all, r.Expr)
		}
	}
	known := func(name string) *dto.MetricFamily {
		for _, suffix := range []string{"", "_sum", "_count"} {
			if f := found[strings.TrimSuffix(name, suffix)]; f != nil {
				return f
			}
		}
		return nil
	}
	for _, q := range all {
		for _, name := range metricName.FindAllString(q, -1) {
			if known(name) == nil {
				t.Errorf("there is no %s, which is asked for in %s", name, q)
			}
		}
		for _, s := range selector.FindAllStringSubmatch(q, -1) {
			labels := map[string]bool{"instance": true, "job": true} // Prometheus' own
			for _, l := range known(s[1]).GetMetric()[0].GetLabel() {
				labels[l.GetName()] = true
			}
			for _, l := range labelName.FindAllStringSubmatch(s[2], -1) {
				if !labels[l[1]] {
					t.Errorf("%s has no label %s, which is asked for in %s", s[1], l[1], q)
				}
			}
		}
	}
}

// scraped is what Prometheus would read of a serin with a canary, ten seconds old.
func scraped(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	folder := t.TempDir()
	binary, err := program.Build(t.Context(), folder)
	if err == nil {
		err = program.Workplace(t.Context(), folder)
	}
	if err != nil {
		t.Fatal(err)
	}
	deaf := httptest.NewServer(http.NotFoundHandler())
	defer deaf.Close()
	server, err := program.Start(context.WithoutCancel(t.Context()), binary, folder, "--webhook", deaf.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := server.Admin(t.Context(), "deploy-canary", map[string]any{"model_path": "models/model_v2.joblib"}, nil); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		for range 20 {
			ask(t, http.MethodPost, server.URL+"/predict", `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		found, err := parser.TextToMetricFamilies(strings.NewReader(ask(t, http.MethodGet, server.URL+"/metrics", "")))
		if err != nil {
			t.Fatal(err)
		}
		if found["serin_canary_latency_ratio"] != nil { // the monitor has looked
			return found
		}
		if time.Now().After(limit) {
			t.Fatal("the monitor does not look")
		}
	}
}

func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", url, res.Status, text, err)
	}
	return string(text)
}
