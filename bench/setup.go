package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kit is what a run needs beside the services' own files.
type kit struct {
	dir    string // for everything that is made, absolute
	root   string // the repository's, absolute
	self   string // this program
	absent []absence
	// repeated are the errors after which something was measured again.
	repeated []string
	// pythons are the interpreters of the environments that could be made.
	pythons map[string]string
}

// absence says why something was not measured.
type absence struct{ name, why string }

// environments are the virtual environments, each with the packages whose
// versions the page names.
var environments = []struct {
	name, packages string
}{
	{"fastapi", "fastapi uvicorn scikit-learn"},
	{"mlserver", "mlserver mlserver-sklearn scikit-learn"},
	{"bentoml", "bentoml scikit-learn"},
	{"onnxruntime", "onnxruntime skl2onnx uvicorn"},
}

// setUp builds and installs what is needed: everything goes into bin/bench, and a
// second run finds it there.
func setUp(ctx context.Context, tell *reporter) (*kit, error) {
	k := &kit{pythons: map[string]string{}}
	var err error
	if k.root, err = os.Getwd(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(k.root, "models", "model_v1.joblib")); err != nil {
		return nil, fmt.Errorf("run this in the repository's root: %w", err)
	}
	if k.self, err = os.Executable(); err != nil {
		return nil, err
	}
	k.dir = filepath.Join(k.root, "bin", "bench")
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return nil, err
	}
	for _, build := range [][]string{
		{"go", "build", "-o", k.serin(), "./cmd/serin"},
		{"go", "test", "-c", "-o", k.bare(), "./internal/model/format"},
	} {
		if err := command(ctx, build...); err != nil {
			return nil, err
		}
	}
	for _, e := range environments {
		tell.say("environment of %s", e.name)
		venv := filepath.Join("bin", "bench", "venv-"+e.name)
		if err := command(ctx, "scripts/setup-tests", venv, filepath.Join("bench", "services", e.name, "requirements.txt")); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			k.leaveOut(e.name, err, tell)
			continue
		}
		k.pythons[e.name] = filepath.Join(k.root, venv, "bin", "python")
	}
	k.makeModels(ctx, tell)
	return k, ctx.Err()
}

func (k *kit) serin() string  { return filepath.Join(k.root, "bin", "serin") }
func (k *kit) bare() string   { return filepath.Join(k.dir, "bare.test") }
func (k *kit) graph() string  { return filepath.Join(k.dir, "model_v1.onnx") }
func (k *kit) models() string { return filepath.Join(k.dir, "models") }
func (k *kit) rows() string   { return filepath.Join(k.dir, "rows.jsonl") }

func (k *kit) leaveOut(name string, err error, tell *reporter) {
	k.absent = append(k.absent, absence{name, err.Error()})
	tell.say("%s is left out: %v", name, err)
}

// makeModels converts the model for ONNX Runtime, and fits those of the batches.
func (k *kit) makeModels(ctx context.Context, tell *reporter) {
	if python := k.pythons["onnxruntime"]; python != "" {
		if err := command(ctx, python, "-W", "ignore", "bench/services/onnxruntime/convert.py", "models/model_v1.joblib", k.graph()); err != nil {
			delete(k.pythons, "onnxruntime")
			k.leaveOut("onnxruntime", err, tell)
		}
	}
	if python := k.pythons["fastapi"]; python != "" {
		if _, err := os.Stat(k.rows()); err == nil {
			return
		}
		if err := command(ctx, python, "bench/services/batches.py", k.models(), k.rows()); err != nil {
			k.leaveOut("batches", err, tell)
		}
	}
}

// command runs a program to its end. Its error is the last line that it wrote.
func command(ctx context.Context, arguments ...string) error {
	c := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = patience
	said, err := c.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	return fmt.Errorf("%s: %w: %s", filepath.Base(arguments[0]), err, lines[len(lines)-1])
}

