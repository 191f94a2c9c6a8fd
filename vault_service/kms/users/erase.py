"""Erase a user: destroy every wrap of the DEK, after which the records are noise (crypto-shredding)."""

import contextlib

from vault_service.domain.errors import ConcurrentChangeError, UnavailableError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId
from vault_service.kms.cases.end import end_open_cases_of
from vault_service.kms.cases.standing import standing_of
from vault_service.kms.protocol.messages import Done, Erase
from vault_service.kms.service import KeyService
from vault_service.storage.keys.erased import delete_user, find_existing, was_erased
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.users import find_by_id


def erase(service: KeyService, request: Erase) -> Done:
    """Check the password, then destroy the wraps.

    Raises LoginRefusedError, ThrottledError, ConcurrentChangeError, ManifestError.
    """
    user = UserId(request.user_id)
    service.manifests.current()  # from it the token's keys are known to be the right ones
    with service.db.connection() as conn:
        row = find_by_id(conn, user)
    if row is None:
        service.refuse_nobody(user, request.password, refused=KeysEvent.ERASE_REFUSED)
    standing = standing_of(service, row)
    service.prove(
        row, request.password, known=True, refused=KeysEvent.ERASE_REFUSED, suspended=standing.suspended
    )
    with service.proved(lambda: service.guessed_at(row)):
        service.tombstones.begin(user)
        with service.db.transaction() as conn:
            gone = delete_user(conn, user, row.credential.credential)
            kind = KeysEvent.USER_ERASED if gone else KeysEvent.ERASE_REFUSED
            insert_event(conn, kind, service.now(), user=user, epoch=row.credential.epoch)
            if gone:
                end_open_cases_of(service, conn, user, service.now())
        if not gone:
            raise ConcurrentChangeError
    with contextlib.suppress(UnavailableError):  # it is done; the next look will remember it
        service.tombstones.add(user)
    return Done()


def erase_again(service: KeyService) -> int:
    """Erase whoever a restored backup brought back; returns how many. Run before the start and every minute.

    First whoever was erased just before a crash joins those who are remembered.
    """
    for user in service.tombstones.begun():
        with service.db.connection() as conn:
            committed = was_erased(conn, user)
        if committed:
            service.tombstones.add(user)
    again = 0
    for users in service.tombstones.chunks():
        with service.db.connection() as conn:
            back = find_existing(conn, users)
        for user in back:
            with service.db.transaction() as conn:
                row = find_by_id(conn, user)
                if row is not None and delete_user(conn, user, row.credential.credential):
                    insert_event(conn, KeysEvent.USER_ERASED, service.now(), user=user)
                    again += 1
    return again
