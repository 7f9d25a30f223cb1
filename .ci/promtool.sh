#!/usr/bin/env bash
# Prints where promtool is, and gets it from Debian's package `prometheus` where it is missing. The package is unpacked,
# not installed: installing it may start a server.
#
#   .ci/promtool.sh         as root, on Debian
set -euo pipefail
cd "$(dirname "$0")/.."
readonly UNPACKED=build/prometheus LIMIT_S=240

if command -v promtool; then
  exit 0
fi
if [ ! -x "$UNPACKED/usr/bin/promtool" ]; then
  mkdir -p "$UNPACKED"
  timeout "$LIMIT_S" apt-get -qq update
  (cd "$UNPACKED" && timeout "$LIMIT_S" apt-get -qq -o APT::Sandbox::User=root download prometheus)
  dpkg-deb -x "$UNPACKED"/prometheus_*.deb "$UNPACKED"
fi
printf '%s\n' "$PWD/$UNPACKED/usr/bin/promtool"
