"""Bring the soft tokens to life once: prepare them, run `vaultctl init`, remember the fingerprint.

State: `manifest-fingerprint` in $VAULT_HOME is there when genesis is through. Without it there may
be
- nothing: prepare the tokens, run genesis;
- a genesis that committed, and whose fingerprint we did not get to write: it refuses to run
  again, and the officers' key files name the fingerprint;
- a genesis that died before its commit: no manifest, so nothing is encrypted under these keys;
  they are put aside and a new one is run.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vault_service.dev import process
from vault_service.dev.configure import CHECKOUT
from vault_service.dev.home import Home, hand_over
from vault_service.dev.process import as_user, current_user, vaultctl
from vault_service.dev.users import Users
from vault_service.domain.errors import ConfigurationError

_TOKEN_TIMEOUT_S = 60
_GENESIS_TIMEOUT_S = 120
_DONE_BEFORE = "genesis.refused"  # the code of ceremony.genesis.GenesisRefusedError
_NOT_KNOWN = "service.database_unavailable"  # whether it was done before cannot be seen at present


@dataclass(frozen=True, slots=True)
class Tokens:
    """Both soft tokens of one vault."""

    home: Home
    users: Users

    def prepare(self) -> Path:
        """Initialise the tokens that are missing; returns the PKCS#11 module's path.

        Raises ConfigurationError with what the script said.
        """
        script = CHECKOUT / "scripts" / "softhsm_setup.sh"
        done = process.run(
            [str(script), str(self.home.tokens)], user=current_user(), timeout_s=_TOKEN_TIMEOUT_S
        )
        if done.returncode != 0:
            raise ConfigurationError(f"{script.name}: {done.stdout.strip()}", remedy="See its message.")
        return Path((self.home.tokens / "pkcs11-module").read_text("utf-8").strip())

    def hand_over(self) -> None:
        """Give each token and its PIN to the one user who works with it."""
        hand_over(self.home.tokens / "online", self.users.kms)
        hand_over(self.home.tokens / "escrow", self.users.ceremony)
        hand_over(self.home.token_secrets, self.users.kms)
        hand_over(self.home.state("kms"), self.users.kms)
        hand_over(self.home.ceremony, self.users.ceremony)
        hand_over(self.home.officers, current_user())

    def put_aside(self) -> None:
        """Move away what an unfinished genesis made."""
        grave = self.home.path / "unfinished" / str(len(list(self.home.path.glob("unfinished/*"))))
        grave.mkdir(mode=0o700, parents=True)
        places = (
            self.home.tokens / "online", self.home.tokens / "escrow", self.home.officers,
            self.home.ceremony, self.home.token_secrets, self.home.state("kms"),
        )  # fmt: skip
        for place in places:
            place.rename(grave / "-".join(place.relative_to(self.home.path).parts))


def fingerprint_file(home: Home) -> Path:
    """Where the genesis manifest's fingerprint is remembered."""
    return home.path / "manifest-fingerprint"


def read_fingerprint(home: Home) -> str:
    """The fingerprint; empty before genesis."""
    try:
        return fingerprint_file(home).read_text("ascii").strip()
    except FileNotFoundError:
        return ""


def run_genesis(tokens: Tokens, renew_folders: Callable[[], object]) -> str:
    """Run `vaultctl init` where it has not been; returns the fingerprint. Raises ConfigurationError.

    In a process of its own: a PKCS#11 module must not be loaded where forks follow. The keys
    database must run and vault.toml must be there.
    """
    home = tokens.home
    under_way = home.path / "genesis-under-way"
    died_before = under_way.exists()
    under_way.touch(0o600)
    done = _init(home)
    if died_before and done.returncode != 0 and not _says(done, _DONE_BEFORE) and not _says(done, _NOT_KNOWN):
        tokens.put_aside()
        renew_folders()
        tokens.prepare()
        done = _init(home)
    if done.returncode == 0:
        fingerprint = str(json.loads(done.stdout)["manifest_fingerprint"])
    elif _says(done, _DONE_BEFORE):
        fingerprint = _fingerprint_of_an_officer(home)
    else:
        raise ConfigurationError(f"vaultctl init: {done.stderr.strip()}", remedy="See its message.")
    fingerprint_file(home).write_text(fingerprint + "\n", "ascii")
    under_way.unlink()
    return fingerprint


def _init(home: Home) -> subprocess.CompletedProcess[str]:
    # It ends with us: one that lived on could commit its keys while the next run makes others.
    try:
        return subprocess.run(  # noqa: S603  # our own command
            as_user(vaultctl("init", "--json"), current_user()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GENESIS_TIMEOUT_S,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "VAULT_HOME": str(home.path)},
        )
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"vaultctl init did not end within {_GENESIS_TIMEOUT_S} s",
            remedy="See whether the machine is overloaded or its disk full, then start again: "
            "what it left unfinished is found and put aside.",
        ) from None


def _says(done: subprocess.CompletedProcess[str], code: str) -> bool:
    return done.returncode != 0 and f'"code": "{code}"' in done.stderr


def _fingerprint_of_an_officer(home: Home) -> str:
    for key_file in sorted(home.officers.glob("*.key")):
        return str(json.loads(key_file.read_bytes())["manifest_fingerprint"])
    raise ConfigurationError(
        "the keys database has a manifest, but its fingerprint is not known here",
        remedy=f"Write the fingerprint into {fingerprint_file(home)}; an officer's key file holds it.",
    )