const (
	oneRow   = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`
	oneRowV2 = `{"inputs": [{"name": "features", "shape": [1, 5], "datatype": "FP64", "data": [0.5, 1.2, 0.8, 0.3, 1.1]}], "outputs": [{"name": "predict_proba"}]}`
)

// The places of the services that the others are compared with.
const (
	floor = iota
	serin
	withCanary
	fastapi
)

// plans lists the services in the order of the tables.
func (k *kit) plans() []plan {
	predict := func(p plan) plan {
		p.path, p.body = "/predict", []byte(oneRow)
		return p
	}
	alone := func(port, dir string, further func() string) (arguments, env []string) {
		return []string{k.serin(), "serve", "--listen", "127.0.0.1:" + port, "--grpc-listen", "127.0.0.1:" + further(), "--data", dir}, nil
	}
	return []plan{
		floor: predict(plan{name: "floor: net/http, a constant", command: func(port, _ string, _ func() string) (arguments, env []string) {
			return []string{k.self, "floor", "127.0.0.1:" + port}, nil
		}}),
		serin:       predict(plan{name: "serin", command: alone}),
		withCanary:  predict(plan{name: "serin with a canary", canary: true, metrics: true, command: alone}),
		fastapi:     predict(plan{name: "FastAPI, as the seed says", slow: true, canary: true, command: k.uvicorn("fastapi", "--loop", "asyncio", "--http", "h11")}),
		fastapi + 1: predict(plan{name: "FastAPI, uvloop and httptools", slow: true, canary: true, command: k.uvicorn("fastapi", "--loop", "uvloop", "--http", "httptools")}),
		{
			name: "MLServer", slow: true, path: "/v2/models/churn/infer", body: []byte(oneRowV2), folder: "bench/services/mlserver",
			command: func(port, _ string, further func() string) (arguments, env []string) {
				return k.script("mlserver", "mlserver", "start", "."),
					append(quiet, "MLSERVER_HTTP_PORT="+port, "MLSERVER_GRPC_PORT="+further(), "MLSERVER_METRICS_PORT="+further())
			},
		},
		predict(plan{name: "BentoML", slow: true, folder: "bench/services/bentoml", command: func(port, dir string, _ func() string) (arguments, env []string) {
			return k.script("bentoml", "bentoml", "serve", "service:Churn", "--host", "127.0.0.1", "--port", port),
				append(quiet, "BENTOML_HOME="+dir, "BENTOML_DO_NOT_TRACK=True")
		}}),
		predict(plan{name: "ONNX Runtime, bare ASGI", slow: true, command: k.uvicorn("onnxruntime", "--loop", "uvloop", "--http", "httptools")}),
	}
}

// quiet keeps scikit-learn's warnings about a model without names out of the logs,
// where each prediction would leave one.
var quiet = []string{"PYTHONWARNINGS=ignore", "PYTHONDONTWRITEBYTECODE=1"}

// script runs a program of an environment; it has no interpreter if that could not
// be made.
func (k *kit) script(environment, name string, arguments ...string) []string {
	python := k.pythons[environment]
	if python == "" {
		return []string{""}
	}
	return append([]string{python, filepath.Join(filepath.Dir(python), name)}, arguments...)
}

// uvicorn serves main.py of a service's folder.
func (k *kit) uvicorn(environment string, arguments ...string) func(port, dir string, _ func() string) (arguments, env []string) {
	return func(port, _ string, _ func() string) ([]string, []string) {
		serve := k.script(environment, "uvicorn", "--app-dir", "bench/services/"+environment, "main:app", "--host", "127.0.0.1", "--port", port, "--log-level", "warning")
		return append(serve, arguments...), append(quiet, "SERIN_BENCH_MODEL="+k.graph())
	}
}

// startAll starts each service and gives it its canary. It returns those that run
// even if another one fails, so that they can be stopped. One in Python that fails
// is left out.
func startAll(ctx context.Context, plans []plan, k *kit, tell *reporter) ([]*service, error) {
	var running []*service
	for _, p := range plans {
		if arguments, _ := p.command("0", "", func() string { return "0" }); arguments[0] == "" {
			continue // told before
		}
		started, err := start(ctx, p)
		if err == nil {
			running = append(running, started)
			started.idle = familyOf(started.cmd.Process.Pid).rss()
			if p.canary {
				err = started.deployCanary(ctx)
			}
		}
		switch {
		case ctx.Err() != nil || err != nil && !p.slow:
			return running, errors.Join(ctx.Err(), err)
		case err != nil && started == nil:
			k.leaveOut(p.name, err, tell)
		case err != nil:
			return running, err
		default:
			tell.say("%s answers after %d ms", p.name, started.took.Milliseconds())
		}
	}
	return running, nil
}
