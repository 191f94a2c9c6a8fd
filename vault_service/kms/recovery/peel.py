"""Take the outer layer off escrow wraps for a ceremony: the key service's half of opening them.

What is handed out is useless without the escrow token, which only the officers' shares open. Before it is,
everything is demanded that execution.py lists, and for a case about somebody that this somebody is still as
they were when the officers read the case. A rotation of the escrow key gets pages of wraps that are not on
the current one. A drill gets pages of users; those of a sample are chosen by a
hash under the token's case key, so that whoever asks for the drill has no say in whose wraps it looks at.
"""

from collections.abc import Iterator, Sequence

import msgspec

from vault_service.crypto.hpke import SEALED_KEY_BYTES
from vault_service.crypto.seal import OVERHEAD, open_sealed
from vault_service.domain.case import Case
from vault_service.domain.contexts import OuterContext, context
from vault_service.domain.errors import IntegrityError, SealBrokenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, CaseId, CeremonyId, UserId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import CaseClosedError, CeremonyBusyError
from vault_service.kms.cases.book import generation_of
from vault_service.kms.cases.execution import Execution, execution, refusals_recorded
from vault_service.kms.protocol.recovery_messages import Peel, Peeled, PeeledKept, PeeledWrap
from vault_service.kms.rotation.escrow_rotation import demand_running, demand_target
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.keyring import pepper_label
from vault_service.kms.wrapping.wraps import escrow_place
from vault_service.storage.keys.cases import move_case
from vault_service.storage.keys.census import count_older_escrow
from vault_service.storage.keys.data_keys import kept_deks
from vault_service.storage.keys.escrow_rotation import older_escrow_page
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import LOOK_AT_ALL_S
from vault_service.storage.keys.peel import (
    EscrowPageRow,
    escrow_page,
    find_escrow_of,
    login_leads_to,
    sampled_escrow_page,
)
from vault_service.storage.keys.rotations import count_users
from vault_service.storage.keys.users import find_login
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn


def peel(service: KeyService, request: Peel) -> Peeled:
    """The case is executed by this ceremony from now on; the same one may ask again.

    Raises what `execution` does, IntegrityError for a wrap that was altered or moved, UnsealedError while
    the trail is not sealed; each but the last with its event.
    """
    service.sealing.demand()
    ceremony, case_id = CeremonyId(request.ceremony_id), CaseId(request.case_id)
    with refusals_recorded(service, KeysEvent.PEEL_REFUSED, case_id):
        found = execution(service, ceremony, case_id)
        peeled = _peeled(service, found.case, found.digest, request)
        _begin(service, ceremony, found)
    return peeled


def _peeled(service: KeyService, case: Case, digest: bytes, request: Peel) -> Peeled:
    if case.kind in ("regain", "disclosure"):
        subject = unchanged_subject(service, case)
        wrap = next(_taken_off(service, [subject]))
        if wrap.wrap is None:
            service.record(KeysEvent.WRAP_INTEGRITY_FAILED, user=subject.user)
            raise IntegrityError
        if case.kind == "disclosure":
            wrap = msgspec.structs.replace(wrap, kept=_kept(service, subject))
        return Peeled((wrap,))
    if case.kind == "erasure":
        unchanged_subject(service, case)
    if case.kind == "drill":
        return _drilled(service, case, digest, request)
    if case.kind == "escrow-rotation":
        return _older(service, case, request)
    return Peeled(())


def _begin(service: KeyService, ceremony: CeremonyId, found: Execution) -> None:
    """open -> executing, unless it is this ceremony's already; the event stands before a wrap leaves."""
    with service.db.transaction() as conn:
        now = service.now()
        again = found.row.state == "executing"
        if not again and not move_case(conn, found.row.case, "open", "executing", now, ceremony=ceremony):
            raise CeremonyBusyError("the case was decided or taken by another ceremony meanwhile")
        if found.case.kind == "escrow-rotation":
            demand_running(service, conn, found.case)
        insert_event(
            conn, KeysEvent.WRAPS_PEELED, now, user=found.row.user or NOBODY, case=found.row.case,
            digest=found.digest,
        )  # fmt: skip


# --- somebody's


def unchanged_subject(service: KeyService, case: Case) -> EscrowPageRow:
    """The subject's rows. Raises CaseClosedError when they are not as they were, IntegrityError."""
    with service.db.connection() as conn:
        return subject_in(conn, service, case)


def subject_in(conn: Conn, service: KeyService, case: Case) -> EscrowPageRow:
    """The same on a connection of the caller's."""
    if case.user_id is None:
        raise TypeError("a case about nobody has no subject")
    row = find_escrow_of(conn, UserId(case.user_id))
    if row is None:
        raise CaseClosedError("there is no such user any more")
    same = {
        "tenant": row.tenant == case.tenant,
        "data key": row.dek == case.dek_id,
        "password": row.epoch == case.epoch,
        "login": _has_same_login(conn, service, row, case),
        "escrow key": _is_escrow_followed(service, row, case),
    }
    if changed := [name for name, is_same in same.items() if not is_same]:
        raise CaseClosedError(f"since the case was opened the subject got another {', '.join(changed)}")
    if login_leads_to(conn, row.login_index) != row.user:
        # Officers established a login; it must be this user's from both sides.
        service.record(KeysEvent.WRAP_INTEGRITY_FAILED, user=row.user)
        raise IntegrityError
    return row


