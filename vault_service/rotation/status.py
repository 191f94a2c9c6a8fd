"""How every rotation stands: generations, rotations, what still needs an old generation, what is due."""

from dataclasses import dataclass
from datetime import datetime

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.rotation import KeyKind
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    CensusIs,
    GenerationRow,
    GenerationsAre,
    ListGenerations,
    OthersInUse,
    OthersInUseAre,
    RotationRow,
    RotationsAre,
    RotationStatus,
    TakeCensus,
)
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.rotation.due import Due, generations_in_use, others_in_use, what_is_due

Needs = tuple[tuple[str, int], ...]
"""What needs a generation, by name: ("password wraps", 12)."""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that `vaultctl rotate status` tells."""

    generations: tuple[GenerationRow, ...]  # in the order of kinds and numbers
    rotations: tuple[RotationRow, ...]  # newest first
    needs: dict[tuple[KeyKind, int], Needs]  # of each retiring generation
    due: tuple[Due, ...]
    data_keys_due: int
    at: datetime

    def of(self, kind: KeyKind) -> tuple[GenerationRow, ...]:
        """The generations of a kind, oldest first."""
        return tuple(row for row in self.generations if row.kind == kind)

    def current(self, kind: KeyKind) -> GenerationRow:
        """The one that everything new is made with."""
        return next(row for row in self.of(kind) if row.state == "current")

    def rotation(self, kind: KeyKind) -> RotationRow | None:
        """The newest of a kind."""
        return next((row for row in self.rotations if row.kind == kind), None)

    def under_way(self, kind: KeyKind) -> RotationRow | None:
        """The one that is running or paused."""
        newest = self.rotation(kind)
        return None if newest is None or newest.state == "finished" else newest


def read_status(kms: KmsClient, periods: Cryptoperiods, now: Clock = utc_now) -> Status:
    """Ask the key service, as the operator. Changes nothing. Raises KmsUnavailableError."""
    generations = kms.call(ListGenerations(), GenerationsAre).generations
    others = kms.call(OthersInUse(), OthersInUseAre)
    return Status(
        generations,
        kms.call(RotationStatus(), RotationsAre).rotations,
        {(row.kind, row.gen): _needs(kms, row) for row in generations if row.state == "retiring"},
        what_is_due((*generations_in_use(generations), *others_in_use(others)), periods),
        others.data_keys_due,
        now(),
    )


def _needs(kms: KmsClient, row: GenerationRow) -> Needs:
    return kms.call(TakeCensus(row.kind, row.gen), CensusIs).needed_by
