package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"serin/internal/rollout"
)

// message is an event as it is posted: the same bytes at every try.
type message struct {
	id, kind string
	header   http.Header
	body     []byte
}

// compose encodes an event in a hook's way.
func compose(e *Event, way Kind) (*message, error) {
	c := describe(e)
	m := &message{id: c.ID, kind: c.Type, header: http.Header{}}
	var v any = c
	switch way {
	case Slack:
		v = announce(&c)
		m.header.Set("Content-Type", "application/json")
	case Binary:
		v = c.Data
		m.header.Set("Content-Type", c.ContentType)
		for name, value := range map[string]string{
			"specversion": c.SpecVersion, "id": c.ID, "source": c.Source, "type": c.Type, "subject": c.Subject, "time": c.Time.Format(time.RFC3339Nano),
		} {
			if value != "" {
				m.header.Set("Ce-"+name, value)
			}
		}
	default:
		m.header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	}
	m.header.Set("Webhook-Id", c.ID)
	var err error
	if m.body, err = json.Marshal(v); err != nil {
		return nil, fmt.Errorf("encoding event %d: %w", e.Seq, err)
	}
	return m, nil
}

// sign adds the headers of Standard Webhooks: one signature for each secret, of the
// id, the second of this try, and the body.
func (m *message) sign(header http.Header, at time.Time, secrets [][]byte) {
	second := strconv.FormatInt(at.Unix(), 10)
	header.Set("Webhook-Timestamp", second)
	var signatures []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprintf(mac, "%s.%s.", m.id, second)
		mac.Write(m.body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if signatures != nil {
		header.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
}

// announcement is what Slack's incoming web hooks take.
type announcement struct {
	Text   string  `json:"text"`
	Blocks []block `json:"blocks"`
}

type block struct {
	Type string `json:"type"`
	Text text   `json:"text"`
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// announce says an event in a line, and below it what was found. Slack takes 3000
// characters in a block, and a character may become five.
func announce(c *cloudEvent) announcement {
	model, said := plain(c.Data.Model, 50), plain(sentence(&c.Data), 300)
	body := "*" + model + "*: " + said
	if c.Data.Sentence != "" {
		body += "\n>" + plain(c.Data.Verdict+": "+c.Data.Sentence, 200)
	}
	return announcement{
		Text:   model + ": " + said,
		Blocks: []block{{"section", text{"mrkdwn", body}}},
	}
}

// sentence is what has happened, in words.
func sentence(f *facts) string {
	what := map[rollout.Kind]string{
		rollout.Install:     f.Stable + " is installed as stable",
		rollout.Deploy:      f.Canary + " is being loaded as a canary",
		rollout.Loaded:      fmt.Sprintf("canary %s is live with %.4g %% of the requests", f.Canary, 100*f.Weight),
		rollout.LoadRefused: "canary " + f.Canary + " is refused",
		rollout.Rollback:    "canary " + f.Canary + " is rolled back; " + f.Stable + " answers every request",
		rollout.Promote:     f.Stable + " is promoted and answers every request",
		rollout.Drill:       map[bool]string{true: "a drill begins: canary predictions are slowed down on purpose", false: "the drill is over"}[f.Drill],
		rollout.PeriodOver:  "the observation of canary " + f.Canary + " is over",
		rollout.Alert:       "Welch's test raises an alert about canary " + f.Canary,
		rollout.Alarm:       "the monitor raises an alarm about canary " + f.Canary,
		rollout.Reweigh:     fmt.Sprintf("canary %s gets %.4g %% of the requests now", f.Canary, 100*f.Weight),
		rollout.Resume:      "serin has started again, with canary " + f.Canary + " live",
		rollout.Crash:       "canary " + f.Canary + " took the process down and is out",
	}[rollout.Kind(f.Event)]
	if what == "" {
		what = f.Event
	}
	if f.Rollout != "" {
		what += " (" + f.Rollout + ")"
	}
	if f.Actor != "" {
		what += ", by " + f.Actor
	}
	if f.Reason != "" {
		what += ": " + f.Reason
	}
	return what
}

// plain makes text from elsewhere fit for Slack, whose links and mentions are in
// <>, and bounds it in characters.
func plain(s string, longest int) string {
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest-1]) + "…"
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ", "\r", " ").Replace(s)
}
