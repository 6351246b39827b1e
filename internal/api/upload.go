package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
	"serin/internal/trace"
)

// The file of a deploy may come in the request instead of lying on the server:
//
//	Content-Type: multipart/form-data         fields options (the JSON of a deploy without
//	                                          model_path), golden, and model, which is the last
//	Content-Type: application/octet-stream    the model alone, ?name=model.joblib, ?options=
//
// with X-Content-SHA256, or sha256 in the options, as the digest that it must have.
// The model is not held in memory: it goes from the connection to the store, where
// it gets its name only when it is whole, has its digest, and nothing follows it.
const (
	multipartType = "multipart/form-data"
	binaryType    = "application/octet-stream"
	digestHeader  = "X-Content-Sha256"
	// maxGolden bounds golden predictions, in bytes: they are few, and held.
	maxGolden = 16 << 20
	// overhead is what a form may have beside its files, in bytes.
	overhead = 1 << 20
)

// pace is how slowly an upload may come in: it may not stall, and it must end,
// because no other deploy can begin before it has.
type pace struct{ stall, whole time.Duration }

var uploadPace = pace{stall: 30 * time.Second, whole: 10 * time.Minute}

// uploader takes deploys with a file in them.
type uploader struct {
	here     *roll
	registry huma.Registry
	limit    int64 // of a model, in bytes
	pace     pace
}

// doorway is a mux whose deploys go through an uploader first.
type doorway struct {
	mux

	uploads *uploader
}

// HandleFunc is for huma.
func (d *doorway) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	if pattern == http.MethodPost+" "+deployPath || pattern == http.MethodPost+" "+byName(deployPath) {
		handle = d.uploads.before(handle)
	}
	d.mux.HandleFunc(pattern, handle)
}

const deployPath = "/admin/deploy-canary"

// before handles what carries a file, and leaves the rest to the next handler.
func (u *uploader) before(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // what is none is left to the next, too
		if media != multipartType && media != binaryType {
			next(w, r)
			return
		}
		change, err := u.receive(w, r, media)
		if err != nil {
			p, ok := errors.AsType[*Problem](err)
			if !ok {
				p = problemOf(err)
			}
			p.RequestID = trace.For(r.Context())
			write(w, p.Status, problemType, p)
			return
		}
		write(w, http.StatusOK, "application/json", change.Body)
	}
}

func write(w http.ResponseWriter, status int, media string, v any) {
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_ = strictJSON.Marshal(w, v) // a client that has gone does not read its answer
}

func (u *uploader) receive(w http.ResponseWriter, r *http.Request, media string) (*reply[Change], error) {
	most := u.limit
	if media == multipartType {
		most += maxGolden + overhead
	}
	if r.ContentLength > most {
		return nil, problem(string(control.FileTooLarge), fmt.Sprintf("the upload has %d bytes, and a model may have %d. Start serin serve with a larger --max-model-bytes if it is meant to be", r.ContentLength, u.limit))
	}
	body := &pacedBody{from: r.Body, pace: u.pace, until: time.Now().Add(u.pace.whole), deadline: http.NewResponseController(w).SetReadDeadline}
	defer body.end()
	arriving := &arriving{body: body}
	var p *Problem
	if media == multipartType {
		p = arriving.form(r)
	} else {
		query := r.URL.Query()
		arriving.model, arriving.name, arriving.options = body, query.Get("name"), []byte(query.Get("options"))
		if arriving.name == "" {
			p = problem(codeInvalid, "query.name: missing. Send the file's name: POST "+deployPath+"?name=model.joblib")
		}
	}
	if p != nil {
		return nil, p
	}
	request, p := u.options(arriving)
	if p != nil {
		return nil, p
	}
	digest := strings.ToLower(cmp.Or(r.Header.Get(digestHeader), request.SHA256))
	if digest != "" && !regexp.MustCompile("^[0-9a-f]{64}$").MatchString(digest) {
		return nil, problem(codeInvalid, "header."+digestHeader+": it is no SHA-256 in hexadecimal. Send what sha256sum prints, or leave it out")
	}
	actor := cmp.Or(r.Header.Get("Serin-Actor"), "operator")
	if len(actor) > 100 {
		return nil, problem(codeInvalid, "header.Serin-Actor: it is longer than 100 bytes")
	}
	h, p := u.here.find(r.Context(), r.PathValue("model"))
	if p != nil {
		return nil, p
	}
	// A client that goes away breaks the body off, and that is what ends its deploy.
	return h.release(context.WithoutCancel(r.Context()), actor, request, control.Source{Path: arriving.name, SHA256: digest, GoldenSHA256: request.GoldenSHA256, Model: arriving, Golden: arriving.golden})
}

