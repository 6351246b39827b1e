package browser_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"serin/test/postgres"
	"serin/test/program"
)

// TestRelease walks a bad release to its end, with names that try to be markup:
// deploy by a path, with its own policy, drill, alert, alarm, rollback.
func TestRelease(t *testing.T) {
	t.Parallel()
	ready(t)
	file := filepath.Join("models", evil+".joblib")
	data, err := os.ReadFile(filepath.Join(stage.folder, "models", "model_v2.joblib"))
	if err == nil {
		err = os.WriteFile(filepath.Join(stage.folder, file), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	url := stage.server.URL
	traffic(t, url, "release")
	b := open(t, 1280, "light")
	b.visit(url, "/#/release")
	b.says("h1", "release")
	b.says("h2", "No canary is on trial")
	b.says("footer", "every change is on disk before it is in force")
	b.press("Deploy …")
	b.says("dialog .happens", "10 % of the requests for 1h")
	b.fill("Path", file)
	b.fill("Share", "50")
	b.fill("For how long", "30m")
	b.do(chromedp.Click(`//summary[text()="How it is judged"]`, chromedp.NodeVisible))
	b.choose("At the end", "promote")
	b.fill("Slowdown that", "25")
	b.fill("Fewest requests", "30")
	b.says("dialog .happens", "50 % of the requests for 30m of serving time")
	b.says("dialog .happens", "At its end, it is promoted if it has passed")
	b.fill("Why", "because "+evil)
	b.fill("Your name", evil)
	b.press("Deploy")
	b.says(".banner", "is live with 50%")
	b.says(".facts", evil)
	b.says(".timeline", "By "+evil)
	b.says(".timeline", "because "+evil)
	var plan struct {
		MinSamples int `json:"min_samples"`
	}
	if err := stage.server.Admin(t.Context(), "models/release/check-canary-health", nil, &plan); err != nil || plan.MinSamples != 30 {
		t.Errorf("the plan is %+v (%v)", plan, err)
	}
	b.press("Drill …")
	b.says("dialog .happens", "slowed down on purpose")
	b.press("Start it")
	b.says(".eyebrow", "a drill is on")
	b.says(".eyebrow", "Alert")
	b.says(".sentence", "slower")
	b.says(".eyebrow", "Alarm")
	b.says(".timeline .what", "The monitor raised an alarm")
	b.says("footer .saved", "evidence on disk as of")
	b.do(chromedp.Click(chromedp.CSS(".timeline summary"), chromedp.NodeVisible))
	b.says(".timeline .grounds", "ln e =")
	b.accessible("a model in alarm", "light")
	// One press, by the keyboard, and nobody is asked.
	b.do(chromedp.Focus(chromedp.CSS(".actions button.danger")), chromedp.KeyEvent("\r"))
	b.says("h2", evil+" was rolled back by "+evil)
	b.says(".timeline .what", evil+" was rolled back.")
	b.says(".second", "Its last verdict")
	b.accessible("a rollout that has ended", "light")
	b.plain()
}

// plain holds that no name became markup.
func (b *tab) plain() {
	b.t.Helper()
	if n := evaluate[int](b, "document.querySelectorAll('img, dialog').length"); n != 0 {
		b.t.Errorf("%d elements that nobody made", n)
	}
}

// TestUploadAndPromote: a file from the reader's machine, a refusal in the
// server's words, and a promotion.
func TestUploadAndPromote(t *testing.T) {
	t.Parallel()
	ready(t)
	url := stage.server.URL
	b := open(t, 390, "dark")
	b.visit(url, "/#/upload")
	b.press("Deploy …")
	b.fill("Path", "models/nothing.joblib")
	b.press("Deploy")
	b.says("dialog [role=alert]", "models/nothing.joblib")
	b.accessible("a refusal", "dark")
	b.press("Upload")
	b.send("model_v2.joblib")
	b.fill("Share", "50")
	b.press("Deploy")
	b.says(".banner", "model_v2 is live with 50%")
	b.says(".eyebrow", "Waiting for data")
	b.press("Promote …")
	b.says("dialog .happens", "becomes stable")
	b.press("Promote")
	b.says("dialog [role=alert]", "not enough data")
	b.press("Cancel")
	b.gone("dialog")
	traffic(t, url, "upload")
	b.says(".eyebrow", "Healthy so far")
	b.press("Promote …")
	b.press("Promote")
	b.says("h2", "model_v2 was promoted by dashboard")
	b.says(".facts", "model_v2")
}

// send puts one of the example models into the field for a file.
func (b *tab) send(name string) {
	b.t.Helper()
	b.do(chromedp.SetUploadFiles(chromedp.CSS("dialog input[type=file]"), []string{filepath.Join(stage.folder, "models", name)}))
}

// TestRefusedFeature: what a file calls its features is text in the refusal, too.
func TestRefusedFeature(t *testing.T) {
	t.Parallel()
	ready(t)
	data, err := os.ReadFile(filepath.Join(stage.folder, named))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), evil+".json")
	if err := os.WriteFile(name, bytes.Replace(data, []byte(`"a"`), []byte(`"`+evil+`"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, 1280, "light")
	b.visit(stage.server.URL, "/#/features")
	b.press("Deploy …")
	b.press("Upload")
	b.do(chromedp.SetUploadFiles(chromedp.CSS("dialog input[type=file]"), []string{name}))
	b.press("Deploy")
	b.says("dialog [role=alert]", evil)
	b.press("Cancel")
	b.gone("dialog")
	b.says("h2", evil+" was refused")
	b.says(".timeline .what", evil+" was refused")
	b.plain()
}

// TestForcedPromotion: against the verdict only by saying so and why, and the
// journal has both.
func TestForcedPromotion(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "light")
	b.visit(stage.server.URL, "/#/forced")
	b.deploy("100")
	b.press("Promote …")
	if evaluate[bool](b, "!!document.querySelector('dialog .check')") {
		t.Error("a promotion may be forced before it was refused")
	}
	b.press("Promote")
	b.says("dialog [role=alert]", "not enough data")
	b.do(chromedp.Click(chromedp.CSS("dialog .check input"), chromedp.NodeVisible))
	b.press("Promote all the same")
	if !evaluate[bool](b, "document.querySelector('dialog :invalid:not(form)').closest('label').textContent.startsWith('Why')") {
		t.Error("a reason is not asked for")
	}
	b.fill("Why", "the on-call says so")
	b.press("Promote all the same")
	b.says("h2", "model_v2 was promoted by dashboard")
	b.says(".timeline .why", "the on-call says so")
}

// deploy takes model_v2 live by its path, at a share in percent.
func (b *tab) deploy(share string) {
	b.t.Helper()
	b.press("Deploy …")
	b.fill("Path", "models/model_v2.joblib")
	b.fill("Share", share)
	b.press("Deploy")
	b.says(".banner", "model_v2 is live")
}

// TestShareAndDrill: another share, a drill that is ended, and a press on rollback.
func TestShareAndDrill(t *testing.T) {
	t.Parallel()
	ready(t)
	b := open(t, 1280, "dark")
	b.visit(stage.server.URL, "/#/share")
	b.deploy("10")
	b.press("Share …")
	b.says("dialog .happens", "instead of 10.0")
	b.fill("Share", "25")
	b.press("Change")
	b.says(".facts", "25.0 % planned")
	b.says(".timeline", "The share is 25 % now")
	b.press("Drill …")
	b.press("Start it")
	b.says(".timeline", "A drill began")
	b.press("End drill …")
	b.press("End it")
	b.says(".timeline", "The drill ended")
	b.press("Roll back")
	b.says("h2", "model_v2 was rolled back by dashboard")
}

// TestSeveralModels: the first page lists them, a command is one model's alone,
// and an address that names none of them leads to those that are there.
func TestSeveralModels(t *testing.T) {
	t.Parallel()
	ready(t)
	folder := place(t)
	s := serve(t, folder, "--model", "churn=models/model_v1.joblib", "--model", "fraud=models/model_v1.joblib")
	stopAtEnd(t, s)
	b := open(t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("h2", "2 models, none on trial, none in alarm")
	b.do(chromedp.Click(`//a[text()="fraud"]`, chromedp.NodeVisible))
	b.says("h1", "fraud")
	b.deploy("10")
	b.do(chromedp.Click(chromedp.CSS("a.others"), chromedp.NodeVisible))
	b.says("h2", "2 models, 1 on trial, none in alarm")
	b.says("tr", "churnNo canary")
	b.says("tr", "fraudWaiting for data")
	b.accessible("all models", "light")
	b.visit(s.URL, "/#/"+strings.ReplaceAll(evil, " ", "%20"))
	b.do(chromedp.Reload())
	b.says(".banner", "There is no model "+evil)
	b.says("tr", "churn")
	b.plain()
}

// TestStale: a page whose server has gone says so, and finds it again by itself,
// with the canary that was live.
func TestStale(t *testing.T) {
	t.Parallel()
	ready(t)
	folder := place(t)
	s := serve(t, folder)
	b := open(t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("h2", "No canary")
	b.says(".pulse", "live")
	b.deploy("10")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	b.says(".banner", "Not live.")
	b.says(".pulse", "not live")
	b.accessible("a page whose server has gone", "light")
	b.press("Roll back")
	b.says(".banner", "The server does not answer, so it is not known whether this was done")
	again := serve(t, folder, "--listen", strings.TrimPrefix(s.URL, "http://"))
	stopAtEnd(t, again)
	b.says(".pulse.on", "live")
	b.says(".timeline", "serin was started again with the canary live")
	b.says(".eyebrow", "Waiting for data")
}

// TestReplicas: the page of one says how the others stand, and that it does not know
// when the store is away.
func TestReplicas(t *testing.T) {
	t.Parallel()
	ready(t)
	store, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	begin := func(name string) *program.Server {
		s := serve(t, place(t), "--store", store.URL, "--replica-id", name, "--isolation-timeout", "5s")
		t.Cleanup(func() { _ = s.Kill() }) // one that has ended already says so
		return s
	}
	first := begin("first")
	begin("second")
	b := open(t, 1280, "light")
	b.visit(first.URL, "/")
	b.says(".says", "2 replicas live. All serve what was decided.")
	b.says(".card th", "first (this one)")
	b.accessible("two replicas", "light")
	if err := store.Stop(); err != nil {
		t.Fatal(err)
	}
	b.says(".says", "The store is not heard here")
	b.says(".here", "serves stable only")
	b.accessible("a replica alone", "light")
}

// TestKeys: with keys a browser logs in, a viewer sees and does not act, a deployer
// acts in the name of his key, and whose key is taken out is told so.
func TestKeys(t *testing.T) {
	t.Parallel()
	ready(t)
	folder := place(t)
	file := filepath.Join(folder, "keys")
	viewer, deployer := mint(t, "vera", "viewer"), mint(t, "dan", "deployer")
	if err := os.WriteFile(file, []byte(viewer.line+deployer.line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, folder, "--keys", file)
	stopAtEnd(t, s)
	b := open(t, 1280, "light")
	b.visit(s.URL, "/")
	b.says("label", "Token")
	b.accessible("the way in", "light")
	b.login("serin_wrong")
	b.says("[role=alert]", "The token is not known here")
	b.visit(s.URL, linked(t, s.URL, viewer.token))
	b.says("label", "A link has brought you here")
	b.accessible("the way in by a link", "light")
	b.press("Log in")
	b.says("h2", "No canary is on trial")
	b.says(".second", "The key vera may look and not act")
	b.says("footer", "this one is vera’s")
	b.accessible("a viewer's page", "light")
	b.press("Log out")
	b.says("label", "Token")
	b.login(deployer.token)
	b.says("footer", "this one is dan’s")
	b.press("Deploy …")
	b.says("dialog .hint", "The journal will say that dan did it")
	b.fill("Path", "models/model_v2.joblib")
	b.press("Deploy")
	b.says(".timeline", "model_v2 was deployed. By dan")
	if err := os.WriteFile(file, []byte(viewer.line), 0o600); err != nil {
		t.Fatal(err)
	}
	b.says(".banner", "Who are you?")
	b.do(chromedp.Click(`//a[text()="Log in"]`, chromedp.NodeVisible))
	b.says("label", "Token")
}

// key is what serin token new has made.
type key struct{ token, line string }

func mint(t *testing.T, name, role string) key {
	t.Helper()
	var made key
	var token, line bytes.Buffer
	cmd := exec.CommandContext(t.Context(), stage.binary, "token", "new", "--name", name, "--role", role)
	cmd.Stdout, cmd.Stderr = &line, &token
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, &token)
	}
	made.line = line.String()
	for word := range strings.FieldsSeq(token.String()) {
		if strings.HasPrefix(word, "serin_") {
			made.token = word
		}
	}
	return made
}

// linked is where the path leads that serin token link prints.
func linked(t *testing.T, url, token string) (path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), stage.binary, "token", "link", "--server", url)
	cmd.Env = append(os.Environ(), "SERIN_TOKEN="+token)
	printed, err := cmd.Output()
	for word := range strings.FieldsSeq(string(printed)) {
		if at, found := strings.CutPrefix(word, url); found {
			path = at
		}
	}
	if err != nil || path == "" {
		t.Fatalf("%q, %v", printed, err)
	}
	return path
}

func (b *tab) login(token string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#token"), token+"\r", chromedp.NodeVisible))
}
