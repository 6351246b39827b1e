package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"serin/internal/control"
	"serin/internal/rollout"
)

// judged is a live canary with the monitor's verdict.
func judged(v rollout.Verdict, sentence string) control.Health {
	h := live()
	h.Result.Finding = rollout.Finding{Verdict: rollout.Pass, Sentence: "no difference"}
	h.State.Rollout.Canary.SHA256 = strings.Repeat("ab", 32)
	h.Watch.Finding = rollout.Finding{Verdict: v, Sentence: sentence}
	return h
}

func ended(kind rollout.Kind, held bool) control.Health {
	h := live()
	h.State.Phase, h.State.Rollout, h.Rollout = rollout.Idle, nil, nil
	h.State.Last = &rollout.Ended{Rollout: "r1", Version: "model_v2", Event: kind, Actor: "ana", At: time.Unix(0, 0), Reason: "it was time"}
	if held {
		h.State.Past = []rollout.Past{{Rollout: "r1"}}
	}
	return h
}

// TestGates is the table of what opens which gate: a for advance, p for promote,
// r for rollback; in capitals if it is open.
func TestGates(t *testing.T) {
	t.Parallel()
	welch := judged(rollout.Insufficient, "nothing shown")
	welch.Result.Verdict = rollout.Fail
	passing := judged(rollout.Pass, "not slower")
	passing.Result.Verdict = rollout.Fail
	latched := judged(rollout.Insufficient, "nothing shown")
	latched.State.Rollout.Alarm = &rollout.Latched{}
	loading := judged(rollout.Insufficient, "")
	loading.State.Phase = rollout.Loading
	tests := []struct {
		name    string
		health  control.Health
		version string
		want    string
		says    string
	}{
		{"pass", judged(rollout.Pass, "not slower"), "", "APr", "pass: not slower"},
		{"nothing against it yet", judged(rollout.Insufficient, "nothing shown"), "", "Apr", "insufficient: nothing shown"},
		{"worse", judged(rollout.Fail, "2 ms\nslower"), "", "apR", "fail: 2 ms slower"},
		{"a broken split", judged(rollout.Invalid, "the split is off"), "", "apr", "invalid: the split is off"},
		{"a suspicion of the seed's rule", welch, "", "apr", "insufficient: nothing shown"},
		{"that suspicion against a pass", passing, "", "Apr", "pass: not slower"},
		{"an alarm of before", latched, "", "apR", "fail: nothing shown"},
		{"loading", loading, "", "apr", "loading: the canary is still loading"},
		{"none", ended(rollout.Promote, false), "", "apr", "none: no canary is active"},
		{"promoted", ended(rollout.Promote, false), "model_v2", "APr", "promoted: it was time"},
		{"promoted by its plan", ended(rollout.PeriodOver, false), "r1", "APr", "promoted: it was time"},
		{"rolled back by its plan", ended(rollout.PeriodOver, true), "r1", "apR", "rolled back: it was time"},
		{"rolled back", ended(rollout.Alarm, true), "model_v2", "apR", "rolled back: it was time"},
		{"refused", ended(rollout.LoadRefused, false), "model_v2", "apR", "rolled back: it was time"},
		{"by name", judged(rollout.Pass, "not slower"), "model_v2", "APr", "pass: not slower"},
		{"by digest", judged(rollout.Pass, "not slower"), strings.Repeat("ab", 32), "APr", "pass: not slower"},
		{"another version", judged(rollout.Pass, "not slower"), "model_v3", "apr", "none: model_v3 is not on trial"},
		{"another one that is over", ended(rollout.Promote, false), "model_v3", "apr", "none: model_v3 is not on trial"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, &scripted{health: tt.health})
			got := ""
			for _, gate := range []string{"advance", "promote", "rollback"} {
				body := `{"name":"churn","namespace":"prod","phase":"Progressing","checksum":"85d557f47b","metadata":{"version":"` + tt.version + `","extra":"1"}}`
				status, text, kind := postGate(t, server.URL+"/gate/"+gate, body)
				again, _, _ := postGate(t, server.URL+"/models/churn/gate/"+gate+"?version="+tt.version, "")
				letter := gate[:1]
				if status == http.StatusOK {
					letter = strings.ToUpper(letter)
				} else if status != http.StatusConflict {
					t.Errorf("%s: status %d: %s", gate, status, text)
				}
				if again != status || text != tt.says+"\n" || !strings.HasPrefix(kind, "text/plain") {
					t.Errorf("%s says %q (%s, by name %d); want %q", gate, text, kind, again, tt.says)
				}
				got += letter
			}
			if got != tt.want {
				t.Errorf("gates are %s; want %s", got, tt.want)
			}
			status, text := read(t, server.URL+"/gate/verdict?version="+tt.version)
			var flat map[string]any
			if err := json.Unmarshal([]byte(text), &flat); err != nil || status != http.StatusOK || len(flat) != 19 {
				t.Fatalf("%d, %d keys, %v: %s", status, len(flat), err, text)
			}
			for key, value := range flat {
				if _, isMap := value.(map[string]any); value == nil || isMap {
					t.Errorf("%s is %v", key, value)
				}
			}
			if verdict, _, _ := strings.Cut(tt.says, ":"); flat["verdict"] != strings.ReplaceAll(verdict, " ", "_") {
				t.Errorf("the verdict is %v; want %s", flat["verdict"], verdict)
			}
		})
	}
}

func TestGatesThatAreAskedWrongly(t *testing.T) {
	t.Parallel()
	p := &scripted{health: judged(rollout.Pass, "not slower")}
	server := serve(t, p)
	for _, tt := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/gate/advance", "{", 400, "the body is not one JSON value"},
		{"/gate/advance", `{"metadata":{"model":7}}`, 422, "expected string"},
		{"/gate/advance", `{"metadata":{"model":"spam"}}`, 404, "there is no model spam. This server has churn."},
		{"/models/spam/gate/promote", "", 404, "there is no model spam"},
		{"/models/churn/gate/promote", `{"metadata":{"model":"spam"}}`, 400, "name one"},
		{"/gate/promote?version=v2", `{"metadata":{"version":"v3"}}`, 400, "the address names v2 and the metadata v3"},
		{"/gate/advance", strings.Repeat(" ", maxBody+1), 413, "larger than"},
		{"/gate/close", "", 404, "/gate/advance"},
	} {
		if status, text, _ := postGate(t, server.URL+tt.path, tt.body); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %.30s: %d %s; want %d and %q", tt.path, tt.body, status, text, tt.status, tt.want)
		}
	}
	if status, text := read(t, server.URL+"/gate/advance"); status != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d %s", status, text)
	}
	if p.asked.Kind != "" {
		t.Errorf("a gate has asked for %s", p.asked.Kind)
	}
}

func postGate(t *testing.T, url, body string) (status int, text, kind string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data), res.Header.Get("Content-Type")
}

func read(t *testing.T, url string) (status int, text string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}
