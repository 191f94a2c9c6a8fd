"""A witness in a process that dies after its n-th step: a write, a sync, a new name."""

import os
import signal
from multiprocessing import get_context

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.rig.killable import Steps
from tests.witness.watched import NOW, Log, Place
from vault_service.witness.key import load_key
from vault_service.witness.state import StateFile
from vault_service.witness.witness import Witness

_PATIENCE_S = 60
_forks = get_context("forkserver")
_forks.set_forkserver_preload(["tests.witness.dying"])


def _run(place: Place, seed: bytes, sizes: tuple[int, ...], spare_lines: int, kill_at: int) -> None:
    log = Log(key=Ed25519PrivateKey.from_private_bytes(seed)).grow(max(sizes))
    steps = Steps(kill_at, place.folder / "steps")
    answered = os.open(place.folder / "answered", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    answer = os.write  # not counted: the other side's doing
    for name in ("write", "fsync", "ftruncate", "replace", "unlink"):
        setattr(os, name, steps.counted(getattr(os, name)))

    def cosign_all() -> None:
        key = load_key(place.key).key
        state = StateFile(place.state, key.verifier().format(), spare_lines=spare_lines)
        witness = Witness(key, [log.vkey], state, clock=lambda: NOW)
        for size in sizes:
            old = next((head.size for head in witness.heads()), 0)
            if old < size:
                witness.add_checkpoint(log.request(old, size))
                answer(answered, b"%d\n" % size)

    steps.armed(cosign_all)


def run_until_killed(place: Place, log: Log, sizes: tuple[int, ...], spare_lines: int, kill_at: int) -> bool:
    """Cosign these sizes one after the other; whether the process came to its end."""
    process = _forks.Process(
        target=_run, args=(place, log.key.private_bytes_raw(), sizes, spare_lines, kill_at)
    )
    process.start()
    process.join(_PATIENCE_S)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == 0
