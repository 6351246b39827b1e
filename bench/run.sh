#!/usr/bin/env bash
# Measures POST /predict of serin beside the same service in Python, on this
# machine, and prints a Markdown table. Takes about two minutes and a half.
#
# usage: bench/run.sh [-rounds 5] [-connections 16] [-duration 5s] [-warm-up 2s]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-tests bin/bench-venv bench/fastapi_service/requirements.txt >&2
make --no-print-directory build >&2
go build -o bin/bench ./bench
exec bin/bench "$@"
