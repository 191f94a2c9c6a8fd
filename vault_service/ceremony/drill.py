"""Prove that escrow wraps still open and match each DEK's check value; nothing is released.

Each DEK is in this process for microseconds and is handed to nobody. What remains is a report: how many
were opened, and whose wrap did not open, by user id.
"""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.ceremony.believed import BelievedCase
from vault_service.ceremony.pages import peeled_pages
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.reports import save_report
from vault_service.ceremony.wraps import EscrowWraps
from vault_service.domain.case import Hash, Time, case_time
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import CeremonyId
from vault_service.domain.recovery_errors import CaseRefusedError

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
        """Write it; its path, and SHA-256 of its bytes. Raises ConfigurationError."""
        return save_report(folder, f"drill-{self.case_id}", self.encode())


def run_drill(
    parts: CeremonyParts, ceremony: CeremonyId, believed: BelievedCase, wraps: EscrowWraps
) -> DrillReport:
    """Open every wrap that the key service selects.

    Raises CaseRefusedError when it hands out other wraps than a drill of this scope is about: more than
    the sample that officers approved, or one user's twice.
    """
    case, began = believed.case, parts.now()
    sample = case.scope.sample
    opened, failed, of = 0, list[UUID](), [sample]
    pages = peeled_pages(
        parts, ceremony, case.case_id, limit=_PAGE, told=lambda all_: of.append(sample or all_)
    )
    for page in pages:
        for peeled in page:
            if sample is not None and opened + len(failed) >= sample:
                raise CaseRefusedError(f"the key service handed out more than the {sample} of the sample")
            try:
                wraps.open(peeled)
            except SealBrokenError:
                failed.append(peeled.user_id)
            else:
                opened += 1
        parts.progress("wraps opened", opened + len(failed), of[-1])
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
