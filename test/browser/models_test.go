package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSeveralModels: the first page lists them, a command is one model's alone,
// and an address that names none of them leads to those that are there.
func TestSeveralModels(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	binary, folder := place(t)
	s := serve(t, binary, folder, "--model", "churn=models/model_v1.joblib", "--model", "fraud=models/model_v1.joblib")
	stopAtEnd(t, s)
	b := open(browser, t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("h2", "2 models, 0 on trial, none in alarm")
	b.do(chromedp.Click(`//a[text()="fraud"]`, chromedp.NodeVisible))
	b.says("h1", "fraud")
	b.press("Deploy …")
	b.fill("Path", "models/model_v2.joblib")
	b.press("Deploy")
	b.says(".banner", "model_v2 is live")
	b.do(chromedp.Click(chromedp.CSS("a.others"), chromedp.NodeVisible))
	b.says("h2", "2 models, 1 on trial, none in alarm")
	b.says("tr", "churnNo canary")
	b.says("tr", "fraudWaiting for data")
	b.visit(s.URL, "/#/nobody")
	b.do(chromedp.Reload())
	b.says(".banner", "There is no model nobody")
	b.says("tr", "churn")
}