def _has_same_login(conn: Conn, service: KeyService, row: EscrowPageRow, case: Case) -> bool:
    """By the index that the case names; or a rotation gave the same login another one meanwhile.

    Then the case's must be the one, under a generation that is live still, of the login that is sealed for
    this user: nobody without the token can seal another.
    """
    if row.login_index.hex() == case.login_index:
        return True
    kept = find_login(conn, row.user)
    if kept is None or kept.index != row.login_index or case.login_index is None:
        return False
    try:
        name = service.keyring.open_login(row.tenant, row.user, kept)
    except SealBrokenError:
        return False
    indexes = service.live_login(row.tenant, name, service.manifests.current()).indexes
    return row.login_index in indexes and bytes.fromhex(case.login_index) in indexes


def _is_escrow_followed(service: KeyService, row: EscrowPageRow, case: Case) -> bool:
    """The escrow key that the case names, or a later one that a quorum has put in its place meanwhile."""
    if row.escrow_gen is None or row.escrow_gen <= case.escrow_gen:
        return row.escrow_gen == case.escrow_gen
    state = {key.gen: key.state for key in service.manifests.current().keys.escrow}
    return case.escrow_gen in state and state.get(row.escrow_gen) in ("current", "retiring")


def _kept(service: KeyService, subject: EscrowPageRow) -> tuple[PeeledKept, ...]:
    """Records under an older data key are to be disclosed as well; a regain needs the present one only."""
    with service.db.connection() as conn:
        kept = kept_deks(conn, subject.user)
    return tuple(
        PeeledKept(each.dek, each.dek_check, each.kept) for each in kept if each.under == subject.dek
    )


# --- everybody's


def _drilled(service: KeyService, case: Case, digest: bytes, request: Peel) -> Peeled:
    after = UserId(request.after) if request.after is not None else None
    of = None
    with service.db.transaction() as conn:
        if case.scope.sample is None:
            rows = escrow_page(conn, after, request.limit + 1)
            if after is None:
                with patient(conn, LOOK_AT_ALL_S):
                    of = count_users(conn)
        else:
            rows = sampled_escrow_page(
                conn, seed=_seed(service, case, digest), sample=case.scope.sample, after=after,
                limit=request.limit + 1,
            )  # fmt: skip
    page = rows[: request.limit]
    return Peeled(tuple(_taken_off(service, page)), more=len(rows) > request.limit, of=of)


def _older(service: KeyService, case: Case, request: Peel) -> Peeled:
    """What is not on the escrow key that the officers agreed to seal everything to."""
    after = UserId(request.after) if request.after is not None else None
    target, of = demand_target(service.manifests.current(), case), None
    with service.db.transaction() as conn:
        rows, more = older_escrow_page(conn, current=target, after=after, limit=request.limit)
        if after is None:
            with patient(conn, LOOK_AT_ALL_S):
                of = count_older_escrow(conn, target)
    return Peeled(tuple(_taken_off(service, rows)), more=more, of=of)


def _seed(service: KeyService, case: Case, digest: bytes) -> int:
    """64 bits, signed, that the requester of a drill can neither choose nor foresee.

    The same for each page, also when another case key becomes current in between.
    """
    mac = service.keyring.case_mac(generation_of(service, case), context(b"drill-sample", digest))
    return int.from_bytes(mac[:8], "big", signed=True)


def _taken_off(service: KeyService, rows: Sequence[EscrowPageRow]) -> Iterator[PeeledWrap]:
    """One token call a wrap; a wrap that does not open is told by its absence and never as noise."""
    manifest = service.manifests.fresh()  # a wrap on a key that is new is no tampering
    places = [_place(manifest, row) for row in rows]
    wanted = [(pepper_label(place.pepper_gen), place.encode()) for place in places if place is not None]
    keys = iter(service.keyring.token.hmac_many(wanted))
    for row, place in zip(rows, places, strict=True):
        yield PeeledWrap(
            tenant=row.tenant, user_id=row.user, dek_id=row.dek, epoch=row.epoch + 1,
            escrow_gen=row.escrow_gen or 0, dek_check=row.dek_check or b"",
            wrap=None if place is None else _inner(next(keys), place, row),
        )  # fmt: skip


def _place(manifest: Manifest, row: EscrowPageRow) -> OuterContext | None:
    """Of the outer layer; None where there can be none, so that nobody asks the token for it."""
    if row.wrap is None or row.escrow_gen is None or row.pepper_gen is None:
        return None
    if all(key.gen != row.pepper_gen or key.state == "destroyed" for key in manifest.keys.pepper):
        return None
    try:
        info = escrow_place(row.tenant, row.user, row.dek, row.escrow_gen, manifest).encode()
        return OuterContext(b"escrow", info, row.login_index_gen, row.login_index, row.pepper_gen)
    except SealBrokenError:
        return None


def _inner(key: bytes, place: OuterContext, row: EscrowPageRow) -> bytes | None:
    try:
        return open_sealed(key, place, row.wrap or b"", length=SEALED_KEY_BYTES + OVERHEAD)
    except SealBrokenError:
        return None
