"""What a ceremony is put together from."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from vault_service.domain.clock import Clock, utc_now
from vault_service.kms.client import KmsClient
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.policy.rules import Policies
from vault_service.storage.pool import Database

Progress = Callable[[str, int, int | None], None]
"""What is being done, how much of it, out of how many (None: nobody knows)."""


def unwatched(what: str, done: int, total: int | None) -> None:
    """Nobody looks on."""
    del what, done, total


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Resealing:
    """How the wraps of everybody are sealed to another escrow key."""

    children: int = field(default_factory=_processors)
    page: int = 500  # wraps a call
    derives: int = 12_000  # of a child before another takes its place: SoftHSM leaves 240 bytes of each


@dataclass(frozen=True, slots=True)
class CeremonyParts:
    """Databases, key service, policies and token; no secret."""

    db: Database  # role vault_ceremony
    kms: KmsClient  # as the caller ceremony
    policies: Policies
    place: TokenPlace  # the escrow token
    state_dir: Path  # the lock, share sets, the highest manifest serial seen, drill reports
    fingerprint: str
    records: Database | None = None  # role vault_disclosure
    disclosures_dir: Path | None = None
    now: Clock = utc_now
    look_every_s: float = 0.25  # at what came in
    progress: Progress = unwatched
    resealing: Resealing = Resealing()
    patience_s: float = 60.0  # with parts that are away in the middle of long work
    ends_at: datetime | None = None  # once the token is open: the note's end
