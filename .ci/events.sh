#!/usr/bin/env bash
# Run the Go and shell examples of docs/events.md against a live mesh, with the real nats command built from its Go module.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/local/go/bin
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
# A module that requires the version: `go install` would ask for the list of all versions, which not every proxy gives.
printf 'module tools\n\ngo 1.23\n\nrequire github.com/nats-io/natscli v0.1.6\n' > "$tools/go.mod"
(cd "$tools" && GOFLAGS=-mod=mod go build -o "$tools/nats" github.com/nats-io/natscli/nats)
make check-events GO="$(command -v go)" NATS="$tools/nats"
