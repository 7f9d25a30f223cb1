#!/usr/bin/env bash
# Builds Jaeger from its Go module, which needs Go, and prints the path of the program. Built once for each machine.
set -euo pipefail
export PATH=$PATH:/usr/local/go/bin
readonly MODULE=github.com/jaegertracing/jaeger VERSION=v1.62.0
readonly KEPT=${XDG_CACHE_HOME:-$HOME/.cache}/qiki-ci
readonly PROGRAM=$KEPT/jaeger-$VERSION

if [ ! -x "$PROGRAM" ]; then
  sources=$(mktemp -d)
  trap 'chmod -R u+w "$sources"; rm -rf "$sources"' EXIT
  # Its own replacements of modules apply only where it is the main module: so it is built in a copy of its sources.
  directory=$(cd "$sources" && go mod download -json "$MODULE@$VERSION" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  cp -r "$directory" "$sources/jaeger"
  chmod -R u+w "$sources/jaeger"
  mkdir -p "$KEPT"
  (cd "$sources/jaeger" && go build -o "$PROGRAM.new" ./cmd/all-in-one) >&2
  mv "$PROGRAM.new" "$PROGRAM"
fi
echo "$PROGRAM"
