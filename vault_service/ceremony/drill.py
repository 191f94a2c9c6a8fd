"""Prove that escrow wraps still open and match each DEK's check value; nothing is released.

Each DEK is in this process for microseconds and is handed to nobody. What remains is a report: how many
were opened, and whose wrap did not open, by user id.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.ceremony.believed import BelievedCase
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.domain.case import Hash, Time, case_time
from vault_service.domain.errors import ConfigurationError, SealBrokenError
from vault_service.domain.ids import CeremonyId
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.durable import sync
from vault_service.kms.recovery_messages import Peel, Peeled, PeeledWrap

_PAGE = 500  # wraps a call


class DrillReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was tried, and what failed."""

    v: Literal[1]
    case_id: UUID
    case_hash: Hash
    scope: str  # "sample of 1000", or "all"
    opened: Annotated[int, Meta(ge=0)]
    failed: tuple[UUID, ...]  # users whose wrap did not open
    began_at: Time
    ended_at: Time

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def summary(self) -> str:
        """One line for whoever watches."""
        return f"{self.opened} wraps opened, {len(self.failed)} failed"

    def save(self, folder: Path) -> tuple[Path, bytes]:
        """Write it (0600, over no other one); its path, and SHA-256 of its bytes."""
        body = self.encode()
        digest = hashlib.sha256(body).digest()
        path = folder / f"drill-{self.case_id}-{digest.hex()[:16]}.json"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            sync(folder)
        except OSError as error:
            raise ConfigurationError(
                f"the drills folder {folder} ({error.strerror})", remedy="Let the ceremony's user own it."
            ) from error
        return path, digest


def run_drill(
    parts: CeremonyParts, ceremony: CeremonyId, believed: BelievedCase, wraps: EscrowWraps
) -> DrillReport:
    """Open every wrap that the key service selects.

    Raises CaseRefusedError when it hands out other wraps than a drill of this scope is about: more than
    the sample that officers approved, or one user's twice.
    """
    case, began = believed.case, parts.now()
    sample = case.scope.sample
    opened, failed = 0, list[UUID]()
    for page in _pages(parts, ceremony, case.case_id):
        for peeled in page:
            if sample is not None and opened + len(failed) >= sample:
                raise CaseRefusedError(f"the key service handed out more than the {sample} of the sample")
            try:
                wraps.open(peeled)
            except SealBrokenError:
                failed.append(peeled.user_id)
            else:
                opened += 1
        parts.progress("wraps opened", opened + len(failed), sample)
    return DrillReport(
        v=1,
        case_id=case.case_id,
        case_hash=believed.digest.hex(),
        scope="all" if sample is None else f"sample of {sample}",
        opened=opened,
        failed=tuple(failed),
        began_at=case_time(began),
        ended_at=case_time(parts.now()),
    )


def _pages(parts: CeremonyParts, ceremony: CeremonyId, case: UUID) -> Iterator[tuple[PeeledWrap, ...]]:
    """The next page is fetched while one is opened: the key service works on the other core."""

    def fetch(after: UUID | None) -> Peeled:
        return parts.kms.call(Peel(ceremony, case, after, _PAGE), Peeled)

    with ThreadPoolExecutor(1, "peel") as pool:
        page = fetch(None)
        last: UUID | None = None
        while page.wraps:
            if any(a.user_id >= b.user_id for a, b in zip(page.wraps, page.wraps[1:], strict=False)) or (
                last is not None and page.wraps[0].user_id <= last
            ):
                raise CaseRefusedError("the key service handed out wraps out of their order")
            last = page.wraps[-1].user_id
            following = pool.submit(fetch, last) if page.more else None
            yield page.wraps
            if following is None:
                return
            page = following.result()
