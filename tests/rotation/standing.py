"""How keys may stand, made up: for what is told of them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.rig.vault import REPOSITORY
from vault_service.domain.manifest import State
from vault_service.domain.rotation import KEY_KINDS, KeyKind, RewrapKind
from vault_service.kms.protocol.rotation_messages import FailedWrap, GenerationRow, RotationRow
from vault_service.policy.load import load_policies
from vault_service.rotation.due import generations_in_use, what_is_due
from vault_service.rotation.status import Needs, Status

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
PERIODS = load_policies(REPOSITORY / "policies").rotation.cryptoperiod_days


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def generation(
    kind: KeyKind, gen: int, state: State, *, days: float = 10, in_token: bool | None = None
) -> GenerationRow:
    held = (state != "destroyed") if in_token is None else in_token
    return GenerationRow(kind, gen, state, f"{gen:064x}", days_ago(days), held)


def rotation(kind: RewrapKind, state: Any, *, to_gen: int = 2, failed: int = 0) -> RotationRow:
    failures = tuple(FailedWrap(UUID(int=n), "password") for n in range(1, min(failed, 100) + 1))
    ended = days_ago(1) if state == "finished" else None
    return RotationRow(
        UUID(int=7), kind, to_gen, state, 0, 2, 100, 40, 80, failed, failures, days_ago(2), ended
    )


def standing(
    *generations: GenerationRow,
    rotations: tuple[RotationRow, ...] = (),
    needs: dict[tuple[KeyKind, int], Needs] | None = None,
) -> Status:
    """Each kind that is not named has one generation, current since ten days."""
    named = {row.kind for row in generations}
    others = tuple(generation(kind, 1, "current") for kind in KEY_KINDS if kind not in named)
    rows = (*generations, *others)
    return Status(rows, rotations, needs or {}, what_is_due(generations_in_use(rows), PERIODS), 0, NOW)


def two(kind: KeyKind, old: State = "retiring", **more: Any) -> tuple[GenerationRow, GenerationRow]:
    return generation(kind, 1, old, **more), generation(kind, 2, "current")
