"""Store what a ceremony sealed to the current escrow key: the outer layer on, in the place of the old wrap.

The key service cannot look into an inner wrap. That the ceremony sealed the right DEK to the right key rests
on the ceremony's own checks (ceremony/reseal.py), as it does when it opens one; a drill shows it afterwards.
What is demanded here is what `execution` lists, whole, with every page: the case is open and approved, the
note is live. It costs a few milliseconds of the tenths of a second that a page takes, so nothing of it is
remembered between pages; a veto's or a removed officer's end holds from the next page on.

A wrap is replaced by compare-and-set on its bytes and generation. Whoever else changed it meanwhile wins: a
change of login or a new pepper, after which it is on an older escrow key still and comes up again in the next
sweep; or an erasure, after which it is gone.
"""

from collections.abc import Sequence
from uuid import UUID

from vault_service.crypto.seal import seal
from vault_service.domain.contexts import EncodedContext, EscrowContext, OuterContext
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, UserId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import CaseClosedError
from vault_service.domain.rotation_errors import NoRotationError
from vault_service.kms.cases.execution import execution, refusals_recorded
from vault_service.kms.protocol.rotation_messages import EscrowRewrapped, NewEscrowWrap, RewrapEscrow
from vault_service.kms.rotation.escrow_rotation import demand_target, under_way
from vault_service.kms.rotation.rotations import tell_progress
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.keyring import pepper_label
from vault_service.storage.keys.escrow_rotation import (
    OldWrap,
    Replacement,
    forget_failures,
    older_wraps,
    replace_wraps,
)
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.rotations import Failure, add_progress, record_failures
from vault_service.storage.pool import Conn, repeatable


def rewrap_escrow(service: KeyService, request: RewrapEscrow) -> EscrowRewrapped:
    """Wraps that somebody else changed meanwhile are left to them and counted as lost.

    Raises what `execution` does, CaseClosedError when this ceremony does not execute the case or another
    escrow key is current by now, InvalidInputError for a case of another kind, each with its event;
    NoRotationError when the rotation is paused, UnavailableError.
    """
    ceremony, case_id = CeremonyId(request.ceremony_id), CaseId(request.case_id)
    with refusals_recorded(service, KeysEvent.CEREMONY_REFUSED, case_id):
        found = execution(service, ceremony, case_id)
        if found.case.kind != "escrow-rotation":
            raise InvalidInputError("case_id", "the case is no rotation of the escrow key")
        if found.row.state != "executing":
            raise CaseClosedError("no ceremony has begun to execute the case")
        manifest = service.manifests.current()
        target = demand_target(manifest, found.case)
    replacements = _outer_on(service, manifest, _old(service, target, request.wraps), request.wraps)
    done = _store(service, manifest, target, replacements, request)
    return EscrowRewrapped(done, len(request.wraps) - done)


def _old(service: KeyService, target: int, wraps: Sequence[NewEscrowWrap]) -> Sequence[OldWrap]:
    users, deks = [each.user_id for each in wraps], [each.dek_id for each in wraps]
    with service.db.connection() as conn:
        return older_wraps(conn, current=target, users=users, deks=deks)


def _outer_on(
    service: KeyService, manifest: Manifest, old: Sequence[OldWrap], wraps: Sequence[NewEscrowWrap]
) -> list[Replacement]:
    """One token call a wrap, all of them in one visit."""
    inner = {(each.user_id, each.dek_id): each.wrap for each in wraps}
    key, pepper = manifest.escrow_key, manifest.pepper_gen
    point = bytes.fromhex(key.public_key)
    places: list[EncodedContext] = []
    for each in old:
        info = EscrowContext(each.tenant, each.user, each.dek, key.gen, point).encode()
        place = OuterContext(b"escrow", info, each.login_index_gen, each.login_index, pepper)
        places.append(EncodedContext(place.encode()))
    label = pepper_label(pepper)
    keys = service.keyring.token.hmac_many([(label, place.encoded) for place in places])
    return [
        Replacement(each, seal(outer, place, inner[each.user, each.dek]))
        for each, outer, place in zip(old, keys, places, strict=True)
    ]


@repeatable
def _store(
    service: KeyService,
    manifest: Manifest,
    target: int,
    replacements: Sequence[Replacement],
    request: RewrapEscrow,
) -> int:
    """The progress last, since all pages meet at the rotation's row."""
    with service.db.transaction() as conn:
        row = under_way(conn)
        if row is None or row.to_gen != target:
            raise NoRotationError("no rotation to this escrow key is under way")
        done = replace_wraps(conn, replacements, escrow_gen=target, pepper_gen=manifest.pepper_gen)
        forget_failures(conn, row.rotation, [each.old.user for each in replacements])
        _tell_failures(service, conn, row.rotation, request.failed)
        if not add_progress(conn, row.rotation, looked_at=request.looked_at, rewrapped=done):
            raise NoRotationError("the rotation of the escrow key was paused")
        tell_progress(service, conn, row.rotation)
    return done


def _tell_failures(service: KeyService, conn: Conn, rotation: UUID, users: Sequence[UUID]) -> None:
    """Each wrap that does not open once, however often a sweep comes upon it."""
    now = service.now()
    failures = (Failure(UserId(user), "escrow") for user in dict.fromkeys(users))
    for failure in record_failures(conn, rotation, failures, now):
        insert_event(conn, KeysEvent.WRAP_INTEGRITY_FAILED, now, user=failure.user)
