"""Follow what was done on the keys side without this one: the records side's worker, about once a second.

Officers gave somebody access again, erased or disclosed something, looked somebody up; or a recovery code
was used. Each is an event of the keys log:

    regained, code used    floor raised, sessions below it deleted      } in one transaction with the event's
    erased                 sessions, records, then the user deleted     } copy, under the same id: the subject
    data key changed       as above
    looked up              nothing but the copy                         } reads it in GET /v1/me/accesses
    disclosed              the copy, once the policy lets it be shown

Everything may be done again: a crash comes between, a restored records database goes back, and a restored
keys database is another log, which is read from its beginning. What cannot be followed at present holds up no
other, but is begun with again at the next turn.
"""

from dataclasses import replace
from datetime import timedelta

import structlog

from vault_service.accounts.erase import clear_rows
from vault_service.accounts.service import AccountParts
from vault_service.domain.case import from_case_time
from vault_service.domain.errors import VaultError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import NOBODY, EventId, UserId
from vault_service.kms.protocol.recovery_messages import Change, Changes, ChangesSince
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.follow import (
    Copied,
    Followed,
    copy_event,
    hold_back,
    move_followed,
    read_followed,
    show_due,
)
from vault_service.storage.records.intents import has_intent
from vault_service.storage.records.sessions import end_sessions_below
from vault_service.storage.records.users import delete_user, find_created_at, raise_floor

_log = structlog.get_logger("follow")
_SHOWN_AT_ONCE = 500


def follow_keys(parts: AccountParts) -> int:
    """To the end of the keys log; returns how many events were followed.

    Raises UnavailableError at once while a side is away, and at the end what the last of those met that
    could not be followed.
    """
    with parts.db.connection() as conn:
        kept = position = read_followed(conn)
    followed = 0
    failure: VaultError | None = None
    begun_anew = False
    while True:
        page = parts.kms.call(ChangesSince(position.next_index), Changes)
        if page.generation != position.generation or page.next_index < position.next_index:
            if begun_anew:
                break  # it changes under our hands: the next turn will see
            position, failure, begun_anew = Followed(page.generation, 0), None, True
        else:
            for change in page.changes:
                failure = _try(parts, change) or failure
            followed += len(page.changes)
            if page.next_index == position.next_index:
                break
            position = replace(position, next_index=page.next_index)
        if failure is None:
            with parts.db.connection() as conn:
                if not move_followed(conn, kept, position):
                    return followed  # another worker is at it
            kept = position
    show_officers_actions(parts)
    if failure is not None:
        raise failure
    return followed


def show_officers_actions(parts: AccountParts) -> None:
    """Put into the trail what was held back until now."""
    while parts.db.run(lambda conn: show_due(conn, parts.now(), _SHOWN_AT_ONCE)) == _SHOWN_AT_ONCE:
        pass


def _try(parts: AccountParts, change: Change) -> VaultError | None:
    try:
        _follow(parts, change)
    except VaultError as error:
        parts.db.ping()  # is it this user's rows, or the whole database?
        _log.warning("follow.failed", event_id=str(change.event_id), code=error.code)
        return error
    return None


def _follow(parts: AccountParts, change: Change) -> None:
    if change.user_id == NOBODY:
        return  # a login that nobody has was looked up: there is nobody to show it to
    match change.kind:
        case "access_regained":
            _regained(parts, change)
        case "recovery_code_used":
            _code_used(parts, change)
        case "erased_by_officers":
            _erased_by_officers(parts, change)
        case "user_erased":
            _erased(parts, change)
        case "data_key_added":
            _data_key_added(parts, change)
        case "data_disclosed":
            _disclosed(parts, change)
        case "user_looked_up":
            with parts.db.transaction() as conn:
                copy_event(conn, _copied(change, RecordsEvent.OFFICER_LOOKED_UP))
        case _:
            # Of a newer key service: what follows it must not wait for this worker's next version.
            _log.warning("follow.unknown_kind", kind=change.kind, event_id=str(change.event_id))


def _copied(change: Change, kind: RecordsEvent) -> Copied:
    return Copied(
        UserId(change.user_id), EventId(change.event_id), kind, from_case_time(change.at), change.digest
    )


@repeatable
def _regained(parts: AccountParts, change: Change) -> None:
    """`change.epoch` is the present one: a password that was changed since has ended these sessions too."""
    copied = _copied(change, RecordsEvent.ACCESS_REGAINED)
    with parts.db.transaction() as conn:
        if change.epoch is not None:
            raise_floor(conn, copied.user, change.epoch)
            end_sessions_below(conn, copied.user, change.epoch)
        copy_event(conn, copied)


@repeatable
def _code_used(parts: AccountParts, change: Change) -> None:
    """The API does this itself, at once (regain.py); here is what it could not finish."""
    if change.epoch is None:
        return
    copied = _copied(change, RecordsEvent.PASSWORD_CHANGED)
    with parts.db.transaction() as conn:
        raised = raise_floor(conn, copied.user, change.epoch)
        if end_sessions_below(conn, copied.user, change.epoch) or raised:
            copy_event(conn, copied)


@repeatable
def _data_key_added(parts: AccountParts, change: Change) -> None:
    """The API does this itself, at once (data_key.py); a restored database brings sessions of before back.

    They know an older data key only, and what is written under one that was given up opens for nobody.
    """
    if change.epoch is None:
        return
    copied = _copied(change, RecordsEvent.DATA_KEY_CHANGED)
    with parts.db.transaction() as conn:
        told = has_intent(conn, copied.user)  # by across.py or repair.py, which end the intent
        raised = raise_floor(conn, copied.user, change.epoch)
        if (end_sessions_below(conn, copied.user, change.epoch) or raised) and not told:
            copy_event(conn, copied)


@repeatable
def _erased_by_officers(parts: AccountParts, change: Change) -> None:
    """Only once the wraps are gone: with them, the keys database is one in which it did not happen (yet)."""
    copied = _copied(change, RecordsEvent.ERASED_BY_OFFICERS)
    if change.epoch is None:
        clear_rows(parts, copied.user)
    with parts.db.transaction() as conn:
        gone = change.epoch is None and delete_user(conn, copied.user)
        if not copy_event(conn, copied) and gone:  # a restored database had brought the rows back
            insert_event(conn, user=copied.user, kind=RecordsEvent.USER_ERASED, at=parts.now())


@repeatable
def _erased(parts: AccountParts, change: Change) -> None:
    """By oneself: rows that a restored records database has brought back; else accounts/erase.py does it."""
    user = UserId(change.user_id)
    with parts.db.connection() as conn:
        if change.epoch is not None or find_created_at(conn, user) is None or has_intent(conn, user):
            return
    clear_rows(parts, user)
    with parts.db.transaction() as conn:
        if delete_user(conn, user):
            insert_event(conn, user=user, kind=RecordsEvent.USER_ERASED, at=parts.now())


def _disclosed(parts: AccountParts, change: Change) -> None:
    copied = _copied(change, RecordsEvent.DATA_DISCLOSED)
    show_after = timedelta(seconds=parts.policies.recovery.disclosure.show_after_s)
    with parts.db.connection() as conn:
        hold_back(conn, copied, copied.at + show_after)
