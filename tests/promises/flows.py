"""Everything that happens in a vault, as flows: what is prepared, what is done, which events it leaves."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

from tests.promises import following_flows as following
from tests.promises.officer_flows import OFFICER_FLOWS, Deed
from tests.promises.officer_flows import begin as begin_as_officer
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.repair import repair_intents
from vault_service.client import (
    AppKeyRefusedError,
    BrokenRecordsError,
    Create,
    Delete,
    IntegrityError,
    LoginRefusedError,
    LoginTakenError,
    NotFoundError,
    Read,
    ThrottledError,
    Update,
    UserSession,
    VaultClient,
)
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.ids import UserId
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import (
    AppKeyIssued,
    CreateApp,
    Done,
    RevokeApp,
    RotateAppKey,
    SendEventsAgain,
)
from vault_service.storage.records.intents import insert_intent

NEW_PASSWORD = "nine lanterns behind the old mill"
NAME = "Quetzal Canary Silva"
PHONE = "+351912000777"
Act = Callable[[], object]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Somebody:
    """A user, signed in, with a contact and a note."""

    life: "Life"
    login: str
    user: UUID
    session: UserSession
    contact: UUID
    note: UUID

    def sign_in(self, password: str = PASSWORD) -> UserSession:
        return self.life.client.sign_in(self.login, password)


@dataclass(frozen=True)
class Life:
    """The vault as its users, its operator and its worker reach it."""

    vault: Vault
    client: VaultClient
    operator: KmsClient
    worker: Accounts

    def somebody(self) -> Somebody:
        login = f"canary-{next(_numbers)}@example.org"
        user = self.client.sign_up(login, PASSWORD).user_id
        session = self.client.sign_in(login, PASSWORD)
        contact = session.records.create("contact", {"full_name": NAME, "email": login, "phone": PHONE})
        note = session.records.create("note", {"title": NAME})
        return Somebody(self, login, user, session, contact.record_id, note.record_id)

    def alter(self, side: str, statement: LiteralString, user: UUID) -> None:
        """As a superuser of one database."""
        database = self.vault.keys if side == "keys" else self.vault.records
        with database.superuser() as conn:
            conn.execute(statement, {"user": user})


@dataclass(frozen=True)
class Flow:
    """`begin` prepares and returns the act; `refused` is the answer that the act gets, if not a good one."""

    begin: Callable[[Life], Act]
    keys: frozenset[K] = field(default_factory=frozenset)
    records: frozenset[R] = field(default_factory=frozenset)
    refused: type[Exception] | None = None


def flow(begin: Callable[[Life], Act], *events: K | R, refused: type[Exception] | None = None) -> Flow:
    return Flow(
        begin,
        frozenset(event for event in events if isinstance(event, K)),
        frozenset(event for event in events if isinstance(event, R)),
        refused,
    )


def _with(act: Callable[[Somebody], object]) -> Callable[[Life], Act]:
    """A flow of somebody who is signed in."""

    def begin(life: Life) -> Act:
        who = life.somebody()
        return lambda: act(who)

    return begin


def _sign_up(life: Life) -> Act:
    login = f"canary-new-{next(_numbers)}@example.org"
    return lambda: life.client.sign_up(login, PASSWORD)


def _one_time_again(life: Life) -> Act:
    login, key = f"canary-once-{next(_numbers)}@example.org", f"canary-key-{next(_numbers)}"
    life.client.sign_up(login, idempotency_key=key)
    return lambda: life.client.sign_up(login, idempotency_key=key)


def _throttled(life: Life) -> Act:
    who = life.somebody()
    for _ in range(5):
        with contextlib.suppress(LoginRefusedError, ThrottledError):
            who.sign_in("not the password at all")
    return who.sign_in


def _broken_wrap(life: Life) -> Act:
    who = life.somebody()
    life.alter("keys", "UPDATE credentials SET wrap = set_byte(wrap, 40, get_byte(wrap, 40) # 1) "
               "WHERE user_id = %(user)s", who.user)  # fmt: skip
    return who.sign_in


def _old_epoch(life: Life) -> Act:
    who = life.somebody()
    life.alter("records", "UPDATE users SET epoch = 9 WHERE user_id = %(user)s", who.user)
    return who.sign_in


def _broken_record(look: Callable[[Somebody], object]) -> Callable[[Life], Act]:
    def begin(life: Life) -> Act:
        who = life.somebody()
        life.alter(
            "records", "UPDATE records SET sealed = sealed || '\\x00' WHERE user_id = %(user)s", who.user
        )
        return lambda: look(who)

    return begin


def _abandoned_intent(life: Life) -> Act:
    who = life.somebody()
    with life.worker.parts.db.connection() as conn:
        insert_intent(conn, UserId(who.user), "password", 1, datetime.now(UTC) - timedelta(hours=1))
    return lambda: repair_intents(life.worker.parts)


def _strange_app(life: Life) -> Act:
    wrong = life.vault.app_key[:-4] + ("AAAA" if not life.vault.app_key.endswith("AAAA") else "BBBA")

    def act() -> None:
        with VaultClient(life.vault.api_url, app_key=wrong, retries=0) as stranger:
            stranger.sign_in("canary@example.org", PASSWORD)

    return act


def _operator(*before: str) -> Callable[[Life], Act]:
    def begin(life: Life) -> Act:
        name = f"app-{next(_numbers)}"
        calls: dict[str, Act] = {
            "create": lambda: life.operator.call(CreateApp(name), AppKeyIssued),
            "rotate": lambda: life.operator.call(RotateAppKey(name), AppKeyIssued),
            "revoke": lambda: life.operator.call(RevokeApp(name), Done),
            "resend": lambda: life.operator.call(SendEventsAgain("records", "splunk", 3), Done),
        }
        for call in before[:-1]:
            calls[call]()
        return calls[before[-1]]

    return begin


def _find(who: Somebody, **query: object) -> list[object]:
    return list(who.session.records.find(**query))  # type: ignore[arg-type]  # the callers' are right


def _batch(who: Somebody) -> object:
    return who.session.records.batch(
        [Create("note", {"title": NAME}), Read(who.contact), Update(who.contact, {"email": "a@example.org"}),
         Delete(who.note)]
    )  # fmt: skip


def _officer(deed: Deed, life: Life) -> Act:
    return begin_as_officer(life.vault, deed)


FLOWS: dict[str, Flow] = {
    "signing up": flow(_sign_up, K.USER_ENROLLED, R.USER_ACTIVATED),
    "a login that is taken": flow(
        _with(lambda who: who.life.client.sign_up(who.login, NEW_PASSWORD)), K.ENROL_REFUSED,
        refused=LoginTakenError,
    ),
    "another one-time password": flow(
        _one_time_again, K.ONE_TIME_PASSWORD_REISSUED, R.ONE_TIME_PASSWORD_REISSUED
    ),
    "signing in": flow(_with(lambda who: who.sign_in()), K.UNLOCKED, R.SESSION_OPENED),
    "a wrong password": flow(
        _with(lambda who: who.sign_in(NEW_PASSWORD)), K.UNLOCK_REFUSED, refused=LoginRefusedError
    ),
    "one guess too many": flow(_throttled, K.UNLOCK_THROTTLED, refused=ThrottledError),
    "a wrap that was altered": flow(_broken_wrap, K.WRAP_INTEGRITY_FAILED, refused=LoginRefusedError),
    "an old password wrap": flow(_old_epoch, K.UNLOCKED, R.SESSION_REFUSED, refused=LoginRefusedError),
    "a password change": flow(
        _with(lambda who: who.session.change_password(PASSWORD, NEW_PASSWORD)),
        K.PASSWORD_CHANGED, R.PASSWORD_CHANGED,
    ),
    "a password change with a wrong password": flow(
        _with(lambda who: who.session.change_password(NEW_PASSWORD, PASSWORD)),
        K.PASSWORD_CHANGE_REFUSED, refused=LoginRefusedError,
    ),
    "a change of login": flow(
        _with(lambda who: who.session.change_login(PASSWORD, f"moved-{who.login}")),
        K.LOGIN_CHANGED, R.LOGIN_CHANGED,
    ),
    "a change of login with a wrong password": flow(
        _with(lambda who: who.session.change_login(NEW_PASSWORD, f"moved-{who.login}")),
        K.LOGIN_CHANGE_REFUSED, refused=LoginRefusedError,
    ),
    "erasing": flow(
        _with(lambda who: who.session.erase(PASSWORD)), K.USER_ERASED, R.SESSIONS_ENDED, R.USER_ERASED
    ),
    "erasing with a wrong password": flow(
        _with(lambda who: who.session.erase(NEW_PASSWORD)), K.ERASE_REFUSED, refused=LoginRefusedError
    ),
    "a new app": flow(_operator("create"), K.APP_CREATED),
    "another key of an app": flow(_operator("create", "rotate"), K.APP_KEY_ADDED),
    "the end of an app": flow(_operator("create", "revoke"), K.APP_REVOKED),
    "events sent to a receiver again": flow(_operator("resend"), K.EVENTS_SENT_AGAIN),
    "a wrong app key": flow(_strange_app, K.APP_REFUSED, refused=AppKeyRefusedError),
    "signing out": flow(_with(lambda who: who.session.sign_out()), R.SESSION_ENDED),
    "signing out everywhere": flow(_with(lambda who: who.session.sign_out_everywhere()), R.SESSIONS_ENDED),
    "creating a record": flow(
        _with(lambda who: who.session.records.create("note", {"title": NAME})), R.RECORD_CREATED
    ),
    "reading a record": flow(_with(lambda who: who.session.records.get(who.note)), R.RECORD_READ),
    "reading a record that is not there": flow(
        _with(lambda who: who.session.records.get(who.user)), R.RECORD_READ_MISSING, refused=NotFoundError
    ),
    "replacing a record": flow(
        _with(lambda who: who.session.records.replace(who.note, {"title": "plums"})), R.RECORD_UPDATED
    ),
    "patching a record": flow(
        _with(lambda who: who.session.records.patch(who.note, {"text": NAME})), R.RECORD_UPDATED
    ),
    "deleting a record": flow(_with(lambda who: who.session.records.delete(who.note)), R.RECORD_DELETED),
    "a batch": flow(_with(_batch), R.RECORD_CREATED, R.RECORD_READ, R.RECORD_UPDATED, R.RECORD_DELETED),
    "listing": flow(_with(lambda who: _find(who)), R.RECORDS_LISTED),
    "searching": flow(
        _with(lambda who: _find(who, collection="note", where={"title": NAME})), R.RECORDS_SEARCHED
    ),
    "exporting": flow(_with(lambda who: list(who.session.export())), R.RECORDS_EXPORTED),
    "reading a record that was altered": flow(
        _broken_record(lambda who: who.session.records.get(who.note)),
        R.RECORD_READ, R.RECORD_INTEGRITY_FAILED, refused=IntegrityError,
    ),
    "listing records that were altered": flow(
        _broken_record(_find), R.RECORDS_LISTED, R.RECORD_INTEGRITY_FAILED, refused=BrokenRecordsError
    ),
    "asking who touched one's data": flow(
        _with(lambda who: list(who.session.accesses())), R.ACCESSES_READ
    ),
    "settling what a crash left": flow(_abandoned_intent, R.INTENT_REPAIRED),
    "making a recovery code": flow(following.make_code, K.RECOVERY_CODE_CREATED),
    "using a recovery code": flow(following.use_code, K.RECOVERY_CODE_USED, R.PASSWORD_CHANGED),
    "a wrong recovery code": flow(
        following.wrong_code, K.RECOVERY_CODE_REFUSED, refused=LoginRefusedError
    ),
    "following a regain": flow(following.followed(K.ACCESS_REGAINED), R.ACCESS_REGAINED),
    "following a disclosure": flow(following.followed(K.DATA_DISCLOSED), R.DATA_DISCLOSED),
    "following a look-up": flow(following.followed(K.USER_LOOKED_UP), R.OFFICER_LOOKED_UP),
    "following an erasure by officers": flow(
        following.followed(K.ERASED_BY_OFFICERS, erased=True), R.SESSIONS_ENDED, R.ERASED_BY_OFFICERS
    ),
}  # fmt: skip
FLOWS |= {
    name: flow(functools.partial(_officer, deed), event, refused=refused)
    for name, (deed, event, refused) in OFFICER_FLOWS.items()
}


@contextlib.contextmanager
def as_expected(expected: type[Exception] | None) -> Iterator[None]:
    """Lets the refusal pass that the flow is about, and demands it."""
    if expected is None:
        yield
        return
    try:
        yield
    except expected:
        return
    raise AssertionError(f"{expected.__name__} was expected")
