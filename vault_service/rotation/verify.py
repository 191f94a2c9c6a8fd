"""Open users' wraps again, a random sample or all of them; nothing is handed out, and an event is left.

What is opened are outer layers, which need no password and no officer. Whether the escrow wraps inside
open is shown by a drill (docs/runbooks/drill.md).
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import msgspec
import rfc8785

from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.rotation_messages import (
    CensusIs,
    FailedWrap,
    GenerationsAre,
    ListGenerations,
    ReportVerified,
    TakeCensus,
    VerifyWraps,
    WrapsVerified,
)

_FIRST = UUID(int=0)
PAGE = 500  # users


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found."""

    sample: int | None  # None: everybody
    seed: int  # which users a sample takes; the same seed takes the same
    opened: int  # wraps
    failed: tuple[FailedWrap, ...]

    def report(self) -> dict[str, object]:
        """What the event's digest is of."""
        return {
            "sample": self.sample,
            "seed": str(self.seed),  # canonical JSON has no such large numbers
            "opened": self.opened,
            "failed": [{"user_id": str(each.user_id), "wrap": each.wrap} for each in self.failed],
        }

    @property
    def body(self) -> bytes:
        """The report as canonical JSON."""
        return rfc8785.dumps(msgspec.to_builtins(self.report()))

    @property
    def digest(self) -> bytes:
        """SHA-256 of it."""
        return hashlib.sha256(self.body).digest()


def wraps_there_are(kms: KmsClient) -> int:
    """How many outer layers: each is on one pepper. Raises UnavailableError."""
    rows = kms.call(ListGenerations(), GenerationsAre).generations
    live = (row.gen for row in rows if row.kind == "pepper" and row.state != "destroyed")
    return sum(
        number for gen in live for _, number in kms.call(TakeCensus("pepper", gen), CensusIs).needed_by
    )


def verify(
    kms: KmsClient,
    *,
    sample: int | None,
    seed: int | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Open them page by page; `tell` hears how many wraps were opened so far. Raises UnavailableError."""
    chosen = secrets.randbits(63) if seed is None else seed
    opened, failed, after = 0, list[FailedWrap](), _FIRST
    while True:
        page = kms.call(VerifyWraps(after, PAGE, sample, chosen), WrapsVerified)
        opened += page.opened
        failed += page.failed
        tell(opened)
        if not page.more or page.last is None:
            break
        after = page.last
    verified = Verified(sample, chosen, opened, tuple(failed))
    kms.call(ReportVerified(verified.digest), Done)
    return verified
