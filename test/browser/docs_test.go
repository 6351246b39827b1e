package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDocs opens the interactive description of the API and sends the request that
// it proposes, of a model and by a model's name.
func TestDocs(t *testing.T) {
	t.Parallel()
	ready(t)
	s := serve(t, place(t), "--model", "churn=models/model_v1.joblib", "--model", "fraud=models/model_v2.joblib")
	stopAtEnd(t, s)
	b := open(t, 1280, "light")
	b.visit(s.URL, "/docs")
	b.says("h1, h2", "serin")
	b.says(".opblock-tag-section", "inference")
	evaluate[bool](b, accessibility(t))
	b.accessible("/docs", "light")
	// axe-core passes over what has no width at all, and sees it on its way there.
	if width := evaluate[float64](b, "Math.min(...[...document.querySelectorAll('.opblock-summary .copy-to-clipboard')].map(copy => copy.getBoundingClientRect().width))"); width < 24 {
		t.Errorf("what copies a path is %v pixels wide where no pointer is over it", width)
	}
	for operation, answer := range map[string]string{"predict": `"model_version": "model_v1"`, "predict-by-model": `"model_used": "stable"`} {
		block := "#operations-inference-" + operation
		b.do(chromedp.Click(chromedp.CSS(block+" .opblock-summary-control"), chromedp.NodeVisible))
		b.says(block+" textarea", "monthly_charges")
		b.accessible("/docs with "+operation, "light")
		b.do(chromedp.Click(chromedp.CSS(block+" .execute"), chromedp.NodeVisible))
		b.says(block+" .live-responses-table", answer)
		b.accessible("/docs with an answer of "+operation, "light")
	}
	b.visit(s.URL, "/docs/errors#no_canary") // which is all ours, and held to every rule
	b.says("h2", "no_canary")
	evaluate[bool](b, accessibility(t))
	b.accessible("/docs/errors", "light")
}
