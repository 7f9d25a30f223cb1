#!/usr/bin/env bash
# Runs tests (all, or those given) as most users meet the project: as an ordinary user, with the distribution's own Python, in a
# path with a space, and with 1 GiB of temporary space.
#
#   .ci/ordinary.sh [ARGUMENTS FOR PYTEST]
#
# For Debian 12, as root: it makes the user and the file system of 1 GiB, and removes that file system at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly PYTHON=/usr/bin/python3 ACCOUNT=qiki-ci SPACE=1g

main() {
  [ "$(id -u)" = 0 ] || die "needs root, to become somebody else"
  "$PYTHON" -m ensurepip --version >/dev/null 2>&1 || install_python
  id "$ACCOUNT" >/dev/null 2>&1 || useradd --create-home "$ACCOUNT"
  scratch=$(mktemp -d)
  chmod 755 "$scratch"
  trap cleanup EXIT
  mkdir "$scratch/tmp" "$scratch/a path"
  mount -t tmpfs -o "size=$SPACE,mode=1777" tmpfs "$scratch/tmp"
  git clone --quiet . "$scratch/a path/qiki"
  mkdir -p recordings # holds the sample, which the set-up would download again
  cp -r recordings "$scratch/a path/qiki/"
  chown -R "$ACCOUNT" "$scratch/a path"
  say "$("$PYTHON" --version) as $ACCOUNT, in '$scratch/a path/qiki', $(df -h --output=size "$scratch/tmp" | tail -n 1 | tr -d ' ') of temporary space"
  as_user make setup "PYTHON=$PYTHON"
  as_user .venv/bin/pytest "${@:-tests}"
}

say() { printf 'ordinary: %s\n' "$*"; }

die() {
  say "$*" >&2
  exit 1
}

install_python() {
  timeout 240 apt-get -qq update
  DEBIAN_FRONTEND=noninteractive timeout 240 apt-get -qq install -y --no-install-recommends python3 python3-venv >/dev/null
}

# pip's cache and temporary files of the set-up lie outside the small file system: only the project is to make do with it
as_user() {
  local temporary=$scratch/tmp
  [ "$1" != make ] || temporary=/tmp
  (cd "$scratch/a path/qiki" && setpriv --reuid="$ACCOUNT" --regid="$ACCOUNT" --init-groups \
    env "HOME=$(getent passwd "$ACCOUNT" | cut -d: -f6)" "TMPDIR=$temporary" "$@")
}

cleanup() {
  umount -l "$scratch/tmp" 2>/dev/null || true
  rm -rf "$scratch"
}

main "$@"
