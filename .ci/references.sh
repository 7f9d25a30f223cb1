#!/usr/bin/env bash
# Flies the own ship's manoeuvres in our simulator, then the same ones in Basilisk and MuJoCo, and fails where they differ.
# The references have an environment each, outside the project: they are none of its dependencies (Basilisk needs 600 MB).
#
#   .ci/references.sh [mujoco] [basilisk]         all of them without an argument
set -euo pipefail
cd "$(dirname "$0")/.."
readonly CACHE=${QIKI_CI_CACHE:-$HOME/.cache/qiki-ci} PYTHON=.venv/bin/python LIMIT_S=900
declare -rA PINNED=([mujoco]="mujoco==3.3.7" [basilisk]="bsk==2.12.0")

main() {
  mkdir -p build
  local flights=build/manoeuvres.json name failed=0
  PYTHONPATH=tests timeout "$LIMIT_S" "$PYTHON" -m reference.manoeuvres "$flights"
  [ $# -gt 0 ] || set -- mujoco basilisk
  for name in "$@"; do
    [ -n "${PINNED[$name]:-}" ] || die "there is no reference $name: say one of ${!PINNED[*]}"
    compare "$name" "$flights" || failed=1
  done
  return "$failed"
}

compare() {
  local python
  python=$(environment "$1")
  PYTHONPATH=tests timeout "$LIMIT_S" nice "$python" -m "reference.in_$1" "$2"
}

# prints the Python of a reference's environment, which is made first where this version's is missing
environment() {
  local place=$CACHE/${PINNED[$1]//==/-}
  if [ ! -e "$place/.ready" ]; then
    rm -rf "$place"
    "$PYTHON" -m venv "$place"
    nice timeout "$LIMIT_S" "$place/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "${PINNED[$1]}" >&2
    touch "$place/.ready"
  fi
  printf '%s\n' "$place/bin/python"
}

die() {
  printf 'references: %s\n' "$*" >&2
  exit 1
}

main "$@"
