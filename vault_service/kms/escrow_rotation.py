"""A rotation of the escrow key as the key service keeps it: begun, watched and ended by its case.

    case     open ──▶ executing ──▶ executed
    rotation          running    ──▶ finished

The case of kind escrow-rotation is the only authority. Its first peel begins the rotation, its completion
ends it. If the ceremony dies the case is open again and the rotation goes on running, with nobody at work;
the next ceremony of that case, or of another one of the same kind, goes on with it.
"""

import hashlib
from datetime import datetime

import msgspec
import rfc8785

from vault_service.domain.case import Case, case_time
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.recovery_errors import CaseClosedError
from vault_service.domain.rotation_errors import NoRotationError, RotationBusyError
from vault_service.kms.rotation_messages import FailedWrap, RotationRow
from vault_service.kms.service import KeyService
from vault_service.storage.keys.escrow_rotation import users_left, users_on_older
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.rotations import (
    StoredRotation,
    count_failures,
    find_rotation,
    insert_rotation,
    list_failures,
    move_rotation,
    rotations_under_way,
)
from vault_service.storage.pool import Conn


def demand_target(service: KeyService, case: Case) -> int:
    """The escrow generation that everything is sealed to: the one that officers read in the case.

    Raises CaseClosedError when another one has become current since.
    """
    current = service.manifests.current().escrow_key.gen
    if case.escrow_gen != current:
        raise CaseClosedError(
            f"the case is about escrow key {case.escrow_gen}, and {current} is the current one by now"
        )
    return current


def demand_running(service: KeyService, conn: Conn, case: Case, now: datetime) -> StoredRotation:
    """The rotation to this case's escrow key; begun, with its event, unless it runs already.

    One to an older key that never came to its end is ended: what is left is this one's. Raises
    RotationBusyError when it is paused.
    """
    target = demand_target(service, case)
    row = under_way(conn)
    if row is not None and row.state == "paused":
        raise RotationBusyError("the rotation of the escrow key is paused")
    if row is not None and row.to_gen == target:
        return row
    if row is not None:
        _end(conn, row, now)
    begun = StoredRotation(
        rotation=new_uuid(), kind="escrow", to_gen=target, state="running", rate=0, workers=1,
        users=users_on_older(conn, target), looked_at=0, rewrapped=0, started_at=now, progress_at=None,
        ended_at=None,
    )  # fmt: skip
    if not insert_rotation(conn, begun):
        raise RotationBusyError("a rotation of the escrow key was begun at the same time")
    tell(conn, KeysEvent.ROTATION_STARTED, begun, now)
    return begun


def under_way(conn: Conn) -> StoredRotation | None:
    """The rotation of the escrow key that is running or paused."""
    return next((row for row in rotations_under_way(conn) if row.kind == "escrow"), None)


def finish(conn: Conn, case: Case, now: datetime) -> None:
    """End the rotation, with its event, in the transaction that executes its case.

    Raises NoRotationError when it does not run, ConcurrentChangeError while a wrap is on an older escrow
    key that is not listed as one that does not open.
    """
    row = under_way(conn)
    if row is None or row.state != "running" or row.to_gen != case.escrow_gen:
        raise NoRotationError("no rotation of the escrow key is running")
    if left := users_left(conn, row.to_gen, row.rotation):
        raise ConcurrentChangeError(f"wraps of {left} users are on an older escrow key")
    _end(conn, row, now, CaseId(case.case_id))


def tell(conn: Conn, kind: KeysEvent, row: StoredRotation, now: datetime, case: CaseId | None = None) -> None:
    """An event about a rotation as it stands."""
    insert_event(conn, kind, now, digest=rotation_digest(shown(conn, row)), case=case)


def shown(conn: Conn, row: StoredRotation) -> RotationRow:
    """What `rotate status` says of it."""
    return RotationRow(
        rotation_id=row.rotation, kind=row.kind, to_gen=row.to_gen, state=row.state, rate=row.rate,
        workers=row.workers, users=row.users, looked_at=row.looked_at, rewrapped=row.rewrapped,
        failed=count_failures(conn, row.rotation),
        failures=tuple(FailedWrap(each.user, each.wrap) for each in list_failures(conn, row.rotation)),
        started_at=case_time(row.started_at),
        ended_at=None if row.ended_at is None else case_time(row.ended_at),
    )  # fmt: skip


def rotation_digest(row: RotationRow) -> bytes:
    """SHA-256 of its canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(msgspec.to_builtins(row))).digest()


def _end(conn: Conn, row: StoredRotation, now: datetime, case: CaseId | None = None) -> None:
    if not move_rotation(conn, row.rotation, row.state, "finished", now):
        raise ConcurrentChangeError("the rotation of the escrow key was changed at the same time")
    ended = find_rotation(conn, row.rotation)
    if ended is not None:
        tell(conn, KeysEvent.ROTATION_FINISHED, ended, now, case)
