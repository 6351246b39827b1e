package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/train"
)

func newDemo(c term.Console) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See a slow release rolled back and a good one promoted, in seconds",
		Long: `See a slow release rolled back and a good one promoted.

The demo fits two models, starts a server on a free loopback port with a state
directory of its own, and plays both scenarios over HTTP. It exits with 0 only
if both end as they should, and leaves nothing behind.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), c)
		},
	}
}

func runDemo(ctx context.Context, c term.Console) (err error) {
	dir, err := os.MkdirTemp("", "serin-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{out: c.Out, live: c.Watched()}
	d.title("Two versions of a churn model")
	models := filepath.Join(dir, "models")
	reports, err := train.WriteSeedModels(models)
	if err != nil {
		return err
	}
	for _, r := range reports {
		d.say("fitted models/%s on %d invented customers: accuracy %.1f %% on others", filepath.Base(r.Path), r.Rows, 100*r.HeldOut.Accuracy)
	}
	config := app.Default()
	config.Listen, config.Root, config.Data, config.Version, config.Drain = "127.0.0.1:0", dir, filepath.Join(dir, "serin-data"), version(), 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	go func() { ended <- app.Run(ctx, config, func(r app.Ready) { ready <- r }) }()
	select {
	case r := <-ready:
		d.url = r.URL
	case err := <-ended:
		return err
	}
	if d.admin, err = api.NewClient(d.url, "demo"); err != nil {
		return err
	}
	d.say("serving %s on %s", "models/model_v1.joblib", d.url)
	played := d.play(ctx)
	cancel()
	if err := errors.Join(played, <-ended); err != nil {
		return err
	}
	d.title("Both scenarios ended as they should.")
	d.say("serve your own model: serin serve --model FILE")
	return nil
}

// demo is the seed's two scenarios, step by step, through the HTTP door.
type demo struct {
	out   io.Writer
	live  bool // somebody watches a terminal
	url   string
	admin *api.Client
}

func (d *demo) play(ctx context.Context) error {
	if err := d.degraded(ctx); err != nil {
		return fmt.Errorf("scenario 1: %w", err)
	}
	if err := d.healthy(ctx); err != nil {
		return fmt.Errorf("scenario 2: %w", err)
	}
	return nil
}

// degraded is scenario 1: performance degradation, rollback.
func (d *demo) degraded(ctx context.Context) error {
	d.title("Scenario 1: the canary becomes slow and is rolled back")
	if err := d.release(ctx); err != nil {
		return err
	}
	s, err := d.admin.ToggleSlowdown(ctx)
	if err != nil {
		return err
	}
	d.step("POST /admin/toggle-slowdown")
	d.say("simulate_slowdown is %v: canary predictions take 20 ms longer", s.SimulateSlowdown)
	if err := d.traffic(ctx, 200, 20); err != nil {
		return err
	}
	if err := d.check(ctx, true); err != nil {
		return err
	}
	d.step("POST /admin/rollback-canary")
	change, err := d.admin.Rollback(ctx, api.RollbackRequest{})
	if err != nil {
		return err
	}
	d.say("%s", change.Message)
	return d.confirm(ctx, "model_v1")
}

// healthy is scenario 2: promotion.
func (d *demo) healthy(ctx context.Context) error {
	d.title("Scenario 2: the canary is healthy and is promoted")
	if err := d.release(ctx); err != nil {
		return err
	}
	d.step("POST /admin/promote-canary")
	change, err := d.admin.Promote(ctx, api.PromoteRequest{})
	if err != nil {
		return err
	}
	d.say("%s", change.Message)
	return d.confirm(ctx, "model_v2")
}

// release deploys a canary, lets it answer, and wants no alert.
func (d *demo) release(ctx context.Context) error {
	if err := d.deploy(ctx); err != nil {
		return err
	}
	if err := d.traffic(ctx, 200, 20); err != nil {
		return err
	}
	return d.check(ctx, false)
}

func (d *demo) deploy(ctx context.Context) error {
	d.step(`POST /admin/deploy-canary {"model_path": "models/model_v2.joblib"}`)
	change, err := d.admin.Deploy(ctx, api.DeployRequest{ModelPath: "models/model_v2.joblib"})
	if err != nil {
		return err
	}
	d.say("%s", change.Message)
	return nil
}

// prediction is what the demo reads of an answer.
type prediction struct {
	Probability  float64 `json:"probability"`
	Prediction   int     `json:"prediction"`
	ModelUsed    string  `json:"model_used"`
	ModelVersion string  `json:"model_version"`
}

const exampleRow = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`

func (d *demo) predict(ctx context.Context) (prediction, error) {
	var p prediction
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/predict", bytes.NewReader([]byte(exampleRow)))
	if err != nil {
		return p, fmt.Errorf("making a prediction request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return p, fmt.Errorf("predicting: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return p, fmt.Errorf("predicting: %s %s: %w", res.Status, body, err)
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("reading a prediction: %w", err)
	}
	return p, nil
}

// traffic sends requests one after the other and wants an exact share for the
// canary.
func (d *demo) traffic(ctx context.Context, requests, want int) error {
	d.step(fmt.Sprintf("POST /predict %s, %d times", exampleRow, requests))
	canary, begun := 0, time.Now()
	for i := range requests {
		p, err := d.predict(ctx)
		if err != nil {
			return err
		}
		if p.ModelUsed == "canary" {
			canary++
		}
		d.progress(i+1, requests, canary)
	}
	d.say("%d requests in %v: %d answered by stable, %d by the canary", requests, time.Since(begun).Round(time.Millisecond), requests-canary, canary)
	if canary != want {
		return fmt.Errorf("the canary answered %d of %d requests, want exactly %d", canary, requests, want)
	}
	return nil
}

func (d *demo) check(ctx context.Context, alert bool) error {
	d.step("GET /admin/check-canary-health")
	h, err := d.admin.Check(ctx)
	if err != nil {
		return err
	}
	d.say("alert_triggered %v: %s", h.AlertTriggered, h.Finding)
	d.say("stable %s, canary %s on average; t = %.3g, df = %.3g, p = %.3g at look %d",
		milliseconds(h.StableAvgLatencyMS), milliseconds(h.CanaryAvgLatencyMS), h.TStatistic, h.DegreesOfFreedom, h.PValue, h.Look)
	if h.AlertTriggered != alert {
		return fmt.Errorf("alert_triggered is %v, want %v", h.AlertTriggered, alert)
	}
	return nil
}

// confirm wants every request to be answered by one version.
func (d *demo) confirm(ctx context.Context, version string) error {
	d.step("POST /predict " + exampleRow)
	const requests = 20
	var p prediction
	for range requests {
		var err error
		if p, err = d.predict(ctx); err != nil {
			return err
		}
		if p.ModelUsed != "stable" || p.ModelVersion != version {
			return fmt.Errorf("%s answered as %s, want only %s as stable", p.ModelVersion, p.ModelUsed, version)
		}
	}
	d.say("probability %.4f, prediction %d; %d of %d answered by %s as stable", p.Probability, p.Prediction, requests, requests, version)
	return nil
}

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n%s\n", text) }

func (d *demo) step(text string) { fmt.Fprintf(d.out, "  $ %s\n", text) }

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, "    "+format+"\n", args...) }

// progress redraws one line on a terminal.
func (d *demo) progress(done, of, canary int) {
	if !d.live {
		return
	}
	const width = 30
	filled := width * done / of
	end := ""
	if done == of {
		end = "\r\x1b[K"
	}
	fmt.Fprintf(d.out, "\r    [%s%s] %d/%d, canary %d%s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, of, canary, end)
}
