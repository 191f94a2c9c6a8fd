#!/usr/bin/env bash
# Prepare two SoftHSM tokens: TOKENS_DIR/online and TOKENS_DIR/escrow, labelled vault-online and
# vault-escrow, each in a folder of its own that one user can be given.
#
# The tokens are left as an HSM is delivered: initialised, with a random transport SO PIN, which
# stands in transport-so-pin beside the token (0600). `vaultctl init` replaces it, sets the user
# PIN and removes the file. A soft token's files can be copied: SoftHSM is for trying out and tests.
#
# May be repeated: what is there stays as it is. No PIN is ever on a command line.
set -euo pipefail
umask 077

fail() {
  echo "error: $1" >&2
  echo "remedy: $2" >&2
  exit 3
}

find_module() {
  local candidate
  for candidate in "${SOFTHSM2_MODULE:-}" \
    /usr/lib/softhsm/libsofthsm2.so \
    /usr/lib/*/softhsm/libsofthsm2.so \
    /usr/lib64/pkcs11/libsofthsm2.so \
    /usr/lib64/softhsm/libsofthsm2.so \
    /usr/lib/libsofthsm2.so \
    /usr/local/lib/softhsm/libsofthsm2.so \
    /opt/homebrew/lib/softhsm/libsofthsm2.so; do
    if [[ -n $candidate && -r $candidate ]]; then
      echo "$candidate"
      return
    fi
  done
  fail "libsofthsm2.so was not found" \
    "install softhsm2 (make setup does), or set SOFTHSM2_MODULE to the module's path"
}

is_initialised() { # module, label; SOFTHSM2_CONF is set
  pkcs11-tool --module "$1" --list-token-slots 2>/dev/null |
    grep -Eq "^ *token label *: $2 *$"
}

prepare() { # module, tokens folder, name
  local module=$1 folder=$2/$3 label=vault-$3 pin_file=$2/$3/transport-so-pin mark=$2/$3/initialised said
  mkdir -p "$folder/objects"
  # Written anew each time: the folder may have been moved.
  cat >"$folder/softhsm2.conf.new" <<CONF
# The token $label.
directories.tokendir = $folder/objects
objectstore.backend = file
log.level = ERROR
slots.removable = false
CONF
  mv "$folder/softhsm2.conf.new" "$folder/softhsm2.conf"
  export SOFTHSM2_CONF=$folder/softhsm2.conf
  # Not seeing the token is no reason to make another: a kill -9 during a login leaves its file
  # empty until the service restores it, and a second token of this label would then stand beside it.
  # A token that was taken over has no transport PIN any more.
  if [[ -e $mark ]] || [[ ! -e $pin_file && -n $(ls -A "$folder/objects") ]]; then
    echo "$label: there already"
    return
  fi
  # Otherwise an earlier run was interrupted, and nobody has used what it began.
  rm -rf "$folder/objects"
  mkdir "$folder/objects"
  # On disk before the token has it, so that an interruption never leaves a token without its PIN.
  if [[ ! -s $pin_file ]]; then
    head -c 20 /dev/urandom | base32 >"$pin_file.new"
    mv "$pin_file.new" "$pin_file"
  fi
  TRANSPORT_SO_PIN=$(<"$pin_file")
  export TRANSPORT_SO_PIN
  if ! said=$(pkcs11-tool --module "$module" --init-token --slot-index 0 \
    --label "$label" --so-pin env:TRANSPORT_SO_PIN 2>&1); then
    fail "$label cannot be initialised: $said" \
      "see that $folder is writable; if it is half made and was never used, remove it"
  fi
  unset TRANSPORT_SO_PIN
  is_initialised "$module" "$label" ||
    fail "$label was initialised, but is not listed" "check $SOFTHSM2_CONF and $module"
  touch "$mark"
  echo "$label: initialised"
}

main() {
  [[ $# -eq 1 ]] || {
    echo "usage: ${0##*/} TOKENS_DIR" >&2
    exit 2
  }
  command -v pkcs11-tool >/dev/null ||
    fail "pkcs11-tool is not installed" "install opensc (make setup does)"
  mkdir -p "$1"
  local tokens module
  tokens=$(cd "$1" && pwd -P)
  module=$(find_module)
  prepare "$module" "$tokens" online
  prepare "$module" "$tokens" escrow
  # The one place that says where the module is.
  echo "$module" >"$tokens/pkcs11-module"
  chmod 0644 "$tokens/pkcs11-module"
}

main "$@"
