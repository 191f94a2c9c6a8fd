"""Seal the wraps of everybody to the current escrow key: pages from the key service, and back to it.

    peel a page ──▶ a child reseals it (crew.py) ──▶ the key service stores it ──▶ the next one

Several pages are under way at once, so that no child waits while the key service works. A sweep is over when
there are no more pages; where somebody else changed a wrap meanwhile, another sweep comes upon it again. What
was stored counts whatever happens later: killed at any moment, the next ceremony finds what is left.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.ceremony.believed import BelievedCase
from vault_service.ceremony.crew import crew_of
from vault_service.ceremony.pages import peeled_pages
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.patience import patiently
from vault_service.ceremony.pin_open import Opened
from vault_service.ceremony.reports import save_report
from vault_service.ceremony.reseal import Resealed, Resealer
from vault_service.domain.case import Hash, Time, case_time
from vault_service.domain.ids import CeremonyId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import CaseClosedError
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.protocol.rotation_messages import EscrowRewrapped, RewrapEscrow

_MOST_SWEEPS = 10
_Page = tuple[PeeledWrap, ...]
_Reseal = Callable[[_Page], Resealed]


class RotationReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done, and what failed."""

    v: Literal[1]
    case_id: UUID
    case_hash: Hash
    escrow_gen: int  # that everything is sealed to
    rewrapped: Annotated[int, Meta(ge=0)]  # by this ceremony
    failed: tuple[UUID, ...]  # users whose wrap did not open
    began_at: Time
    ended_at: Time

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    def summary(self) -> str:
        """One line for whoever watches."""
        return f"{self.rewrapped} wraps sealed to escrow/{self.escrow_gen}, {len(self.failed)} do not open"

    def save(self, folder: Path) -> tuple[Path, bytes]:
        """Write it; its path, and SHA-256 of its bytes. Raises ConfigurationError."""
        return save_report(folder, f"escrow-rotation-{self.case_id}", self.encode())


@dataclass
class _Swept:
    rewrapped: int = 0
    lost: int = 0


class Rewrapping:
    """One case's work in one ceremony."""

    def __init__(
        self,
        parts: CeremonyParts,
        ceremony: CeremonyId,
        believed: BelievedCase,
        opened: Opened,
        manifest: Manifest,
    ) -> None:
        self._parts = parts
        self._ceremony = ceremony
        self._believed = believed
        self._opened = opened
        self._manifest = manifest
        self._began: datetime = parts.now()
        self._rewrapped = 0
        self._failed: set[UUID] = set()
        self._sweeps = 0
        self._of: int | None = None

    @property
    def may_go_on(self) -> bool:
        """Whether another sweep is allowed: whoever writes to an older key for ever is no accident."""
        return self._sweeps < _MOST_SWEEPS

    def run(self) -> RotationReport:
        """Sweep until nothing was lost to others.

        Raises CaseClosedError when another escrow key is current than the case names, CaseRefusedError for
        pages that are none, and what the key service refuses.
        """
        if self._believed.case.escrow_gen != self._manifest.escrow_key.gen:
            raise CaseClosedError("another escrow key has become current since the case was opened")
        while True:
            self._sweeps += 1
            swept = self._sweep()
            if not swept.lost or not self.may_go_on:
                return self._report()

    def _sweep(self) -> _Swept:
        swept, many = _Swept(), self._parts.resealing
        self._failed.clear()  # what does not open comes up in every sweep
        case = self._believed.case.case_id
        pages = peeled_pages(self._parts, self._ceremony, case, limit=many.page, told=self._expect)
        first, second = next(pages, ()), next(pages, ())
        if not second:  # not worth a child
            own = Resealer(self._opened.token, self._manifest.keys.escrow, self._manifest.escrow_key)
            self._take(swept, self._one(own.reseal, first))
            return swept
        with crew_of(self._parts, self._opened, self._manifest) as crew:
            self._share(swept, crew.reseal, chain((first, second), pages))
        return swept

    def _expect(self, more: int | None) -> None:
        self._of = None if more is None else self._rewrapped + more

    def _share(self, swept: _Swept, reseal: _Reseal, pages: Iterator[_Page]) -> None:
        """While some threads' pages are in the children, others' are on their way to the key service."""
        threads = 2 * self._parts.resealing.children
        under_way: deque[Future[tuple[Resealed, EscrowRewrapped]]] = deque()
        with ThreadPoolExecutor(threads, "rewrap") as pool:
            try:
                for page in pages:
                    under_way.append(pool.submit(self._one, reseal, page))
                    if len(under_way) > threads:
                        self._take(swept, under_way.popleft().result())
                while under_way:
                    self._take(swept, under_way.popleft().result())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, reseal: _Reseal, page: _Page) -> tuple[Resealed, EscrowRewrapped]:
        if not page:
            return Resealed((), ()), EscrowRewrapped(0, 0)
        resealed = reseal(page)
        request = RewrapEscrow(
            self._ceremony, self._believed.case.case_id, len({each.user_id for each in page}),
            resealed.wraps, resealed.failed,
        )  # fmt: skip
        return resealed, patiently(self._parts, lambda: self._parts.kms.call(request, EscrowRewrapped))

    def _take(self, swept: _Swept, done: tuple[Resealed, EscrowRewrapped]) -> None:
        resealed, stored = done
        swept.rewrapped += stored.rewrapped
        swept.lost += stored.lost
        self._rewrapped += stored.rewrapped
        self._failed.update(resealed.failed)
        self._parts.progress("wraps sealed to the new key", self._rewrapped, self._of)

    def _report(self) -> RotationReport:
        return RotationReport(
            v=1,
            case_id=self._believed.case.case_id,
            case_hash=self._believed.digest.hex(),
            escrow_gen=self._manifest.escrow_key.gen,
            rewrapped=self._rewrapped,
            failed=tuple(sorted(self._failed)),
            began_at=case_time(self._began),
            ended_at=case_time(self._parts.now()),
        )
