"""A ceremony as far as the PIN goes, in a process that dies at one of its steps, or inside C_SetPIN."""

import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.ceremony.logins import around_set_pin, log_logins
from tests.ceremony.pins import Escrow, parts_of
from tests.rig.forked import FORKS, Forked
from tests.rig.killable import Steps
from tests.rig.postgres import connected
from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.pin_open import open_pin
from vault_service.ceremony.pin_records import PinParts
from vault_service.domain.manifest import Manifest, parse_manifest
from vault_service.storage.pool import open_database

SetPin = Literal["lives", "dies before it", "dies at its write", "dies after it"]
"""What C_SetPIN is to the process; at its write token.object is empty."""


@dataclass(frozen=True)
class Task:
    """What the process is to do; nothing of it is secret but what officers released."""

    home: Path
    dsn: str
    password: str
    manifest: bytes
    secrets: Mapping[int, bytes]
    kill_at: int  # 0: at no step
    set_pin: SetPin


@dataclass(frozen=True)
class Ended:
    """How it ended."""

    died: bool
    steps: int  # of one that lived
    wrong_pins: int


def run(escrow: Escrow, kill_at: int = 0, *, set_pin: SetPin = "lives") -> Ended:
    """Officers release what is asked for; then the process opens the token, replaces the PIN, or dies."""
    count, log = escrow.home / "steps", escrow.home / "logins"
    for file in (count, log):
        file.unlink(missing_ok=True)
    role = "vault_ceremony"
    task = Task(
        escrow.home, escrow.keys.dsn(role), escrow.keys.password(role), escrow.manifest.encode(),
        escrow.released(), kill_at, set_pin,
    )  # fmt: skip
    process = Forked(FORKS.Process(target=_change, args=(task,)))
    code = process.wait(30)
    assert code in (0, -signal.SIGKILL, -signal.SIGXFSZ), (
        f"{code}: {(escrow.home / 'ceremony.log').read_text()}"
    )
    steps = int(count.read_text()) if count.exists() else 0
    seen = log.read_text() if log.exists() else ""
    return Ended(code != 0, steps, seen.count("-"))


def _change(task: Task) -> None:
    with (task.home / "ceremony.log").open("wb") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    steps = Steps(task.kill_at, task.home / "steps")
    log_logins(task.home / "logins", then=steps.done)
    around_set_pin(
        before={"dies before it": _die, "dies at its write": _die_at_the_next_write}.get(task.set_pin, _live),
        after={"dies after it": _die}.get(task.set_pin, _live),
    )
    db = connected(open_database(task.dsn, task.password, size=1, name="keys"))
    db.ping()
    manifest = parse_manifest(task.manifest)
    parts = parts_of(task.home, db, manifest)
    steps.install()
    EscrowToken.change_pin = steps.counted(EscrowToken.change_pin)  # type: ignore[method-assign]
    steps.armed(_ceremony, parts, manifest, task.secrets)


def _ceremony(parts: PinParts, manifest: Manifest, secrets: Mapping[int, bytes]) -> None:
    with open_pin(parts, secrets) as opened:
        change = prepare_change(parts, opened, manifest)
        change.switch(opened)
    change.confirm()


def _live() -> None:
    pass


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_the_next_write() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it otherwise
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # truncating is allowed, writing kills
