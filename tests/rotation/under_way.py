"""Rotations under way, with real workers as processes, and what has become of everybody."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import LiteralString

from tests.rig.people import Person, enrol, kms_of
from tests.rig.service import Process
from tests.rig.vault import Vault
from tests.rotation.dying import rotation_worker
from tests.rotation.operator import Operator
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import UnavailableError
from vault_service.domain.rotation import OnlineKind, RewrapKind
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    PauseRotation,
    ResumeRotation,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
    StartRotation,
)
from vault_service.settings import KmsClient as KmsClientSettings

_PATIENCE_S = 60.0  # of a machine that does much else


def set_engine(vault: Vault, **values: object) -> None:
    """Rules of [engine] in the vault's policy; processes that start afterwards go by them."""
    file = vault.home / "policies" / "rotation.toml"
    lines = file.read_text().splitlines()
    for name, value in values.items():
        key = name.replace("_", "-")
        at = next(
            n for n, line in enumerate(lines) if line.startswith(f"{key} =") and n > lines.index("[engine]")
        )
        lines[at] = f"{key} = {value}"
    file.write_text("\n".join(lines) + "\n")


@dataclass
class Turning:
    """A vault with people whose keys are rotated."""

    vault: Vault
    kms: KmsClient  # as an operator
    people: list[Person] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def of(cls, vault: Vault, people: int) -> Iterator["Turning"]:
        with (
            contextlib.closing(kms_client(KmsClientSettings(url=vault.socket("operator")))) as kms,
            contextlib.closing(kms_of(vault)) as api,
        ):
            yield cls(vault, kms, [enrol(vault, api) for _ in range(people)])

    def new_key(self, kind: OnlineKind = "pepper") -> int:
        return Operator(self.kms).next(kind).gen

    def start(self, kind: RewrapKind = "pepper", *, rate: int = 0, workers: int = 2) -> RotationRow:
        return self.kms.call(StartRotation(kind, rate, workers), RotationIs).rotation

    def pause(self, kind: RewrapKind = "pepper") -> RotationRow:
        return self.kms.call(PauseRotation(kind), RotationIs).rotation

    def resume(self, kind: RewrapKind = "pepper", *, rate: int | None = None) -> RotationRow:
        return self.kms.call(ResumeRotation(kind, rate), RotationIs).rotation

    def newest(self, kind: RewrapKind = "pepper") -> RotationRow:
        rows = self.kms.call(RotationStatus(), RotationsAre).rotations
        return next(row for row in rows if row.kind == kind)

    def census(self, gen: int, kind: RewrapKind = "pepper") -> dict[str, int]:
        return Operator(self.kms).census(kind, gen)

    def start_worker(
        self, name: str = "rotation", *, dies: str = "", at: int = 1, ahead_s: float = 0.0
    ) -> Process:
        """`dies`, `at`, `ahead_s`: see dying.py."""
        log = self.vault.home / f"{name}.log"
        process = Process(name, rotation_worker(self.vault, log, dies=dies, at=at, ahead_s=ahead_s), log)
        self.vault.running[name] = process
        return process

    def wait_until_dead(self, process: Process) -> None:
        """The others think so too: as if the time had passed after which a silent worker is given up."""
        self.wait_until_ended(process)
        self.as_superuser("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - interval '1 min'")

    def wait_until_ended(self, process: Process) -> None:
        self.wait_until(lambda: process.popen.poll() is not None)

    def as_superuser(self, statement: LiteralString, **values: object) -> list[tuple[object, ...]]:
        with self.vault.keys.superuser() as conn:
            done = conn.execute(statement, values)
            return done.fetchall() if done.description else []

    def jobs(self, status: str | None = None) -> int:
        row = self.as_superuser(
            """SELECT count(*) FROM jobs.procrastinate_jobs
               WHERE %(status)s::text IS NULL OR status::text = %(status)s""",
            status=status,
        )[0]
        return int(str(row[0]))

    def assert_everybody_is_on(self, gen: int) -> None:
        """And signs in as before."""
        assert self.census(gen - 1) == {}
        assert all(person.opens_with(person.password) for person in self.people)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """A part that is away meanwhile tells nothing."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with contextlib.suppress(UnavailableError):
                if condition():
                    return
            if time.monotonic() > deadline:
                said = "".join(each.log.read_text()[-3000:] for each in self.vault.running.values())
                raise AssertionError(f"{self.newest()}\n{self._all_jobs()}\n{said}")
            time.sleep(0.05)

    def _all_jobs(self) -> str:
        return str(
            self.as_superuser(
                """SELECT id, status::text, lock, priority, scheduled_at::text, attempts, args::text
                   FROM jobs.procrastinate_jobs ORDER BY id"""
            )
        )

    def wait_until_finished(self, kind: RewrapKind = "pepper") -> RotationRow:
        self.wait_until(lambda: self.newest(kind).state == "finished")
        return self.newest(kind)
