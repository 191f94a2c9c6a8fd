"""Begin, hold and end rotations of wraps, and tell how they stand; the rules: domain/rotation.py.

The key service decides: workers only ask. So a rotation ends when nothing is left on an older generation
by its own count, whatever a worker says; and an escrow rotation begins with the officers' case alone.
"""

import hashlib
from datetime import datetime
from uuid import UUID

import msgspec

from vault_service.domain.case import case_time
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.manifest import Manifest
from vault_service.domain.rotation import RewrapKind, RotationState, manifest_member
from vault_service.domain.rotation_errors import NoRotationError, NothingToRotateError, RotationBusyError
from vault_service.kms.protocol.rotation_messages import (
    FailedWrap,
    FinishRotation,
    PauseRotation,
    ResumeRotation,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
    StartRotation,
)
from vault_service.kms.rotation.generations import begin_change
from vault_service.kms.service import KeyService
from vault_service.storage.keys import rotations as stored
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import LOOK_AT_ALL_S
from vault_service.storage.keys.left_behind import is_anything_left
from vault_service.storage.keys.rotation_samples import Sample, insert_sample
from vault_service.storage.keys.rotations import StoredRotation
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn


def start_rotation(service: KeyService, request: StartRotation) -> RotationIs:
    """Begin one; workers take it up within a second or two.

    Raises InvalidInputError for the escrow key's, NothingToRotateError, RotationBusyError.
    """
    if request.kind == "escrow":
        raise InvalidInputError(
            "kind", "the officers begin it: vaultctl recovery open escrow-rotation, then a ceremony"
        )
    manifest = service.manifests.fresh()
    gen = current_gen(manifest, request.kind)
    with service.db.transaction() as conn, patient(conn, LOOK_AT_ALL_S):
        if not is_anything_left(conn, request.kind, UUID(int=0), gen):
            raise NothingToRotateError(f"every wrap is on {request.kind} key {gen}")
    with service.db.transaction() as conn:
        gen = current_gen(begin_change(service, conn), request.kind)  # no other becomes current meanwhile
        begun = begin(service, conn, request.kind, gen, rate=request.rate, workers=request.workers)
        if begun is None:
            raise RotationBusyError(_told(_under_way(conn, request.kind)))
    return RotationIs(begun)


def begin(
    service: KeyService, conn: Conn, kind: RewrapKind, gen: int, *, rate: int = 0, workers: int = 1
) -> RotationRow | None:
    """Insert a running rotation, with its event; None when one of this kind is under way."""
    now = service.now()
    with patient(conn, LOOK_AT_ALL_S):
        users = stored.count_users(conn)
    row = StoredRotation(
        rotation=UUID(int=new_uuid().int), kind=kind, to_gen=gen, state="running", rate=rate,
        workers=workers, users=users, looked_at=0, rewrapped=0, started_at=now,
        progress_at=None, ended_at=None,
    )  # fmt: skip
    if not stored.insert_rotation(conn, row):
        return None
    return tell(conn, row.rotation, KeysEvent.ROTATION_STARTED, now)


def pause_rotation(service: KeyService, request: PauseRotation) -> RotationIs:
    """No batch begins any more; one that is under way takes back what it did. Raises NoRotationError."""
    with service.db.transaction() as conn:
        row = _under_way(conn, request.kind)
        now = service.now()
        if stored.move_rotation(conn, row.rotation, "running", "paused", now):
            return RotationIs(tell(conn, row.rotation, KeysEvent.ROTATION_PAUSED, now))
        return RotationIs(_row_of(conn, row.rotation))


def resume_rotation(service: KeyService, request: ResumeRotation) -> RotationIs:
    """Let it go on, or faster or slower. Raises NoRotationError."""
    with service.db.transaction() as conn:
        row = _under_way(conn, request.kind)
        now = service.now()
        moved = stored.move_rotation(conn, row.rotation, "paused", "running", now)
        rate = row.rate if request.rate is None else request.rate
        workers = row.workers if request.workers is None else request.workers
        if not moved and (rate, workers) == (row.rate, row.workers):
            return RotationIs(_row_of(conn, row.rotation))
        stored.change_pace(conn, row.rotation, rate=rate, workers=workers)
        return RotationIs(tell(conn, row.rotation, KeysEvent.ROTATION_RESUMED, now))


