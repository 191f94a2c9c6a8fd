#!/usr/bin/env bash
# make setup: Debian packages, .venv from hash-pinned requirements, and vaultctl in it.
#   scripts/setup.sh runtime    what `make run` needs
#   scripts/setup.sh dev        the tests' and checkers' packages as well
# What is there already is left alone. PIP_* variables are passed through; none is set.
set -euo pipefail
umask 022 # services run as other users, and must be able to read .venv

what=${1:-dev}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
python=/usr/bin/python3 # a private build in a home folder could not be run by service users

# Two makes in one checkout wait for each other.
exec 9<"$root/requirements"
flock 9

"$root/scripts/install_system.sh" "$what"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "error: $python is older than Python 3.11" >&2
  echo "remedy: use Debian 12 or newer" >&2
  exit 3
}

stamp() { # requirements file: changes with its content and with the interpreter
  { cat "$root/requirements/$1.txt" && "$python" -VV; } | sha256sum | cut -d' ' -f1
}
is_installed() { [[ -x $venv/bin/python && $(cat "$venv/.installed-$1" 2>/dev/null) == "$(stamp "$1")" ]]; }

install_requirements() {
  local began=$SECONDS log
  log=$(mktemp)
  printf 'installing %s (%s packages, hashes checked) ... ' "requirements/$what.txt" \
    "$(grep -c '^[a-z]' "$root/requirements/$what.txt")"
  rm -f "$venv"/.installed-*
  if ! "$venv/bin/python" -m pip install --require-hashes --no-deps \
    -r "$root/requirements/$what.txt" >"$log" 2>&1; then
    printf 'failed\n'
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "remedy: check the network and PIP_INDEX_URL or PIP_CERT; then run make again" >&2
    exit 3
  fi
  rm -f "$log"
  stamp runtime >"$venv/.installed-runtime"
  [[ $what != dev ]] || stamp dev >"$venv/.installed-dev"
  printf 'done (%s s)\n' "$((SECONDS - began))"
}

# A path file and a starter do what an editable installation would, with nothing to build and so
# nothing to download that has no hash.
install_project() {
  local site
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$root" >"$site/vault_service.pth"
  cat >"$venv/bin/vaultctl.new" <<'STARTER'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -I -m vault_service.cli "$@"
STARTER
  chmod 0755 "$venv/bin/vaultctl.new"
  mv "$venv/bin/vaultctl.new" "$venv/bin/vaultctl"
  # Service users cannot write here: each start of theirs would compile hundreds of modules.
  "$venv/bin/python" -m compileall -q "$root/vault_service"
}

if ! is_installed "$what" && ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "making $venv"
  "$python" -m venv --clear "$venv"
fi
is_installed "$what" || install_requirements
install_project
