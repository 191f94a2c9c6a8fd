"""An operator who replaces keys with `vaultctl rotate`, and somebody who kills processes meanwhile."""

import contextlib
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from stage import Stage, Teller, differs, until

from vault_service.domain.errors import VaultError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import RotationsAre, RotationStatus

_TRIES = 12  # of one command, which goes on where it was
_REPLACED = ("pepper", "login-index", "escrow")
_KILLS = 4  # of each rotation by the workers


class Keys:
    """The online token's keys; `load` tells whether its people found something wrong."""

    def __init__(self, stage: Stage, teller: Teller, chance: random.Random, load: object) -> None:
        self.stage = stage
        self.teller = teller
        self.chance = chance
        self.load = load

    # --- an operator

    def rotate(self, kind: str) -> None:
        """Typed again until it ends well: it goes on where it was."""
        with self.killing("worker_keys", "kms"):
            self.insist("rotate", kind, "--rate", "0", "--yes")

    def retire(self, kind: str, gen: int) -> None:
        """Look, then do it by the fingerprint."""
        shown = self.stage.vaultctl("rotate", "retire", kind, str(gen))
        found = re.search(r"--confirm ([0-9a-f]{64})", shown)
        if found is None:
            differs(f"{kind} key {gen} cannot be retired")
        self.insist("rotate", "retire", kind, str(gen), "--confirm", found.group(1))

    def nothing_is_left(self) -> None:
        """No generation but the current ones is needed by anything."""
        status = json.loads(self.stage.vaultctl("rotate", "status", "--json", shown=False))
        self.stage.vaultctl("rotate", "status")
        for key in status["keys"]:
            for row in key["generations"]:
                if key["kind"] in _REPLACED and (
                    row["state"] not in ("current", "destroyed") or row["needed_by"]
                ):
                    differs(f"something is left on {key['kind']} key {row['gen']}: {row}")
                if row["state"] == "destroyed" and row["in_token"]:
                    differs(f"{key['kind']} key {row['gen']} is still in the token")

    def every_wrap_opens(self) -> None:
        """The outer layers; a drill opens the rest."""
        self.stage.vaultctl("rotate", "verify", "--all")

    def insist(self, *command: str) -> None:
        """Until it ends with 0, as an operator does whose connection was cut."""
        self.teller.command("vaultctl", *command)
        for number in range(_TRIES):
            done = self.stage.run(*command)
            if done.returncode == 0:
                self.teller.say(done.stdout.rstrip())
                return
            last = (done.stderr.strip().splitlines() or ["?"])[-1]
            self.teller.say(f"(ended with {done.returncode}: {last}; typed again)")
            time.sleep(0.5 * (number + 1))
        differs(f"vaultctl {' '.join(command)} never ends well: {done.stderr.strip()[-2000:]}")

    # --- somebody who kills

    @contextlib.contextmanager
    def killing(self, *names: str) -> Iterator[None]:
        """At random moments while the block runs; at least one of each."""
        over = threading.Event()
        killed: list[str] = []

        def kill_some() -> None:
            for number in range(_KILLS):
                if over.wait(self.chance.uniform(0.2, 1.5)) and number >= len(names):
                    return
                killed.append(names[number % len(names)])
                self.kill(killed[-1])

        thread = threading.Thread(target=kill_some, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        self.teller.say(f"(killed meanwhile: {', '.join(killed)})")

    def kill(self, name: str) -> None:
        """As kill -9 does; the supervisor starts it again."""
        pid = until(f"{name} runs", lambda: self.stage.pids().get(name))
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.teller.say(f"(kill -9 {name})")

    def await_rotation(self, kind: str) -> None:
        """Until one of this kind has begun: soon enough to kill what is at it."""
        kms = KmsClient(f"unix:{self._socket()}")

        def begun() -> bool | None:
            with contextlib.suppress(VaultError):
                rows = kms.call(RotationStatus(), RotationsAre).rotations
                return any(row.kind == kind for row in rows) or None
            return None

        until(f"the {kind} rotation begins", begun)
        kms.close()

    def _socket(self) -> Path:
        return self.stage.home / "vault" / "run" / "kms" / "kms-operator.sock"
