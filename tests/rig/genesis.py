"""Genesis of a test vault: run once for each server, and copied for the vaults after the first.

A copy is what a backup of tokens, folders and keys database would be: the same keys, PINs, officers and
chain in another place. Three officers' passphrases and two tokens make of a genesis the dearest part of
most tests that want a vault of their own; those that are about genesis run one themselves.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig.postgres import TestDatabase, TestServer, refill
from tests.rig.settings import MODULE
from vault_service.ceremony.genesis import run_genesis
from vault_service.ceremony.genesis_plan import GenesisPlan, NewToken, with_key_files
from vault_service.kms.token.pkcs11_module import TokenPlace

OFFICERS = ("ana", "bob", "cleo")
PASSPHRASE = "an officer's passphrase of the tests"
_STATES = ("kms", "online", "escrow", "worker_keys", "worker_records", "recovery", "ceremony", "console")
_MADE = ("tokens", "state", "ceremony", "officers", "online.pin")
_SETUP = Path(__file__).parent.parent.parent / "scripts/softhsm_setup.sh"
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Origin:
    """What genesis tells those who run it."""

    fingerprint: str
    break_glass: tuple[str, ...] = field(repr=False)  # the words that stand on paper


def token_place(home: Path, token: str) -> TokenPlace:
    """`token`: online or escrow."""
    conf = home / "tokens" / token / "softhsm2.conf"
    return TokenPlace(MODULE, f"vault-{token}", conf, home / "state" / token)


def be_born(home: Path, keys: TestDatabase) -> Origin:
    """Make a vault real in this folder and this database, which holds nothing yet."""
    kept = keys.server.folder / "born"
    if kept.exists():
        return _copy(kept, home, keys)
    origin = _run(home, keys)
    _keep(kept, home, keys.server, keys.name, origin)
    return origin


def born_by(home: Path, keys: TestDatabase, plan: Callable[[], GenesisPlan]) -> str:
    """Run a genesis of the caller's own, with new tokens; returns the fingerprint."""
    subprocess.run(
        ["bash", str(_SETUP), str(home / "tokens")],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_PATIENCE_S,
    )
    for name in _STATES:
        (home / "state" / name).mkdir(parents=True)
    db = keys.open("vault_kms", size=2)
    try:
        return run_genesis(plan(), db).fingerprint
    finally:
        db.close()


def _run(home: Path, keys: TestDatabase) -> Origin:
    words: list[str] = []

    def new(token: str) -> NewToken:
        return NewToken(token_place(home, token), home / "tokens" / token / "transport-so-pin")

    plan = GenesisPlan(
        online=new("online"),
        escrow=new("escrow"),
        online_pin_file=home / "online.pin",
        ceremony_dir=home / "ceremony",
        officers_dir=home / "officers",
        officers=with_key_files(OFFICERS, PASSPHRASE),
        hand_out=lambda sheets, _: words.extend(sheets),
    )
    return Origin(born_by(home, keys, lambda: plan), tuple(words))


def _keep(kept: Path, home: Path, server: TestServer, database: str, origin: Origin) -> None:
    refill(server, "keys", "born_keys", database)
    new = kept.with_suffix(".new")
    _copy_files(home, new, _MADE)
    (new / "fingerprint").write_text(origin.fingerprint)
    (new / "sheets").write_text("\n".join(origin.break_glass))
    new.rename(kept)


def _copy(kept: Path, home: Path, keys: TestDatabase) -> Origin:
    refill(keys.server, "keys", keys.name, "born_keys")
    _copy_files(kept, home, _MADE)
    for token in ("online", "escrow"):  # that is where it was, and a token is found by its full path
        objects = home / "tokens" / token / "objects"
        conf = token_place(home, token).softhsm2_conf
        assert conf is not None
        lines = conf.read_text().splitlines()
        where = [n for n, line in enumerate(lines) if line.startswith("directories.tokendir")]
        lines[where[0]] = f"directories.tokendir = {objects}"
        conf.write_text("\n".join(lines) + "\n")
    return Origin((kept / "fingerprint").read_text(), tuple((kept / "sheets").read_text().split("\n")))


def _copy_files(source: Path, target: Path, names: Iterable[str]) -> None:
    target.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        else:
            shutil.copy2(source / name, target / name)
