package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"serin/internal/app"
	"serin/internal/model/rows"
)

// announce says what is served, and what to type next. The models are chosen where
// somebody named them, and it is not the default one.
func announce(w io.Writer, r app.Ready, c app.Config, chosen bool) {
	first := &r.Models[0]
	if len(r.Models) == 1 {
		announceOne(w, r.URL, first)
	} else {
		announceAll(w, r.URL, r.Models)
	}
	if at := cmp.Or(r.Admin, r.URL); !strings.HasPrefix(at, "unix:") { // which no browser opens
		fmt.Fprintf(w, "  dashboard   %s/\n", at)
	}
	if r.GRPC != "" {
		fmt.Fprintf(w, "  gRPC        %s, Open Inference Protocol\n", r.GRPC)
	}
	fmt.Fprintf(w, "  state       %s, durable (fsync) before anything is acknowledged\n", c.Data)
	if c.Admission.Locked() {
		fmt.Fprintf(w, "  control     at %s; every call takes a key, and so does a prediction\n", cmp.Or(r.Admin, r.URL))
	} else {
		fmt.Fprintf(w, "  control     open to every process of this machine; no credentials\n")
	}
	next := "serin deploy FILE"
	for i := range r.Models {
		m := &r.Models[i]
		s := m.State
		of := ""
		if len(r.Models) > 1 {
			of = " --model " + s.Model
		}
		if s.Rollout != nil {
			fmt.Fprintf(w, "  canary      %s goes on in rollout %s%s with %s of the requests\n", s.Rollout.Canary.Name, s.Rollout.ID, ofModel(r, s.Model), s.Rollout.Weight)
			next = "serin status"
		}
		if chosen && m.Named && m.Given != s.Stable.Path {
			fmt.Fprintf(w, "  note        --model %s is not served: the state directory goes on with %s; release the file with serin deploy%s\n", m.Given, s.Stable.Path, of)
		}
		if m.Changed {
			fmt.Fprintf(w, "  note        %s has changed since it was deployed, and the copy from then is served; release it with serin deploy%s\n", s.Stable.Path, of)
		}
	}
	if len(r.Resting) > 0 {
		fmt.Fprintf(w, "  note        the state directory knows other models, too, which are left as they are: %s\n", strings.Join(r.Resting, ", "))
	}
	if len(r.Models) > 1 && next == "serin deploy FILE" {
		next = "serin deploy FILE --model NAME"
	}
	example := strings.ReplaceAll(rows.NewSchema(first.Signature).Example(), "'", `'\''`)
	fmt.Fprintf(w, "try\n  curl -X POST %s/predict -H 'Content-Type: application/json' -d '{\"features\": %s}'\n", forCurl(r.URL), example)
	fmt.Fprintf(w, "next\n  %s%s\nstarted at %s; Ctrl-C stops it\n", next, serverFlag(r.URL), time.Now().Format(time.RFC3339))
}

func announceOne(w io.Writer, url string, m *app.Serving) {
	s := m.State
	fmt.Fprintf(w, "serin serves %s on %s\n", s.Stable.Name, url)
	fmt.Fprintf(w, "  model       %s\n", described(m))
	fmt.Fprintf(w, "  sha256      %s\n", s.Stable.SHA256)
	if n := s.Stable.GoldenRows; n > 0 {
		fmt.Fprintf(w, "  golden      all %d predictions that came with it are reproduced\n", n)
	}
}

func announceAll(w io.Writer, url string, models []app.Serving) {
	fmt.Fprintf(w, "serin serves %d models on %s\n", len(models), url)
	for i := range models {
		m := &models[i]
		what := "POST /models/" + m.State.Model + "/predict"
		if i == 0 {
			what = "POST /predict, the default model"
		}
		fmt.Fprintf(w, "  %-11s %s: %s\n", m.State.Model, m.State.Stable.Name, described(m))
		fmt.Fprintf(w, "              %s\n", what)
	}
}

func described(m *app.Serving) string {
	s := m.Signature
	return fmt.Sprintf("%s, %s, %d features, answers %s", s.Estimator, s.Library, len(s.Features), s.Answers())
}

// ofModel names the model of a rollout where there are several.
func ofModel(r app.Ready, name string) string {
	if len(r.Models) == 1 {
		return ""
	}
	return " of " + name
}

// forCurl is an address as curl takes it.
func forCurl(url string) string {
	if file, socket := strings.CutPrefix(url, "unix:"); socket {
		return "--unix-socket " + file + " http://localhost"
	}
	return url
}

// serverFlag is what a client needs beside the default address.
func serverFlag(url string) string {
	if url == "http://127.0.0.1:8000" {
		return ""
	}
	return " --server " + url
}
