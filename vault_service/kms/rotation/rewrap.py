"""Answer one batch of a rotation: a range of users, page by page, each page in a transaction of its own.

- A page is read without locks, computed in the token, and written by compare-and-set. What lost against
  somebody else is left as that one wrote it: on the current generation, or for the next sweep.
- A wrap that does not open stays as it is; it is listed and told once, and the rest of its page goes on.
- A page of a rotation that was paused or has ended meanwhile is taken back.
- A range is a job's, of some thousand users at most. Of one that somebody has made larger a part is done, and
  the rotation's next sweep finds the rest: else one call would keep the key service busy for hours.
- A range may be done again, by whoever and beside whomever: what is on the current generation is not touched.

Ranges reach from the lowest to the highest id that there could be: decoys of regains have keys to be moved
too, and ids that no user has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId
from vault_service.domain.rotation import RewrapKind, RotationState
from vault_service.domain.rotation_errors import NoRotationError
from vault_service.kms.protocol.rotation_messages import BatchRewrapped, RewrapBatch
from vault_service.kms.rotation.rewrap_login_index import rewrap_login_index
from vault_service.kms.rotation.rewrap_pepper import rewrap_pepper
from vault_service.kms.rotation.rewrapped import Rewrapped
from vault_service.kms.rotation.rotations import tell_progress
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.rotations import StoredRotation, add_progress, find_rotation, record_failures
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn, repeatable

PAGE = 500  # users in one transaction: some 0.1 s, for which a sign-in of one of them may have to wait
MOST_PAGES = 8  # in one call; a job has 2000 users, and those who came since it was made
_WRITE_S = 5  # for each of its statements, on a server that is busy with much else

Rewrap = Callable[[KeyService, UserId, UserId, int], Rewrapped]
_REWRAPS: Mapping[RewrapKind, Rewrap] = {"login-index": rewrap_login_index, "pepper": rewrap_pepper}


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What became of a page's users and wraps."""

    state: RotationState
    looked_at: int = 0
    rewrapped: int = 0
    lost: int = 0
    failed: int = 0


def rewrap_batch(service: KeyService, request: RewrapBatch) -> BatchRewrapped:
    """Every wrap of the range is on the current generation, was changed by somebody else, or does not open.

    Raises NoRotationError, UnavailableError.
    """
    with service.db.connection() as conn:
        rotation = find_rotation(conn, request.rotation_id)
    if rotation is None or rotation.kind not in _REWRAPS:
        raise NoRotationError("no rotation of that id is done by workers")
    pages = [PageCounts(rotation.state)]
    after: UUID | None = request.after
    while after is not None and pages[-1].state == "running" and len(pages) <= MOST_PAGES:
        page = _REWRAPS[rotation.kind](service, UserId(after), UserId(request.upto), PAGE)
        pages.append(write_page(service, rotation, page))
        after = page.last
    return BatchRewrapped(
        state=pages[-1].state,
        looked_at=sum(page.looked_at for page in pages),
        rewrapped=sum(page.rewrapped for page in pages),
        lost=sum(page.lost for page in pages),
        failed=sum(page.failed for page in pages),
    )


class _NotRunning(Exception):  # noqa: N818  # not an error: how a transaction is taken back
    pass


@repeatable
def write_page(service: KeyService, rotation: StoredRotation, page: Rewrapped) -> PageCounts:
    """In one transaction, with what there is to tell; nothing stands unless the rotation is running."""
    try:
        with service.db.transaction() as conn:
            with patient(conn, _WRITE_S):
                rewrapped = page.write(conn)
            _tell_failures(service, conn, rotation, page)
            if not add_progress(conn, rotation.rotation, looked_at=page.looked_at, rewrapped=rewrapped):
                raise _NotRunning
            tell_progress(service, conn, rotation.rotation)
    except _NotRunning:
        with service.db.connection() as conn:
            now = find_rotation(conn, rotation.rotation)
        return PageCounts("finished" if now is None else now.state)
    return PageCounts("running", page.looked_at, rewrapped, page.wraps - rewrapped, len(page.failures))


def _tell_failures(service: KeyService, conn: Conn, rotation: StoredRotation, page: Rewrapped) -> None:
    now = service.now()
    for failure in record_failures(conn, rotation.rotation, page.failures, now):
        insert_event(conn, KeysEvent.WRAP_INTEGRITY_FAILED, now, user=failure.user)
