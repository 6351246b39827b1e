// Package image builds the container image and runs it, where a container engine
// is; elsewhere it says so and does no more. It is a module of its own, so that the
// engine's client is nothing that serin depends on.
//
//	deploy/image/Dockerfile ──> an image ──> a container, read only ──> a prediction, a restart
//
// What may not happen here: a skip that does not say what is missing.
package image

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

func TestImage(t *testing.T) {
	testcontainers.SkipIfProviderIsNotHealthy(t) // says why
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			FromDockerfile: testcontainers.FromDockerfile{Context: root, Dockerfile: "deploy/image/Dockerfile", KeepImage: true},
			Cmd:            []string{"serve", "--models", "/models", "--root", "/models", "--keys", "/keys", "--behind-proxy"},
			ExposedPorts:   []string{"8000/tcp"},
			HostConfigModifier: func(h *container.HostConfig) {
				h.ReadonlyRootfs, h.CapDrop = true, []string{"ALL"}
				h.Mounts = []mount.Mount{
					{Type: mount.TypeBind, Source: filepath.Join(root, "models"), Target: "/models", ReadOnly: true},
					{Type: mount.TypeBind, Source: filepath.Join(root, "test/image/testdata/keys"), Target: "/keys", ReadOnly: true},
				}
			},
			WaitingFor: wait.ForHTTP("/readyz").WithPort("8000/tcp").WithStartupTimeout(time.Minute),
		},
		Started: true,
	})
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
	predict(t, c)
	stop := 20 * time.Second
	if err := c.Stop(ctx, &stop); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	predict(t, c)
}

// token is the one whose hash is in testdata/keys; it opens nothing else.
const token = "serin_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

func predict(t *testing.T, c testcontainers.Container) {
	t.Helper()
	url, err := c.PortEndpoint(t.Context(), "8000/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/models/model_v1/predict", strings.NewReader(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct {
		Version string `json:"model_version"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Version != "model_v1" {
		t.Errorf("answered %s, %+v (%v)", answer.Status, got, err)
	}
}
