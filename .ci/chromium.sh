#!/usr/bin/env bash
# Prints where Chromium is, and installs it from Debian, with a font that has the signs of `qiki top`, where it is missing.
#
#   .ci/chromium.sh         as root, on Debian
set -euo pipefail
readonly PACKAGES=(chromium fonts-dejavu-core) LIMIT_S=240

if ! command -v chromium; then
  timeout "$LIMIT_S" apt-get -qq update
  DEBIAN_FRONTEND=noninteractive timeout "$LIMIT_S" \
    apt-get -qq install -y --no-install-recommends "${PACKAGES[@]}" >/dev/null
  command -v chromium
fi
