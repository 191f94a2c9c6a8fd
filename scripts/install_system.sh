#!/usr/bin/env bash
# Install what the vault needs from Debian, and only what is missing. As root, or with sudo.
#   scripts/install_system.sh dev    the browser that the tests look at pages with as well
set -euo pipefail

has_softhsm() { compgen -G '/usr/lib/softhsm/libsofthsm2.so' >/dev/null || compgen -G '/usr/lib/*/softhsm/libsofthsm2.so' >/dev/null; }
has_postgresql() {
  local initdb version
  for initdb in /usr/lib/postgresql/*/bin/initdb; do
    version=${initdb#/usr/lib/postgresql/}
    [[ -x $initdb && ${version%%/*} -ge 15 ]] && return 0
  done
  return 1
}
# Debian's python3 has the venv module without python3-venv, but cannot make one: ensurepip is missing.
has_venv() { /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; }

missing=()
has_softhsm || missing+=(softhsm2)
command -v pkcs11-tool >/dev/null || missing+=(opensc)
has_postgresql || missing+=(postgresql)
has_venv || missing+=(python3-venv)
[[ ${1:-} != dev ]] || command -v chromium >/dev/null || missing+=(chromium)
[[ ${#missing[@]} -eq 0 ]] && exit 0
# For the lines that `make run` prints to try: a bare Debian has none. No reason to install by itself.
command -v curl >/dev/null || missing+=(curl)

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  as_root=(sudo)
  command -v sudo >/dev/null || {
    echo "error: these packages are missing: ${missing[*]}" >&2
    echo "remedy: as root, apt-get install ${missing[*]} (there is no sudo here)" >&2
    exit 3
  }
fi
command -v apt-get >/dev/null || {
  echo "error: these are missing, and this is not Debian: ${missing[*]}" >&2
  echo "remedy: install SoftHSM 2, OpenSC, PostgreSQL 15 or newer and Python's venv yourself" >&2
  exit 3
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { # what is said on the screen, command...
  printf '%s ... ' "$1"
  shift
  local began=$SECONDS
  if ! "$@" >"$log" 2>&1; then
    printf 'failed\n'
    tail -n 20 "$log" >&2
    echo "remedy: see apt's message above; then run make again" >&2
    exit 3
  fi
  printf 'done (%s s)\n' "$((SECONDS - began))"
}

install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"
}

# Debian's postgresql makes and starts a cluster at its installation, on TCP port 5432. The vault
# has one of its own, so none is wanted here, unless somebody has had PostgreSQL before us.
keep_debian_from_making_a_cluster() {
  install postgresql-common || return 1
  "${as_root[@]}" sed -i -E 's/^#?create_main_cluster *=.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
}

[[ ${#as_root[@]} -eq 0 ]] || sudo -v -p 'sudo, to install packages; password of %p: '
quietly "reading Debian's package lists" "${as_root[@]}" apt-get update
if [[ " ${missing[*]} " == *' postgresql '* ]]; then
  quietly 'installing postgresql-common' keep_debian_from_making_a_cluster
fi
quietly "installing ${missing[*]}" install "${missing[@]}"
