# serin: `make` prints this file's help.

# Go keeps its caches under HOME. Without one they go where `make clean` finds them.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/bin/home
endif

GOLANGCI_LINT := bin/golangci-lint-v2.15.0
GOVULNCHECK   := bin/govulncheck-v1.9.0
FUZZTIME      ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## Build bin/serin
	GOFLAGS=-trimpath go build -o bin/serin ./cmd/serin

.PHONY: demo
demo: ## Run both of the seed's scenarios in the terminal
	go run ./cmd/serin demo

.PHONY: train
train: ## Fit the two example models again, into models/
	go run ./cmd/serin train

.PHONY: test
test: setup lint vet ## Set up what the tests need, then lint, vet and run every test with the race detector
	@echo "== tests, with the race detector and with nothing skipped"
	SERIN_TEST_FULL=1 SERIN_TEST_PYTHON="$(CURDIR)/.venv/bin/python" CGO_ENABLED=1 go test -race ./...
	@echo "== tests of memory and of thousands of damaged files, for which the race detector is no use"
	SERIN_TEST_FULL=1 SERIN_TEST_PYTHON="$(CURDIR)/.venv/bin/python" go test ./internal/model/format ./internal/skops
	go test -run "FlippedBits|PowerFailure" ./internal/store
	@echo "== the Python client, against the real server"
	.venv/bin/python -m pytest -q clients/python

.PHONY: unit
unit: ## Run the tests that need Go alone
	go test ./...

.PHONY: test-onnxruntime
test-onnxruntime: setup ## Test what ONNX Runtime computes, with the library of its Python wheel (Python 3.11)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: 'onnxruntime>=1.24'
	library=$$(find "$(CURDIR)/.venv" -name 'libonnxruntime.*' ! -name '*providers*' | head -n 1) && test -n "$$library" && \
	SERIN_TEST_ONNXRUNTIME="$$library" CGO_ENABLED=1 go test -count=1 -tags onnxruntime -v ./internal/model/onnxruntime

.PHONY: check
check: ## Run exactly what CI runs
	bash .ci/run

.PHONY: setup
setup: ## Set up what the tests need beside Go
	@scripts/setup-tests

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint, as .golangci.yml says
	@echo "== lint"
	$(GOLANGCI_LINT) run --allow-serial-runners ./...

.PHONY: vet
vet: ## Run go vet
	@echo "== vet"
	go vet ./...
	go vet -tags nights ./test/faults/single

.PHONY: proto
proto: ## Generate the messages of the Open Inference Protocol (needs protoc)
	GOBIN=$(CURDIR)/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
	GOBIN=$(CURDIR)/bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
	cd internal/infer/inferencepb && PATH="$(CURDIR)/bin:$$PATH" protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative inference.proto

.PHONY: web
web: ## Build the dashboard into internal/web/dist (needs Node 20.19 or later, and npm)
	cd internal/web/ui && npm ci --no-audit --no-fund && npm run build
	gzip -9nc internal/web/ui/node_modules/axe-core/axe.min.js > test/browser/testdata/axe.min.js.gz

.PHONY: docs
docs: ## Write what is generated in docs/: the references, the picture of a rollout
	go test ./internal/rollout -run Picture -update
	SERIN_DOCS=write go test -count=1 -run 'Documented|Reference' ./internal/api ./internal/infer
	SERIN_DOCS=write go test -count=1 -run 'Reference|ErrorsPage' ./internal/app ./internal/web ./cmd/serin

.PHONY: manifests
manifests: bin/helm-v3.22.0 ## Render the Helm chart into deploy/kubernetes
	scripts/manifests $<

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s; or a count, 10000x; "20s 10000x": scripts/fuzz)
	scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-models
bench-models: ## Measure models beside ONNX Runtime and their libraries, into docs/model-speed.md
	bench/models/run

.PHONY: performance
performance: ## Measure serin beside other servers, into docs/performance.md: a quarter of an hour
	go run ./bench

.PHONY: faults
faults: ## Let three replicas and their PostgreSQL fail at random, and hold all answers against what is promised (DURATION=30m SEED=1)
	go run ./test/faults -duration $(or $(DURATION),5m) $(if $(SEED),-seed $(SEED))

.PHONY: faults-single
faults-single: ## Try each fault by itself, at every place: some minutes
	SERIN_FAULTS=all go test -count=1 -timeout 60m -tags nights -v ./test/faults/single

.PHONY: swaps
swaps: ## Deploy, roll back and promote 200 times under full load, looking at every answer: three minutes
	go run ./test/swaps

.PHONY: limits
limits: ## Take the server to its limits: memory, 10,000 connections, slow clients, overload; five minutes
	go run ./bench/limits

.PHONY: replicas
replicas: ## Measure replicas on one PostgreSQL, into docs/scaling.md: throughput, traffic, failover; twelve minutes
	go run ./bench/replicas -write docs/scaling.md

.PHONY: pages
pages: ## Measure what open dashboards cost, with much behind them, into docs/dashboard.md; six minutes
	SERIN_TEST_FULL=1 go test ./test/browser -run '^$$' -bench Pages -benchtime 1x -timeout 30m -update

.PHONY: calibration
calibration: ## Measure what docs/statistics.md promises: a quarter of an hour (RUNS=4000)
	scripts/calibrate $(or $(RUNS),4000)

.PHONY: cover
cover: ## Measure the tests' coverage; bin/cover.html shows it line by line
	@mkdir -p bin
	go test -coverpkg=./internal/... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	go tool cover -func=bin/cover.out | tail -n 1

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known vulnerabilities (asks the Go vulnerability database)
	$(GOVULNCHECK) ./...

.PHONY: clean
clean: ## Remove what the other targets made: bin/ and .venv
	chmod -R u+w bin 2>/dev/null || true
	rm -rf bin .venv

# The tools are pinned here and kept out of go.mod, so that nothing that users
# build depends on them. The version is in the file's name: a new pin builds anew.
bin/golangci-lint-%:
	@echo "building golangci-lint $* into bin/ (takes two minutes, once)"
	GOBIN="$(CURDIR)/bin" GOFLAGS= go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*
	mv bin/golangci-lint $@

bin/helm-%:
	@echo "building helm $* into bin/ (takes three minutes, once)"
	GOBIN="$(CURDIR)/bin" GOFLAGS= go install helm.sh/helm/v3/cmd/helm@$*
	mv bin/helm $@

bin/govulncheck-%:
	@echo "building govulncheck $* into bin/"
	GOBIN="$(CURDIR)/bin" GOFLAGS= go install golang.org/x/vuln/cmd/govulncheck@$*
	mv bin/govulncheck $@
