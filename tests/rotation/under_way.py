"""Rotations under way, with real workers as processes, and what has become of everybody."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import Process, Vault
from tests.rotation.operator import Operator
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.rotation import OnlineKind, RewrapKind
from vault_service.kms.client import KmsClient
from vault_service.kms.rotation_messages import (
    PauseRotation,
    ResumeRotation,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
    StartRotation,
)
from vault_service.settings import KmsClient as KmsClientSettings

_PATIENCE_S = 30.0


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

    def start_worker(self, name: str = "rotation") -> Process:
        return self.vault.start(name, "rotate", "worker")

    def jobs(self, status: str | None = None) -> int:
        with self.vault.keys.superuser() as conn:
            row = conn.execute(
                """SELECT count(*) FROM jobs.procrastinate_jobs
                   WHERE %(status)s::text IS NULL OR status::text = %(status)s""",
                {"status": status},
            ).fetchone()
        assert row is not None
        return int(str(row[0]))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                said = "".join(each.log.read_text()[-3000:] for each in self.vault.running.values())
                raise AssertionError(f"{self.newest()}: {self.jobs()} jobs\n{said}")
            time.sleep(0.05)

    def wait_until_finished(self, kind: RewrapKind = "pepper") -> RotationRow:
        self.wait_until(lambda: self.newest(kind).state == "finished")
        return self.newest(kind)
