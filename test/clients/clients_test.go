// Package clients_test lets the clients that people have talk to the built
// binary: NVIDIA's tritonclient, KServe's, MLflow's, and what gRPC's health
// probes and grpcurl ask. What they get is held against scikit-learn's own
// answers for the same files.
//
//	serin serve, a canary live at 50 % <── each script of this folder, in Python
//
// The scripts need the environment that scripts/setup-tests makes; expected.py
// says how they are written. What may not happen here: a body that was written
// by hand where a client writes it.
package clients_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"serin/test/program"
)

// python is the interpreter that has the clients.
func python(t *testing.T) string {
	t.Helper()
	interpreter := os.Getenv("SERIN_TEST_PYTHON")
	if interpreter == "" {
		const why = "SERIN_TEST_PYTHON names no Python with the clients, so none of them is tried; `make test` sets one up"
		if os.Getenv("SERIN_TEST_FULL") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return interpreter
}

// script runs one of this folder, which ends by itself in seconds.
func script(t *testing.T, interpreter string, arguments ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, interpreter, append([]string{"-B"}, arguments...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", arguments, err, out)
		return
	}
	t.Logf("%s", out)
}

// serve starts a server that lives until the test and its parts have ended.
func serve(t *testing.T, binary, folder string, flags ...string) *program.Server {
	t.Helper()
	s, err := program.Start(context.WithoutCancel(t.Context()), binary, folder, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRealClients(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	folder := t.TempDir()
	binary, err := program.Build(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Workplace(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	t.Run("models of numbers", func(t *testing.T) {
		t.Parallel()
		s := serve(t, binary, folder)
		if err := s.Admin(t.Context(), "deploy-canary", map[string]any{"model_path": "models/model_v2.joblib", "weight": 0.5}, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"triton_http.py", "triton_grpc.py", "kserve_clients.py", "mlflow_client.py", "probe.py", "description.py"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				script(t, interpreter, name, s.URL, s.GRPC, folder)
			})
		}
	})
	t.Run("several models", func(t *testing.T) {
		t.Parallel()
		s := serve(t, binary, folder, "--data", "several-data", "--model", "churn=models/model_v1.joblib", "--model", "fraud=models/model_v2.joblib")
		script(t, interpreter, "repository.py", s.URL, s.GRPC, folder)
	})
	t.Run("a model of texts", func(t *testing.T) {
		t.Parallel()
		script(t, interpreter, "words.py", "fit", filepath.Join(folder, "words.joblib"))
		s := serve(t, binary, folder, "--data", "words-data", "--model", "words.joblib")
		script(t, interpreter, "words.py", s.URL, s.GRPC, folder)
	})
}
