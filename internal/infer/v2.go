package infer

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"serin/internal/infer/oip"
	"serin/internal/model"
	"serin/internal/route"
)

// jsonLength is the header that says how much of a body is JSON, where binary
// tensors follow.
const jsonLength = "Inference-Header-Content-Length"

// registerV2 has the paths of the Open Inference Protocol, version 2, with the
// extensions that metadata name.
func (p *Protocols) registerV2(mux mux) {
	mux.HandleFunc("GET /v2", p.serverMetadata)
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	})
	mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		ready := p.ready() && p.desks.Load().loaded()
		writeJSON(w, map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready], map[string]bool{"ready": ready})
	})
	for _, version := range []string{"", "/versions/{version}"} {
		path := "/v2/models/{model}" + version
		mux.HandleFunc("GET "+path, p.at(route.V2, (*desk).modelMetadata))
		mux.HandleFunc("GET "+path+"/ready", p.at(route.V2, (*desk).modelReady))
		mux.HandleFunc("POST "+path+"/infer", p.at(route.V2, (*desk).infer))
	}
	mux.HandleFunc("POST /v2/repository/index", p.repositoryIndex)
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		p.lost.refuse(route.V2, w, troubled(http.StatusNotFound, "There is no %s %s in the Open Inference Protocol that this server speaks: GET /v2 describes it.", r.Method, model.Clip(r.URL.Path)))
	})
}

func asked(r *http.Request) choice {
	return choice{r.PathValue("version"), r.PathValue("label")}
}

// extensions of the protocol that this server has.
var extensions = []string{"model_repository", "binary_tensor_data"}

func (p *Protocols) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"name": "serin", "version": p.server, "extensions": extensions,
	})
}

func (d *desk) modelMetadata(w http.ResponseWriter, r *http.Request) {
	m, err := d.metadata(asked(r))
	if err != nil {
		d.refuse(route.V2, w, err)
		return
	}
	writeJSON(w, http.StatusOK, m)
}

// metadata is what the protocol tells of a model.
type metadata struct {
	Name     string     `json:"name"`
	Versions []string   `json:"versions"`
	Platform string     `json:"platform"`
	Inputs   []oip.Spec `json:"inputs"`
	Outputs  []oip.Spec `json:"outputs"`
}

func (d *desk) metadata(to choice) (metadata, error) {
	arm, dealer, err := d.choose(to)
	if err != nil {
		return metadata{}, err
	}
	versions := []string{arm.Version.Name}
	if dealer != nil && dealer.Canary != nil {
		versions = append(versions, dealer.Canary.Version.Name)
	}
	contract := d.contractOf(arm)
	return metadata{d.name, versions, arm.Predictor.Signature().Library, contract.Inputs(), contract.Outputs()}, nil
}

func (d *desk) modelReady(w http.ResponseWriter, r *http.Request) {
	if _, _, err := d.choose(asked(r)); err != nil {
		d.refuse(route.V2, w, err)
		return
	}
	ready := d.ready()
	writeJSON(w, map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready], map[string]any{"name": d.name, "ready": ready})
}

func (p *Protocols) repositoryIndex(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Ready bool `json:"ready"`
	}
	// A body is optional, and most of what may be in one means nothing.
	if err := json.NewDecoder(io.LimitReader(r.Body, mostParameters)).Decode(&asked); err != nil && !errors.Is(err, io.EOF) {
		p.lost.refuse(route.V2, w, troubled(http.StatusBadRequest, `The body is no JSON object with what to list: send {"ready": true} for what can answer now, or nothing.`))
		return
	}
	writeJSON(w, http.StatusOK, p.index(r.Context(), asked.Ready))
}

// indexed is a version in the repository's index.
type indexed struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// index lists the versions that can answer now, and unless only these are wanted
// the models that could be loaded.
func (p *Protocols) index(ctx context.Context, ready bool) []indexed {
	all := []indexed{}
	for _, d := range p.desks.Load().all {
		table := d.front.table.Table()
		if table == nil {
			continue
		}
		all = append(all, indexed{d.name, table.Stable.Version.Name, "READY", "stable"})
		if table.Canary != nil {
			all = append(all, indexed{d.name, table.Canary.Version.Name, "READY", "canary"})
		}
	}
	if p.repository != nil && !ready {
		for _, name := range p.repository.Resting(ctx) {
			all = append(all, indexed{Name: name, State: "UNAVAILABLE", Reason: "not loaded"})
		}
	}
	return all
}

func (d *desk) infer(w http.ResponseWriter, r *http.Request) {
	var ask *oip.Request
	err := d.ask(route.V2, w, r, asked(r), func(a *asking) (err error) {
		header := -1
		if text := r.Header.Get(jsonLength); text != "" {
			if header, err = strconv.Atoi(text); err != nil || header < 0 {
				return troubled(http.StatusBadRequest, "The header %s is %q, and must be a number of bytes.", jsonLength, model.Clip(text))
			}
		}
		if ask, err = oip.Parse(a.body, header); err != nil {
			return err
		}
		a.timeout(ask.Timeout)
		return d.contractOf(a.arm).Read(ask, &a.batch, maxRows)
	}, func(a *asking) []byte {
		var header int
		a.reply, header = d.contractOf(a.arm).AppendReply(a.reply[:0], ask, &a.batch, d.name, a.arm.Version.Name)
		w.Header()["Content-Type"] = contentTypeJSON
		if header >= 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set(jsonLength, strconv.Itoa(header))
		}
		return a.reply
	})
	if err != nil {
		d.refuse(route.V2, w, err)
	}
}
