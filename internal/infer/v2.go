package infer

import (
	"net/http"
	"strconv"
	"time"

	"serin/internal/infer/oip"
)

// jsonLength is the header that says how much of a body is JSON, where binary
// tensors follow.
const jsonLength = "Inference-Header-Content-Length"

// registerV2 has the paths of the Open Inference Protocol, version 2, with the
// extensions that metadata name.
func (p *Protocols) registerV2(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2", p.serverMetadata)
	mux.HandleFunc("GET /v2/health/live", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"live": true})
	})
	mux.HandleFunc("GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) {
		ready := p.ready() && p.front.table.Table() != nil
		writeJSON(w, map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready], map[string]bool{"ready": ready})
	})
	for _, version := range []string{"", "/versions/{version}"} {
		path := "/v2/models/{model}" + version
		mux.HandleFunc("GET "+path, p.modelMetadata)
		mux.HandleFunc("GET "+path+"/ready", p.modelReady)
		mux.HandleFunc("POST "+path+"/infer", p.infer)
	}
	mux.HandleFunc("POST /v2/repository/index", p.repositoryIndex)
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		p.refuse(w, troubled(http.StatusNotFound, "There is no %s %s in the Open Inference Protocol that this server speaks: GET /v2 describes it.", r.Method, clip(r.URL.Path)))
	})
}

func asked(r *http.Request) choice {
	to := choice{r.PathValue("model"), r.PathValue("version"), r.PathValue("label")}
	if to.version == "stable" || to.version == "canary" { // a version may be called by its arm
		to.label, to.version = to.version, ""
	}
	return to
}

func (p *Protocols) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"name": "serin", "version": p.server, "extensions": []string{"model_repository", "binary_tensor_data"},
	})
}

func (p *Protocols) modelMetadata(w http.ResponseWriter, r *http.Request) {
	arm, dealt, err := p.choose(asked(r))
	if err != nil {
		p.refuse(w, err)
		return
	}
	versions := []string{arm.Version.Name}
	if table := p.front.table.Table(); dealt && table.Canary != nil {
		versions = append(versions, table.Canary.Version.Name)
	}
	contract := p.contractOf(arm.Predictor.Signature())
	writeJSON(w, http.StatusOK, map[string]any{
		"name": p.name, "versions": versions, "platform": arm.Predictor.Signature().Library,
		"inputs": contract.Inputs(), "outputs": contract.Outputs(),
	})
}

func (p *Protocols) modelReady(w http.ResponseWriter, r *http.Request) {
	if _, _, err := p.choose(asked(r)); err != nil {
		p.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"name": p.name, "ready": true})
}

// repositoryIndex lists the versions that can answer now.
func (p *Protocols) repositoryIndex(w http.ResponseWriter, _ *http.Request) {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
	}
	index := []entry{}
	if table := p.front.table.Table(); table != nil {
		index = append(index, entry{p.name, table.Stable.Version.Name, "READY", "stable"})
		if table.Canary != nil {
			index = append(index, entry{p.name, table.Canary.Version.Name, "READY", "canary"})
		}
	}
	writeJSON(w, http.StatusOK, index)
}

func (p *Protocols) infer(w http.ResponseWriter, r *http.Request) {
	var ask *oip.Request
	var contract *oip.Contract
	err := p.ask(w, r, asked(r), func(a *asking) (err error) {
		header := -1
		if text := r.Header.Get(jsonLength); text != "" {
			if header, err = strconv.Atoi(text); err != nil || header < 0 {
				return troubled(http.StatusBadRequest, "The header %s is %q, and must be a number of bytes.", jsonLength, clip(text))
			}
		}
		if ask, err = oip.Parse(a.body, header); err != nil {
			return err
		}
		contract = p.contractOf(a.arm.Predictor.Signature())
		return contract.Read(ask, &a.batch, maxRows)
	}, func(a *asking, _ time.Duration) []byte {
		if s := a.arm.Predictor.Signature(); contract.Signature() != s {
			contract = oip.NewContract(s) // the canary's: the same tensors, its own labels
		}
		var header int
		a.reply, header = contract.AppendReply(a.reply[:0], ask, &a.batch, p.name, a.arm.Version.Name)
		w.Header()["Content-Type"] = contentTypeJSON
		if header >= 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set(jsonLength, strconv.Itoa(header))
		}
		return a.reply
	})
	if err != nil {
		p.refuse(w, err)
	}
}
