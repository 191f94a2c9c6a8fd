"""Ask for access again: a case that officers decide, with a new password that opens nothing before.

For a login that nobody has, a case is opened all the same: with the same work, answer, statuses, limits
and expiry. It is under another MAC than a real one, stands in no list, and nobody can approve it.
"""

import os
from dataclasses import replace
from datetime import datetime, timedelta

from vault_service.crypto.password_rules import judge_password
from vault_service.crypto.phrase import verification_phrase
from vault_service.domain.case import Case, Scope, case_hash, case_time
from vault_service.domain.errors import IdempotencyConflictError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import AppId, CaseId
from vault_service.domain.login import normalise_login
from vault_service.domain.manifest import manifest_hash
from vault_service.domain.recovery_errors import TooManyCasesError
from vault_service.kms.cases.book import case_row, genuine, seal_case
from vault_service.kms.cases.end import notify, subject_of
from vault_service.kms.limits.case_limits import demand_room
from vault_service.kms.protocol.recovery_messages import BeginRecovery, RecoveryBegun
from vault_service.kms.recovery.regain_key import TargetKey, rebind_regain_key, seal_regain_key
from vault_service.kms.service import KeyService
from vault_service.kms.users.look_up import look_up
from vault_service.kms.wrapping.live_login import LiveLogin
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.apps import AppKeyRow
from vault_service.storage.keys.cases import CaseRow, find_case, insert_case
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.logins import has_login
from vault_service.storage.keys.regains import (
    RegainKeyRow,
    count_regains,
    insert_regain_key,
    lock_login,
)
from vault_service.storage.keys.users import UserRow, find_by_id, find_escrow, is_current
from vault_service.storage.pool import Conn


def begin_recovery(service: KeyService, request: BeginRecovery) -> RecoveryBegun:
    """One Argon2 and three token calls, whether or not there is such a login.

    A retry with the same case id finds the case, whatever the password: to compare it would be to have it
    guessed. App, login and whether the old one is stolen are compared.
    Raises TooManyCasesError, WeakPasswordError, IdempotencyConflictError, AppKeyRefusedError;
    UnsealedError while the trail is not sealed.
    """
    service.sealing.demand()
    app = service.app(request.app_key)
    name = normalise_login(request.login)
    found = look_up(service, app.tenant, name)
    row, login, manifest = found.row, found.login, found.manifest
    noise = replace(service.noise_user(login.current, manifest), tenant=app.tenant)
    rule, now = service.policies.recovery.limits, service.now()
    with service.db.connection() as conn:
        existing = find_case(conn, CaseId(request.case_id))
        known = row is not None and row.tenant == app.tenant and login.is_of(row)
        person = row if row is not None and known else noise
        escrow = find_escrow(conn, person.user, person.dek)
        there = count_regains(conn, login.indexes, app.app, now, per_hour=rule.per_app_per_hour)
    escrow_gen = escrow.escrow_gen if escrow else manifest.escrow_key.gen
    try:
        if existing is not None:
            return _again(service, existing, app.app, login, stolen=request.stolen)
        judge_password(
            request.new_password, service.policies.passwords, login=name, names=(app.name, "vault_service")
        )
        with service.openings.hold(there, rule, login.current.index, app.app, now):
            target = TargetKey.generate()
            key = seal_regain_key(service, target, request.case_id, person, request.new_password)
            case = _case(service, request, app, person, login, target, escrow_gen)
            body, mac = seal_case(service, case, decoy=not known)
            opened = case_row(case, body, mac, decoy=not known)
            return _open(service, opened, key, app.app, login, person, known=known, stolen=request.stolen)
    except (TooManyCasesError, IdempotencyConflictError):
        service.record(KeysEvent.CASE_REFUSED, app=app.app, login_index=login.current.index)
        raise


def _case(
    service: KeyService,
    request: BeginRecovery,
    app: AppKeyRow,
    person: UserRow,
    login: LiveLogin,
    target: TargetKey,
    escrow_gen: int,
) -> Case:
    manifest, policy, now = service.manifests.current(), service.policies.recovery, service.now()
    return Case(
        v=1, case_id=request.case_id, kind="regain", tenant=person.tenant, user_id=person.user,
        dek_id=person.dek, epoch=person.credential.epoch, login_index=login.current.index.hex(),
        target_pk=target.point.hex(), recipient=None, stolen=request.stolen, requester=None, app_id=app.app,
        reason="", scope=Scope(), escrow_gen=escrow_gen, manifest_serial=manifest.serial,
        manifest_hash=manifest_hash(manifest.encode()).hex(),
        quorum=policy.quorum_of("regain", Scope(), manifest.quorum), opened_at=case_time(now),
        not_before=case_time(_after(now, policy.waiting_of("regain"))),
        expires_at=case_time(_after(now, policy.expiry_of("regain"))), nonce=os.urandom(32).hex(),
    )  # fmt: skip


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def _open(
    service: KeyService,
    row: CaseRow,
    key: RegainKeyRow,
    app: AppId,
    login: LiveLogin,
    person: UserRow,
    *,
    known: bool,
    stolen: bool,
) -> RecoveryBegun:
    """Case, key, event and messages together; the limits once more, with nobody else at this login.

    `person`: to whose login index the key is bound.
    """
    limits, now = service.policies.recovery.limits, row.opened_at
    with service.db.transaction() as conn:
        lock_login(conn, login.indexes)
        twin = find_case(conn, row.case)  # the same request at the same time, and it was faster
        if twin is None:
            demand_room(
                count_regains(conn, login.indexes, app, now, per_hour=limits.per_app_per_hour), limits, now
            )
            if not insert_case(conn, row, login_index_gen=login.current.index_gen):
                raise IdempotencyConflictError  # the id is used for another login, just now
            insert_regain_key(conn, row.case, _following(service, conn, row, key, person, known=known))
            insert_event(
                conn, KeysEvent.CASE_OPENED, now, user=subject_of(row), case=row.case,
                digest=case_hash(row.body),
            )  # fmt: skip
            notify(service, conn, row, "opened", now)
    return _begun(row) if twin is None else _again(service, twin, app, login, stolen=stolen)


def _following(
    service: KeyService, conn: Conn, row: CaseRow, key: RegainKeyRow, person: UserRow, *, known: bool
) -> RegainKeyRow:
    """The key as it is to be stored, should the person have been moved to another login index meanwhile.

    Whoever moves somebody moves the keys of their cases as well, and waits for this transaction.
    """
    is_current(conn, person.user, person.credential.credential, row.opened_at)  # for its lock
    if has_login(conn, person.user, person.login_index) or not known:
        return key
    now = find_by_id(conn, person.user)
    if now is None:
        return key  # erased since: the case can lead nowhere
    case = genuine(service, row)
    return rebind_regain_key(
        service.keyring, person, case, key, login=login_of(now), pepper_gen=key.pepper_gen
    )


def _again(service: KeyService, row: CaseRow, app: AppId, login: LiveLogin, *, stolen: bool) -> RecoveryBegun:
    """The case that the same request opened before."""
    if (row.kind, row.app) != ("regain", app) or row.login_index not in login.indexes:
        raise IdempotencyConflictError
    if genuine(service, row).stolen != stolen:  # who says so now must not believe that it was heard
        raise IdempotencyConflictError
    return _begun(row)


def _begun(row: CaseRow) -> RecoveryBegun:
    return RecoveryBegun(
        case_id=row.case, verification_phrase=verification_phrase(case_hash(row.body)),
        expires_at=case_time(row.expires_at), due_at=case_time(row.not_before),
    )  # fmt: skip
