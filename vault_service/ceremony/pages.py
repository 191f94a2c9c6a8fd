"""Wraps of everybody, page by page, as the key service peels them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID

from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.patience import patiently
from vault_service.domain.ids import CeremonyId
from vault_service.domain.recovery_errors import CaseRefusedError, NoteRefusedError
from vault_service.kms.protocol.recovery_messages import Peel, Peeled, PeeledWrap


def peeled_pages(
    parts: CeremonyParts,
    ceremony: CeremonyId,
    case: UUID,
    *,
    limit: int,
    told: Callable[[int | None], object] = lambda _: None,
) -> Iterator[tuple[PeeledWrap, ...]]:
    """The next page is fetched while one is opened: the key service works on the other core.

    `told`: first of all, about how many wraps come, as the key service says. Nothing but a figure that is
    shown may depend on it.

    Raises CaseRefusedError when wraps come out of their order, or one of them twice; NoteRefusedError once
    the note has run out: a captured key service would keep the token open with pages without end.
    """

    def fetch(after: UUID | None) -> Peeled:
        return patiently(parts, lambda: parts.kms.call(Peel(ceremony, case, after, limit), Peeled))

    with ThreadPoolExecutor(1, "peel") as pool:
        page = fetch(None)
        told(page.of)
        last: PeeledWrap | None = None
        while page.wraps:
            if parts.ends_at is not None and parts.now() >= parts.ends_at:
                raise NoteRefusedError("the note has expired")
            run = page.wraps if last is None else (last, *page.wraps)
            if any(_place(a) >= _place(b) for a, b in pairwise(run)):
                raise CaseRefusedError("the key service handed out wraps out of their order")
            last = page.wraps[-1]
            following = pool.submit(fetch, last.user_id) if page.more else None
            yield page.wraps
            if following is None:
                return
            page = following.result()


def _place(peeled: PeeledWrap) -> tuple[UUID, UUID]:
    return peeled.user_id, peeled.dek_id
