"""P2: root on the API host cannot open the data of a user who is not signed in at that time.

The attacker has what is on that host: the API's database role, its settings and secrets, the app keys
that pass through, the API's socket of the key service, and another user's open session. As a control,
the token that only the victim's device holds opens everything.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import msgspec
import psycopg
import pytest

from tests.rig.people import kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.client import UserSession, VaultClient
from vault_service.crypto.seal import open_sealed
from vault_service.domain.contexts import RecordContext, SessionContext
from vault_service.domain.errors import CallerRefusedError, SealBrokenError, VaultError
from vault_service.domain.ids import DekId, RecordId, SessionId, TenantId, UserId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.kms.messages import (
    ANSWERS,
    AppKeyIssued,
    ChangeLogin,
    ChangePassword,
    CreateApp,
    Done,
    Enrol,
    Enrolled,
    EpochIs,
    Erase,
    Unlock,
    Unlocked,
)
from vault_service.sessions.open import open_session

WRONG = "a password that is not the right one"
TABLES: tuple[LiteralString, ...] = ("users", "sessions", "records", "record_tags", "idempotency", "sign_ups")


@dataclass(frozen=True)
class Victim:
    """Somebody with a record, who has a token at home and is not using it."""

    login: str
    user: UserId
    token: SessionToken
    session: UserSession


@pytest.fixture
def victim(client: VaultClient) -> Victim:
    login = f"victim-{new_uuid().hex}@example.org"
    user = client.sign_up(login, PASSWORD).user_id
    session = client.sign_in(login, PASSWORD)
    assert session.begun is not None
    session.records.create("note", {"title": "what nobody else may read"})
    return Victim(login, UserId(user), SessionToken.parse(session.begun.token), session)


class Captured:
    """Everything on the API host."""

    def __init__(self, vault: Vault, victim: Victim) -> None:
        self.keys: set[bytes] = {victim.user.bytes, victim.login.encode()}
        with vault.records.connect("vault_api") as conn:
            for table in TABLES:
                for row in conn.execute("SELECT * FROM " + table):
                    self.keys.update(value for value in row if isinstance(value, bytes))
            session: Any = conn.execute(
                """SELECT u.tenant_id, s.dek_id, s.session_id, s.epoch, s.dek_wrap
                   FROM sessions s JOIN users u USING (user_id) WHERE s.user_id = %s""",
                (victim.user,),
            ).fetchone()
            record: Any = conn.execute(
                "SELECT collection_tag, record_id, version, sealed FROM records WHERE user_id = %s",
                (victim.user,),
            ).fetchone()
        tenant, dek = TenantId(session[0]), DekId(session[1])
        self.session_place = SessionContext(tenant, victim.user, dek, SessionId(session[2]), session[3])
        self.dek_wrap: bytes = session[4]
        self.record_place = RecordContext(tenant, victim.user, dek, record[0], RecordId(record[1]), record[2])
        self.sealed: bytes = record[3]
        self.keys |= {vault.app_key.encode(), vault.records.password("vault_api").encode()}
        self.keys |= set(pieces(self.keys))

    def opens(self, keys: set[bytes]) -> bool:
        """Does one of these keys open the session's wrap or the record?"""
        for key in keys:
            for place, blob in ((self.session_place, self.dek_wrap), (self.record_place, self.sealed)):
                try:
                    open_sealed(key, place, blob)
                except SealBrokenError:
                    continue
                return True
        return False


def pieces(values: set[bytes]) -> Iterator[bytes]:
    """What may be a key inside of a value, or made of it."""
    for value in values:
        yield hashlib.sha256(value).digest()
        yield from (value[begin : begin + 32] for begin in (0, 1, 33, 45, 61) if len(value) >= begin + 32)


def test_nothing_on_the_api_host_opens_a_session_or_a_record(served: Vault, victim: Victim) -> None:
    captured = Captured(served, victim)

    assert not captured.opens(captured.keys)


def test_the_token_on_the_victims_device_opens_them_so_the_attack_is_a_real_one(
    served: Vault, victim: Victim
) -> None:
    captured = Captured(served, victim)

    assert captured.opens({victim.token.secret})


def test_another_users_open_session_leads_nowhere(served: Vault, client: VaultClient, victim: Victim) -> None:
    """With the API's role the victim's rows can be moved under a session that the attacker can open."""
    login = f"attacker-{new_uuid().hex}@example.org"
    attacker = UserId(client.sign_up(login, PASSWORD).user_id)
    begun = client.sign_in(login, PASSWORD).begun
    assert begun is not None
    token = SessionToken.parse(begun.token)
    db = served.records.open("vault_api", size=1)
    captured = Captured(served, victim)
    try:
        key = open_session(db, token, datetime.now(UTC)).dek.key
        assert not captured.opens({key, token.secret})
        with served.records.connect("vault_api") as conn:
            conn.execute(
                """UPDATE sessions SET secret_hash = (SELECT secret_hash FROM sessions WHERE user_id = %(a)s)
                   WHERE user_id = %(v)s""",
                {"a": attacker, "v": victim.user},
            )
        forged = SessionToken(victim.user, victim.token.session, token.secret)
        with pytest.raises(VaultError) as refused:
            open_session(db, forged, datetime.now(UTC))
        assert refused.value.code == "session.refused"
    finally:
        db.close()


def test_the_api_may_make_no_call_that_gives_a_key_without_the_password() -> None:
    """The whole interface: one answer holds a key, and its request cannot be made without a password."""
    gives_bytes = {
        request
        for request, answer in ANSWERS.items()
        if any(field.type is bytes for field in msgspec.structs.fields(answer))
    }
    assert gives_bytes == {Unlock}
    password = next(field for field in msgspec.structs.fields(Unlock) if field.name == "password")
    assert password.required


def test_no_call_over_the_apis_socket_helps_against_somebody_whose_password_is_not_known(
    served: Vault, victim: Victim
) -> None:
    kms = kms_of(served)
    try:
        for request, answer in (
            (Unlock(served.app_key, victim.login, WRONG), Unlocked),
            (ChangePassword(victim.user, WRONG, "nine lanterns behind the old mill"), EpochIs),
            (ChangePassword(victim.user, WRONG, "nine lanterns behind the mill", one_time=True), EpochIs),
            (ChangeLogin(victim.user, WRONG, "mine-now@example.org"), Done),
            (Erase(victim.user, WRONG), Done),
            (Enrol(served.app_key, victim.user, victim.login, WRONG), Enrolled),
            (Enrol(served.app_key, victim.user, victim.login), Enrolled),
        ):
            with pytest.raises(VaultError) as refused:
                kms.call(request, answer)
            assert refused.value.code in {"login.refused", "login.throttled", "idempotency.conflict",
                                          "user.login_taken"}, request.name  # fmt: skip
        with pytest.raises(CallerRefusedError):
            kms.call(CreateApp("of-the-attacker"), AppKeyIssued)
    finally:
        kms.close()


def test_the_apis_password_opens_no_connection_to_the_keys_database(served: Vault) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(served.keys.dsn("vault_api"), password=served.records.password("vault_api"))
