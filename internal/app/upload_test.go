package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
)

// form is a multipart body of fields in their order, and its content type.
func form(t *testing.T, fields ...[2]string) (body, media string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		create := func(name string) (io.Writer, error) { return w.CreateFormFile(name, name+".joblib") }
		if f[0] == "options" {
			create = w.CreateFormField
		}
		part, err := create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, f[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func (r *running) readModel(name string) []byte {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.config.Root, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// upload sends a body as it is.
func (r *running) upload(query, body string, headers ...string) (int, api.Change, api.Problem) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/admin/deploy-canary"+query, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.ContentLength = int64(len(body))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Transfer-Encoding" {
			req.ContentLength = -1
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	code, text := r.send(req)
	var change api.Change
	var p api.Problem
	if err := errors.Join(json.Unmarshal([]byte(text), &change), json.Unmarshal([]byte(text), &p)); err != nil && code == http.StatusOK {
		r.t.Fatalf("%v: %s", err, text)
	}
	return code, change, p
}

const binary = "application/octet-stream"

func TestUploads(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	defer r.stop()
	v2 := r.readModel("models/model_v2.joblib")
	golden := `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}` + "\n"
	full, fullType := form(t, [2]string{"options", `{"weight": 0.25, "reason": "test"}`}, [2]string{"golden", golden}, [2]string{"model", string(v2)})
	bare, bareType := form(t, [2]string{"model", string(v2)})
	tests := []struct {
		name, query, body string
		headers           []string
		version           string
		golden            int
		weight            float64
	}{
		{"alone", "?name=churn_v2.joblib", string(v2), []string{"Content-Type", binary, "X-Content-SHA256", digestOf(v2)}, "churn_v2", 0, 0.1},
		{"alone, in chunks, with options", `?name=../../etc/x.joblib&options={"weight":0.5}`, string(v2), []string{"Content-Type", binary, "Transfer-Encoding", "chunked"}, "x", 0, 0.5},
		{"a form", "", full, []string{"Content-Type", fullType, "X-Content-SHA256", digestOf(v2)}, "model", 1, 0.25},
		{"a form of the model alone", "", bare, []string{"Content-Type", bareType}, "model", 0, 0.1},
	}
	for _, tt := range tests {
		code, change, p := r.upload(tt.query, tt.body, tt.headers...)
		if code != http.StatusOK {
			t.Errorf("%s: %d %s", tt.name, code, p.Detail)
			continue
		}
		v := change.Rollout.Canary
		if v.SHA256 != digestOf(v2) || v.Name != tt.version || !strings.HasPrefix(v.Path, "upload:"+tt.version) || v.GoldenRows != tt.golden || change.Rollout.Weight != tt.weight {
			t.Errorf("%s: %+v", tt.name, change.Rollout)
		}
		if code, _, p := r.upload(tt.query, tt.body, tt.headers...); code != http.StatusConflict || p.Code != "canary_active" {
			t.Errorf("%s, again: %d %+v", tt.name, code, p)
		}
		if _, err := r.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefusedUploadsLeaveNothingBehind, whatever is wrong with them.
func TestRefusedUploadsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.MaxModelBytes = 1 << 20
	r := launch(t, c)
	defer r.stop()
	v2 := string(r.readModel("models/model_v2.joblib"))
	pair := func(fields ...[2]string) [2]string {
		body, media := form(t, fields...)
		return [2]string{body, media}
	}
	late := pair([2]string{"model", v2}, [2]string{"options", "{}"})
	cut := pair([2]string{"model", v2})
	cut[0] = cut[0][:len(cut[0])/2]
	large := strings.Repeat("x", 1<<20+1)
	alone := []string{"Content-Type", binary}
	tests := []struct {
		name, query string
		form        [2]string
		headers     []string
		code        int
		word, says  string
	}{
		{"another digest", "?name=x", [2]string{v2, binary}, []string{"X-Content-SHA256", digestOf([]byte("else"))}, 422, "file_differs", "damaged on the way"},
		{"another digest in the options", "", pair([2]string{"options", `{"sha256": "` + digestOf(nil) + `"}`}, [2]string{"model", v2}), nil, 422, "file_differs", "damaged on the way"},
		{"no digest at all", "?name=x", [2]string{v2, binary}, []string{"X-Content-SHA256", "abc"}, 422, "invalid_request", "sha256sum"},
		{"too large", "?name=x", [2]string{large, binary}, alone, 413, "file_too_large", "--max-model-bytes"},
		{"too large, in chunks", "?name=x", [2]string{large, binary}, []string{"Transfer-Encoding", "chunked"}, 413, "file_too_large", "larger than 1048576 bytes"},
		{"too large, in a form", "", pair([2]string{"model", large}), nil, 413, "file_too_large", "larger than 1048576 bytes"},
		{"a form that is cut", "", cut, nil, 400, "upload_broken", "ended before its end"},
		{"fields after the model", "", late, nil, 400, "upload_broken", "Put the model last"},
		{"another field", "", pair([2]string{"file", v2}), nil, 422, "invalid_request", "body.file: unknown field"},
		{"a field twice", "", pair([2]string{"options", "{}"}, [2]string{"options", "{}"}, [2]string{"model", v2}), nil, 422, "invalid_request", "body.options: it is there twice"},
		{"no model", "", pair([2]string{"options", "{}"}), nil, 422, "invalid_request", "body.model: missing"},
		{"no name", "", [2]string{v2, binary}, alone, 422, "invalid_request", "query.name: missing"},
		{"a role for a name", "?name=canary.joblib", [2]string{v2, binary}, alone, 422, "file_refused", "could be either arm"},
		{"a name without an end", "?name=" + strings.Repeat("x", 5000), [2]string{v2, binary}, alone, 422, "file_refused", "has 5000 bytes, and 200 are the limit"},
		{"a folder for a name", "?name=/", [2]string{v2, binary}, alone, 422, "file_refused", "the file has no name"},
		{"unknown option", "", pair([2]string{"options", `{"wait": 1}`}, [2]string{"model", v2}), nil, 422, "invalid_request", "options: "},
		{"wrong option", "", pair([2]string{"options", `{"weight": 2}`}, [2]string{"model", v2}), nil, 422, "invalid_request", "options.weight: "},
		{"a path, too", "", pair([2]string{"options", `{"model_path": "x"}`}, [2]string{"model", v2}), nil, 422, "invalid_request", "options.model_path"},
		{"golden predictions that differ", "", pair([2]string{"golden", wrongV2}, [2]string{"model", v2}), nil, 422, "model_refused", "line 3"},
		{"too many golden predictions", "", pair([2]string{"golden", strings.Repeat("x", 16<<20+1)}, [2]string{"model", v2}), nil, 413, "file_too_large", "body.golden"},
		{"no model but a page", "?name=x", [2]string{"<html></html>", binary}, alone, 422, "model_refused", "an HTML page"},
		{"a boundary that is none", "", [2]string{"", "multipart/form-data"}, nil, 422, "invalid_request", "the form cannot be read"},
	}
	for _, tt := range tests {
		code, _, p := r.upload(tt.query, tt.form[0], append([]string{"Content-Type", tt.form[1]}, tt.headers...)...)
		if code != tt.code || p.Code != tt.word || !strings.Contains(p.Detail, tt.says) {
			t.Errorf("%s: %d %s %q, want %d %s %q", tt.name, code, p.Code, p.Detail, tt.code, tt.word, tt.says)
		}
		if n := r.artifacts(); n != 1 {
			t.Errorf("%s: %d files are left, and only stable's is needed", tt.name, n)
		}
		if used, version, err := r.predict(http.DefaultClient); used != "stable" || version != "model_v1" || err != nil {
			t.Errorf("after %s: %s %s %v", tt.name, used, version, err)
		}
	}
}

// TestAnUploadThatEndsEarly leaves nothing behind, and does not keep others out.
func TestAnUploadThatEndsEarly(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	address := strings.TrimPrefix(r.url, "http://")
	for range 3 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /admin/deploy-canary?name=x HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\nsome bytes", address, binary)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	v2 := r.readModel("models/model_v2.joblib")
	change, err := r.client.Deploy(t.Context(), api.DeployRequest{ModelPath: "model_v2.joblib", Size: int64(len(v2)), SHA256: digestOf(v2), Model: bytes.NewReader(v2)})
	if err != nil || change.Rollout.Canary.Name != "model_v2" || r.artifacts() != 2 {
		t.Errorf("%+v, %v, %d artifacts", change.Rollout, err, r.artifacts())
	}
}

// TestARollbackDoesNotWaitForAnUpload that never ends.
func TestARollbackDoesNotWaitForAnUpload(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	body, half := io.Pipe()
	done := make(chan int, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/admin/deploy-canary?name=x", body)
		if err != nil {
			t.Error(err)
		}
		req.Header.Set("Content-Type", binary)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		res.Body.Close()
		done <- res.StatusCode
	}()
	fmt.Fprint(half, "some bytes") // the server has begun to read when this returns, or soon after
	for {
		_, err := r.client.Rollback(t.Context(), api.RollbackRequest{})
		if err == nil {
			break
		}
		if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "no_canary" {
			t.Fatal(err)
		}
	}
	if code := <-done; code != http.StatusConflict {
		t.Errorf("the upload was answered %d", code)
	}
	half.Close()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Errorf("the next deploy: %v", err)
	}
}