// options reads those of a deploy, by the same rules as in its JSON form.
func (u *uploader) options(a *arriving) (*DeployRequest, *Problem) {
	if len(a.options) == 0 {
		a.options = []byte("{}")
	}
	var r DeployRequest
	if err := strictJSON.Unmarshal(a.options, &r); err != nil {
		return nil, problem(codeInvalid, "options: "+plain(err.Error())+". Send the JSON of a deploy without model_path, as {\"weight\": 0.1}")
	}
	var fields map[string]any
	if err := json.Unmarshal(a.options, &fields); err != nil {
		return nil, problem(codeInvalid, "options: "+err.Error())
	}
	if _, given := fields["model_path"]; given {
		return nil, problem(codeInvalid, "options.model_path: the file is in the request. Leave it out")
	}
	fields["model_path"] = "-" // the schema wants one
	var found huma.ValidateResult
	at := huma.NewPathBuffer(nil, 0)
	at.Push("options")
	huma.Validate(u.registry, u.registry.Schema(reflect.TypeFor[DeployRequest](), true, ""), at, huma.ModeWriteToServer, fields, &found)
	if len(found.Errors) > 0 {
		p := problem(codeInvalid, "")
		var parts []string
		for _, err := range found.Errors {
			if detail, ok := errors.AsType[*huma.ErrorDetail](err); ok {
				p.Errors = append(p.Errors, &huma.ErrorDetail{Location: detail.Location, Message: detail.Message})
				parts = append(parts, detail.Location+": "+detail.Message)
			}
		}
		p.Detail = sentence(strings.Join(parts, "; "))
		return nil, p
	}
	return &r, nil
}

// arriving is an upload on its way. It is read as its model.
type arriving struct {
	body    *pacedBody
	parts   *multipart.Reader // nil: the body is the model
	model   io.Reader
	name    string
	options []byte
	golden  []byte
}

// form reads the parts before the model.
func (a *arriving) form(r *http.Request) *Problem {
	r.Body = a.body
	var err error
	if a.parts, err = r.MultipartReader(); err != nil {
		return problem(codeInvalid, "the form cannot be read: "+err.Error())
	}
	for {
		part, err := a.parts.NextPart()
		if errors.Is(err, io.EOF) {
			return problem(codeInvalid, "body.model: missing. Send the file as the last field of the form: curl -F options='{}' -F model=@model.joblib")
		}
		if err != nil {
			return a.broken(err)
		}
		var into *[]byte
		limit := int64(maxBody)
		switch name := part.FormName(); name {
		case "model":
			a.model, a.name = part, cmp.Or(part.FileName(), "model")
			return nil
		case "options":
			into = &a.options
		case "golden":
			into, limit = &a.golden, maxGolden
		default:
			return problem(codeInvalid, fmt.Sprintf("body.%s: unknown field. Send options, golden and, as the last, model", name))
		}
		if *into != nil {
			return problem(codeInvalid, fmt.Sprintf("body.%s: it is there twice", part.FormName()))
		}
		if *into, err = io.ReadAll(io.LimitReader(part, limit+1)); err != nil {
			return a.broken(err)
		}
		if int64(len(*into)) > limit {
			return problem(string(control.FileTooLarge), fmt.Sprintf("body.%s: it is larger than %d bytes", part.FormName(), limit))
		}
	}
}

// broken tells of a form that cannot be read to its model.
func (a *arriving) broken(err error) *Problem { return problemOf(a.fault(err)) }

