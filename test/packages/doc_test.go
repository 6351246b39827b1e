// Package packages_test holds what is shipped beside the binary against the
// programs that will read it, as far as they run without a cluster or an engine:
// Kubernetes' own schemas, systemd, and an empty root directory as the image has.
//
//	deploy/helm/serin ──make manifests──> deploy/kubernetes ──> schemas of Kubernetes
//	deploy/systemd    ─────────────────────────────────────────> systemd-analyze
//	deploy/image      ──its build line──> a root directory with one file ──> a prediction
//
// The image itself is built and run by test/image, where a container engine is.
//
// What may not happen here: a manifest that is older than its chart; a field that
// Kubernetes would pass over in silence.
package packages_test
