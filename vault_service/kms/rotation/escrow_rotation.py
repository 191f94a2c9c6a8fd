"""A rotation of the escrow key as the key service keeps it: begun, watched and ended by its case.

    case     open ──▶ executing ──▶ executed
    rotation          running    ──▶ finished

The case of kind escrow-rotation is the only authority. Its first peel begins the rotation, its completion
ends it. If the ceremony dies the case is open again and the rotation goes on running, with nobody at work;
the next ceremony of that case, or of another one of the same kind, goes on with it.
"""

from uuid import UUID

from vault_service.domain.case import Case
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import CaseClosedError
from vault_service.domain.rotation_errors import NoRotationError, NothingToRotateError, RotationBusyError
from vault_service.kms.rotation import rotations
from vault_service.kms.service import KeyService
from vault_service.storage.keys.left_behind import is_anything_left
from vault_service.storage.keys.rotations import StoredRotation, rotations_under_way
from vault_service.storage.pool import Conn


def demand_target(manifest: Manifest, case: Case) -> int:
    """The escrow generation that everything is sealed to: the one that officers read in the case.

    Whatever is made for it is to be made from this same manifest: another one may be current a moment later.
    Raises CaseClosedError when another one has become current since.
    """
    current = manifest.escrow_key.gen
    if case.escrow_gen != current:
        raise CaseClosedError(
            f"the case is about escrow key {case.escrow_gen}, and {current} is the current one by now"
        )
    return current


def demand_something_to_rotate(service: KeyService) -> None:
    """Before officers are asked. Raises NothingToRotateError."""
    current = service.manifests.current().escrow_key.gen
    with service.db.connection() as conn:
        if not is_anything_left(conn, "escrow", UUID(int=0), current):
            raise NothingToRotateError(f"every escrow wrap is on escrow key {current}")


def demand_running(service: KeyService, conn: Conn, case: Case) -> None:
    """A rotation to this case's escrow key: begun, with its event, unless it runs already.

    One to an older key that never came to its end is ended: what is left is this one's. Raises
    RotationBusyError when it is paused, or was begun by somebody else just now.
    """
    target, row = demand_target(service.manifests.current(), case), under_way(conn)
    if row is not None and row.state == "paused":
        raise RotationBusyError("the rotation of the escrow key is paused")
    if row is not None and row.to_gen == target:
        return
    if row is not None:
        rotations.finish(service, conn, row.rotation)
    if rotations.begin(service, conn, "escrow", target) is None:
        raise RotationBusyError("a rotation of the escrow key was begun at the same time")


def under_way(conn: Conn) -> StoredRotation | None:
    """The rotation of the escrow key that is running or paused."""
    return next((row for row in rotations_under_way(conn) if row.kind == "escrow"), None)


def finish(service: KeyService, conn: Conn, case: Case) -> None:
    """End the rotation, with its event, in the transaction that executes its case.

    Raises NoRotationError when it does not run, ConcurrentChangeError while a wrap is on an older escrow
    key that is not listed as one that does not open.
    """
    row = under_way(conn)
    if row is None or row.state != "running" or row.to_gen != case.escrow_gen:
        raise NoRotationError("no rotation to this case's escrow key is running")
    if is_anything_left(conn, "escrow", row.rotation, row.to_gen):
        raise ConcurrentChangeError("a wrap is on an older escrow key")
    rotations.finish(service, conn, row.rotation, case=CaseId(case.case_id))