// Read is for the store. After the last byte of the model nothing may follow.
func (a *arriving) Read(b []byte) (int, error) {
	n, err := a.model.Read(b)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, a.fault(err)
	case a.parts == nil:
		return n, io.EOF
	}
	part, err := a.parts.NextPart()
	if errors.Is(err, io.EOF) {
		// What a form may have after its end; a body that is shorter than it was said
		// to be is broken there.
		if _, err := io.CopyN(io.Discard, a.body, overhead); err != nil && !errors.Is(err, io.EOF) {
			return n, a.fault(err)
		}
		return n, io.EOF
	}
	if err != nil {
		return n, a.fault(err)
	}
	return n, &control.Fault{
		Code: control.UploadBroken, Detail: fmt.Sprintf("the field %s follows the model", control.Printable(part.FormName())),
		Next: "Put the model last: options and golden go before it.",
	}
}

// fault tells a client's trouble from the server's.
func (a *arriving) fault(err error) *control.Fault {
	f := &control.Fault{Code: control.UploadBroken, Err: err, Detail: "the upload ended before its end", Next: "Nothing of it was kept. Send it again."}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(a.body.until):
		f.Detail = fmt.Sprintf("the upload took longer than %v", a.body.pace.whole)
		f.Next = "Nothing of it was kept. Copy the file to the server, and deploy it by its path."
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Detail = fmt.Sprintf("nothing of the upload arrived for %v", a.body.pace.stall)
	case !errors.Is(err, io.ErrUnexpectedEOF):
		f.Detail += ": " + strings.TrimPrefix(err.Error(), "multipart: ")
	}
	return f
}

// pacedBody gives each read of a body its own deadline.
type pacedBody struct {
	from     io.ReadCloser
	pace     pace
	until    time.Time
	deadline func(time.Time) error
	ended    atomic.Bool
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.ended.Load() { // the body tells how
		return p.from.Read(b)
	}
	next := time.Now().Add(p.pace.stall)
	if next.After(p.until) {
		next = p.until
	}
	_ = p.deadline(next) // a connection that has none, as in a test, is not slow
	n, err := p.from.Read(b)
	if err != nil {
		p.ended.Store(true)
	}
	return n, err
}

// linger is how long what is left of an answered upload may still come in: who is
// refused before all of a small file was read would otherwise find the connection
// reset, and never read why.
const linger = time.Second

// end is called with the request. Who still waits for bytes of it, because the
// deploy was answered before, does not wait for long.
func (p *pacedBody) end() {
	if !p.ended.Swap(true) {
		_ = p.deadline(time.Now().Add(linger))
	}
}

// Close closes the body.
func (p *pacedBody) Close() error { return p.from.Close() }

// describeUploads adds the forms of a deploy with a file to the description.
func describeUploads(api huma.API) {
	for _, path := range []string{deployPath, byName(deployPath)} {
		describeUpload(api.OpenAPI().Paths[path].Post)
	}
}

func describeUpload(operation *huma.Operation) {
	file := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Format: "binary", Description: description}
	}
	operation.Description += " The file is named by its path on the server, or sent: as a form whose last field is the model, or alone with its name in the query."
	operation.RequestBody.Content[multipartType] = &huma.MediaType{Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{"model"}, Properties: map[string]*huma.Schema{
			"options": {Type: huma.TypeString, Description: "The JSON of a deploy without model_path."},
			"golden":  file("Golden predictions, one JSON object a line."),
			"model":   file("The model file; the last field."),
		},
	}}
	operation.RequestBody.Content[binaryType] = &huma.MediaType{Schema: file("The model file.")}
	text := &huma.Schema{Type: huma.TypeString}
	operation.Parameters = append(operation.Parameters,
		&huma.Param{Name: "name", In: "query", Schema: text, Description: "What a file is called that is sent alone."},
		&huma.Param{Name: "options", In: "query", Schema: text, Description: "The JSON of its deploy without model_path."},
		&huma.Param{Name: digestHeader, In: "header", Schema: text, Description: "The SHA-256 that a file which is sent must have, in hexadecimal."},
	)
}