def rotation_status(service: KeyService, request: RotationStatus) -> RotationsAre:
    """The newest of each kind."""
    del request
    with service.db.connection() as conn:
        return RotationsAre(tuple(_row(conn, each) for each in stored.newest_rotations(conn)))


def finish_rotation(service: KeyService, request: FinishRotation) -> RotationIs:
    """Finished if nothing is left but what does not open; still running otherwise, for another sweep.

    What a key service that believes an older manifest writes meanwhile is left for the next rotation, and
    the census before a generation is given up finds it. Raises NoRotationError.
    """
    with service.db.connection() as conn:
        row = stored.find_rotation(conn, request.rotation_id)
    if row is None or row.kind == "escrow":
        raise NoRotationError("no rotation that workers carry out has this id")
    gen = current_gen(
        service.manifests.fresh(), row.kind
    )  # the row is not believed: it may be made to end early
    with service.db.transaction() as conn, patient(conn, LOOK_AT_ALL_S):
        if row.state != "running" or is_anything_left(conn, row.kind, row.rotation, gen):
            return RotationIs(_row_of(conn, row.rotation))
    with service.db.transaction() as conn:
        return RotationIs(finish(service, conn, row.rotation))


def finish(service: KeyService, conn: Conn, rotation: UUID, *, case: CaseId | None = None) -> RotationRow:
    """Call a running one finished, with its event; one that is not running stays as it is.

    `case`: that ends with it.
    """
    now = service.now()
    if stored.move_rotation(conn, rotation, "running", "finished", now):
        return tell(conn, rotation, KeysEvent.ROTATION_FINISHED, now, case=case)
    return _row_of(conn, rotation)


def tell_progress(service: KeyService, conn: Conn, rotation: UUID) -> None:
    """An event about how far it is, every so often; in the transaction that adds to its progress."""
    now = service.now()
    if stored.is_progress_due(conn, rotation, now, service.policies.rotation.engine.progress_every_s):
        tell(conn, rotation, KeysEvent.ROTATION_PROGRESSED, now)


def tell(
    conn: Conn, rotation: UUID, kind: KeysEvent, now: datetime, *, case: CaseId | None = None
) -> RotationRow:
    """An event, whose digest is SHA-256 of the row as it stands, in JSON; gives that row."""
    row = _row_of(conn, rotation)
    insert_event(conn, kind, now, digest=hashlib.sha256(msgspec.json.encode(row)).digest(), case=case)
    insert_sample(conn, Sample(rotation, now, row.looked_at, row.rewrapped))
    return row


def current_gen(manifest: Manifest, kind: RewrapKind) -> int:
    """What new wraps are made with."""
    keys = getattr(manifest.keys, manifest_member(kind))
    return next(int(key.gen) for key in keys if key.state == "current")


def _under_way(conn: Conn, kind: RewrapKind) -> StoredRotation:
    row = next((each for each in stored.rotations_under_way(conn) if each.kind == kind), None)
    if row is not None:
        return row
    last = next((each for each in stored.newest_rotations(conn, per_kind=1) if each.kind == kind), None)
    ended = "" if last is None or last.ended_at is None else f": the last one, {_which(last)}, has ended"
    raise NoRotationError(f"no {kind} rotation is under way{ended}")


def _told(row: StoredRotation) -> str:
    return f"a {row.kind} rotation is under way: {_which(row)}, {row.state}"


def _which(row: StoredRotation) -> str:
    return f"to generation {row.to_gen}, begun {case_time(row.started_at)}"


def _row_of(conn: Conn, rotation: UUID) -> RotationRow:
    row = stored.find_rotation(conn, rotation)
    if row is None:
        raise NoRotationError("no rotation has this id")
    return _row(conn, row)


def _row(conn: Conn, row: StoredRotation) -> RotationRow:
    state: RotationState = row.state
    return RotationRow(
        rotation_id=row.rotation,
        kind=row.kind,
        to_gen=row.to_gen,
        state=state,
        rate=row.rate,
        workers=row.workers,
        users=row.users,
        looked_at=row.looked_at,
        rewrapped=row.rewrapped,
        failed=stored.count_failures(conn, row.rotation),
        failures=tuple(FailedWrap(each.user, each.wrap) for each in stored.list_failures(conn, row.rotation)),
        started_at=case_time(row.started_at),
        ended_at=case_time(row.ended_at) if row.ended_at else None,
    )
