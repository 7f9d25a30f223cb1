#!/usr/bin/env bash
# Run the Go and shell examples of docs/events.md against a live mesh, with the real nats command built from its Go module.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/go/bin
tools=$(mktemp -d)
trap 'chmod -R u+w "$tools"; rm -rf "$tools"' EXIT
GOPATH=$tools GOBIN=$tools/bin go install github.com/nats-io/natscli/nats@v0.1.6
make check-events GO="$(command -v go)" NATS="$tools/bin/nats"
