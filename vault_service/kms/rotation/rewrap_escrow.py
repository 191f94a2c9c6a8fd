"""Store what a ceremony sealed to the current escrow key: the outer layer on, in the place of the old wrap.

The key service cannot look into an inner wrap. That the ceremony sealed the right DEK to the right key rests
on the ceremony's own checks (ceremony/reseal.py), as it does when it opens one; a drill shows it afterwards.
What is demanded here is what `execution` lists, whole, with every page: the case is open and approved, the
note is live. It costs a few milliseconds of the tenths of a second that a page takes, so nothing of it is
remembered between pages; a veto's or a removed officer's end holds from the next page on.

A wrap is replaced by compare-and-set on its bytes and generation. Whoever else changed it meanwhile wins: a
change of login or a new pepper, after which it is on an older escrow key still and comes up again in the next
sweep; or an erasure, after which it is gone.

A ceremony whose answer got lost sends the page again. What stands since the first time is told by the inner
wrap, which nobody else can have made so: it counts as rewrapped, or the ceremony's report would fall short.
"""

from collections.abc import Sequence
from uuid import UUID

from vault_service.crypto.seal import open_sealed, seal
from vault_service.domain.contexts import EncodedContext, EscrowContext, OuterContext
from vault_service.domain.errors import InvalidInputError, SealBrokenError
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
    Replacement,
    StoredWrap,
    forget_failures,
    replace_wraps,
    stored_wraps,
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
    old = [each for each in _stored(service, request.wraps) if each.escrow_gen != target]
    done = _store(service, manifest, target, _outer_on(service, manifest, old, request.wraps), request)
    if done < len(request.wraps):
        done = max(done, _standing(service, manifest, target, request.wraps))
    return EscrowRewrapped(done, len(request.wraps) - done)


def _stored(service: KeyService, wraps: Sequence[NewEscrowWrap]) -> Sequence[StoredWrap]:
    users, deks = [each.user_id for each in wraps], [each.dek_id for each in wraps]
    with service.db.connection() as conn:
        return stored_wraps(conn, users=users, deks=deks)


def _outer_on(
    service: KeyService, manifest: Manifest, old: Sequence[StoredWrap], wraps: Sequence[NewEscrowWrap]
) -> list[Replacement]:
    """One token call a wrap, all of them in one visit."""
    inner, pepper = _inner(wraps), manifest.pepper_gen
    places = [_place(manifest, each, pepper) for each in old]
    label = pepper_label(pepper)
    keys = service.keyring.token.hmac_many([(label, place.encoded) for place in places])
    return [
        Replacement(each, seal(outer, place, inner[each.user, each.dek]))
        for each, outer, place in zip(old, keys, places, strict=True)
    ]


def _standing(service: KeyService, manifest: Manifest, target: int, wraps: Sequence[NewEscrowWrap]) -> int:
    """How many of these very wraps are stored, whoever has put the outer layer on since."""
    inner = _inner(wraps)
    live = {key.gen for key in manifest.keys.pepper if key.state != "destroyed"}
    stored = [
        each for each in _stored(service, wraps) if each.escrow_gen == target and each.pepper_gen in live
    ]
    places = [_place(manifest, each, each.pepper_gen) for each in stored]
    asked = [
        (pepper_label(each.pepper_gen), place.encoded) for each, place in zip(stored, places, strict=True)
    ]
    keys = service.keyring.token.hmac_many(asked)
    return sum(
        _opens_to(outer, place, each.wrap, inner[each.user, each.dek])
        for each, outer, place in zip(stored, keys, places, strict=True)
    )


def _opens_to(key: bytes, place: EncodedContext, wrap: bytes, inner: bytes) -> bool:
    try:
        return open_sealed(key, place, wrap) == inner
    except SealBrokenError:  # somebody altered it: the next sweep or a drill tells
        return False


def _inner(wraps: Sequence[NewEscrowWrap]) -> dict[tuple[UUID, UUID], bytes]:
    return {(each.user_id, each.dek_id): each.wrap for each in wraps}


def _place(manifest: Manifest, each: StoredWrap, pepper: int) -> EncodedContext:
    """Of the outer layer of a wrap to the current escrow key."""
    key = manifest.escrow_key
    info = EscrowContext(each.tenant, each.user, each.dek, key.gen, bytes.fromhex(key.public_key)).encode()
    place = OuterContext(b"escrow", info, each.login_index_gen, each.login_index, pepper)
    return EncodedContext(place.encode())


@repeatable
def _store(
    service: KeyService,
    manifest: Manifest,
    target: int,
    replacements: Sequence[Replacement],
    request: RewrapEscrow,
) -> int:
    """The progress last, since all pages meet at the rotation's row; a page that comes again adds none."""
    with service.db.transaction() as conn:
        row = under_way(conn)
        if row is None or row.to_gen != target:
            raise NoRotationError("no rotation to this escrow key is under way")
        done = replace_wraps(conn, replacements, escrow_gen=target, pepper_gen=manifest.pepper_gen)
        forget_failures(conn, row.rotation, [each.old.user for each in replacements])
        _tell_failures(service, conn, row.rotation, request.failed)
        looked_at = request.looked_at if replacements or not request.wraps else 0
        if not add_progress(conn, row.rotation, looked_at=looked_at, rewrapped=done):
            raise NoRotationError("the rotation of the escrow key was paused")
        tell_progress(service, conn, row.rotation)
    return done


def _tell_failures(service: KeyService, conn: Conn, rotation: UUID, users: Sequence[UUID]) -> None:
    """Each wrap that does not open once, however often a sweep comes upon it."""
    now = service.now()
    failures = (Failure(UserId(user), "escrow") for user in dict.fromkeys(users))
    for failure in record_failures(conn, rotation, failures, now):
        insert_event(conn, KeysEvent.WRAP_INTEGRITY_FAILED, now, user=failure.user)
