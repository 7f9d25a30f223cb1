#!/usr/bin/env bash
# Sees to it that a Docker engine with compose v2 and buildx answers on this machine, and leaves it running.
#
#   .ci/engine.sh           install what is missing, start the engine, wait until it answers
#
# For a bare Debian 12 machine, as root. Where an engine already answers, nothing is touched. Debian 12 has no
# compose v2, so the four packages come from Debian 13, whose builds run on Debian 12; they are read through apt lists
# of their own, and the machine's own sources stay as they are.
set -euo pipefail

PATH=/usr/bin:/usr/sbin:/bin:/sbin:$PATH # another docker client may stand earlier in the path
readonly PACKAGES=(docker.io docker-cli docker-compose docker-buildx)
readonly SUITE=trixie
readonly LOG=${QIKI_DOCKERD_LOG:-/var/log/qiki-dockerd.log}
readonly START_LIMIT_S=60
readonly INSTALL_LIMIT_S=240

main() {
  if answers; then
    say "an engine answers already: $(version)"
  else
    [ "$(id -u)" = 0 ] || die "no engine answers, and only root can install or start one"
    installed || install
    answers || start # where there is an init system, installing has started it
  fi
  docker compose version >/dev/null 2>&1 || die "the engine answers, but 'docker compose' (v2) is missing"
  docker buildx version >/dev/null 2>&1 || die "the engine answers, but 'docker buildx' is missing"
  say "compose $(docker compose version --short), storage $(docker info --format '{{.Driver}}')"
}

say() { printf 'engine: %s\n' "$*"; }

die() {
  say "$*" >&2
  exit 1
}

answers() { timeout 10 docker info >/dev/null 2>&1; }

version() { docker version --format 'server {{.Server.Version}}, client {{.Client.Version}}'; }

installed() {
  local package
  for package in "${PACKAGES[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || return 1
  done
}

install() ( # a subshell, so that its scratch directory goes however it ends
  began=$SECONDS
  # shellcheck source=/dev/null
  . /etc/os-release
  [ "${ID:-}:${VERSION_ID:-}" = debian:12 ] ||
    die "made for Debian 12, this is ${PRETTY_NAME:-unknown}: install Docker yourself"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$scratch/lists/partial" "$scratch/debs"
  mirror=$(awk '$1 == "URIs:" { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  [ -n "$mirror" ] || die "this machine's Debian mirror is not in /etc/apt/sources.list.d/debian.sources: install Docker yourself"
  printf 'deb [signed-by=%s] %s %s main\n' /usr/share/keyrings/debian-archive-keyring.gpg \
    "$mirror" "$SUITE" >"$scratch/sources.list"

  say "reading the package lists of $SUITE"
  apt_of "$scratch" update
  say "downloading ${PACKAGES[*]}"
  (cd "$scratch/debs" && apt_of "$scratch" download "${PACKAGES[@]}")
  say "installing them, with their dependencies from Debian 12"
  bounded apt-get -qq update
  bounded env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    "$scratch"/debs/*.deb >"$scratch/install.log" 2>&1 || {
    tail -n 30 "$scratch/install.log" >&2
    die "installing the packages failed"
  }
  say "installed in $((SECONDS - began)) s"
)

bounded() { timeout "$INSTALL_LIMIT_S" "$@"; }

# apt with the Debian 13 list only, in a scratch directory: the machine's own lists are neither read nor written
apt_of() {
  local scratch=$1
  shift
  bounded apt-get -qq -o APT::Sandbox::User=root \
    -o Dir::Etc::SourceList="$scratch/sources.list" -o Dir::Etc::SourceParts=- \
    -o Dir::State::Lists="$scratch/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

start() {
  local began=$SECONDS pid
  say "starting dockerd, log in $LOG"
  setsid nohup dockerd >"$LOG" 2>&1 </dev/null &
  pid=$!
  while ! answers; do
    kill -0 "$pid" 2>/dev/null || refused "dockerd ended by itself"
    [ $((SECONDS - began)) -lt "$START_LIMIT_S" ] || refused "dockerd does not answer after $START_LIMIT_S s"
    sleep 0.5
  done
  say "answers after $((SECONDS - began)) s as process $(cat /run/docker.pid 2>/dev/null || echo "$pid"): $(version)"
}

refused() {
  tail -n 30 "$LOG" >&2
  die "$1; the end of its log is above"
}

main "$@"
