"""What the schema itself refuses, whoever writes it: half a user, a wrap of the wrong length."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID, uuid4

import pytest

from tests.rig.postgres import TestDatabase
from vault_service.domain.contexts import KdfParams
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CredentialId, DekId, TenantId, UserId
from vault_service.storage.errors import ConstraintError, UniqueViolationError
from vault_service.storage.keys import users
from vault_service.storage.keys.events import insert_event
from vault_service.storage.pool import Database

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER = UserId(UUID(int=1))
DEK = DekId(UUID(int=2))
FIRST, SECOND = CredentialId(UUID(int=3)), CredentialId(UUID(int=4))


def credential(identifier: CredentialId, epoch: int) -> users.CredentialRow:
    return users.CredentialRow(
        identifier, epoch, KdfParams(19456, 2, 1), bytes(16), pepper_gen=1, wrap=bytes(154), must_change=False
    )


@pytest.fixture
def keys(keys_db: TestDatabase) -> Iterator[Database]:
    """A keys database with one whole user, in which no missing privilege comes before a constraint."""
    with keys_db.superuser() as conn:
        conn.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO vault_kms")
    db = keys_db.open("vault_kms", size=1)
    with db.transaction() as conn:
        assert users.insert_user(
            conn,
            tenant=TenantId(UUID(int=9)),
            user=USER,
            dek=DEK,
            dek_check=bytes(32),
            login=users.LoginRow(bytes(32), 1, 1, b"sealed"),
            credential=credential(FIRST, 1),
            escrow=users.EscrowRow(1, 1, bytes(174)),
            now=NOW,
        )
    yield db
    db.close()


@pytest.fixture
def records(records_db: TestDatabase) -> Iterator[Database]:
    """A records database with one user."""
    db = records_db.open("vault_api", size=1)
    with db.transaction() as conn:
        conn.execute("INSERT INTO users VALUES (%s, %s, 1, %s)", [USER, uuid4(), NOW])
    yield db
    db.close()


OF_NO_DEK = """WITH c AS (UPDATE credentials SET dek_id = user_id)
  UPDATE users SET dek_id = user_id"""  # any id that no DEK has
COPY_CREDENTIAL = """INSERT INTO credentials SELECT user_id, gen_random_uuid(), kind, dek_id, epoch + 1,
  kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen, wrap, must_change, NULL, created_at
  FROM credentials"""


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("a user without a credential", "DELETE FROM credentials"),
        ("a user with two credentials", COPY_CREDENTIAL),
        ("a credential without a user", "DELETE FROM users"),
        ("a user of another epoch than the credential", "UPDATE users SET epoch = epoch + 1"),
        ("a credential of an older epoch put back", "UPDATE credentials SET epoch = epoch - 1"),
        ("a credential that wraps another DEK", "UPDATE credentials SET dek_id = gen_random_uuid()"),
        ("a user whose DEK is not there", "UPDATE users SET dek_id = gen_random_uuid()"),
        ("a user and a credential whose DEK is not there", OF_NO_DEK),
        ("a DEK without an escrow wrap", "DELETE FROM escrow_wraps"),
        ("a DEK whose escrow generation has no wrap", "UPDATE deks SET escrow_gen = escrow_gen + 1"),
        ("a user without a DEK", "DELETE FROM deks"),
        ("an epoch below one", "UPDATE users SET epoch = 0"),
        ("a credential of an unknown kind", "UPDATE credentials SET kind = 'none'"),
        ("a shortened password wrap", "UPDATE credentials SET wrap = substr(wrap, 2)"),
        ("a shortened escrow wrap", "UPDATE escrow_wraps SET wrap = substr(wrap, 2)"),
        ("a shortened salt", "UPDATE credentials SET salt = substr(salt, 2)"),
        ("a shortened check value", "UPDATE deks SET dek_check = substr(dek_check, 2)"),
        ("a login index of another length", "UPDATE users SET login_index = '\\x00'"),
        ("one login for two users",
         "INSERT INTO logins SELECT login_index, login_index_gen, gen_random_uuid() FROM logins"),
    ],
)  # fmt: skip
def test_half_a_user_is_refused_at_the_latest_at_commit(keys: Database, what: str, statement: str) -> None:
    with pytest.raises(ConstraintError), keys.transaction() as conn:
        assert conn.execute(statement.encode()).rowcount == 1, what

    with keys.connection() as conn:
        whole = users.find_by_id(conn, USER)
    assert whole is not None
    assert (whole.credential.credential, whole.credential.epoch, whole.dek) == (FIRST, 1, DEK)


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
           VALUES (gen_random_uuid(), gen_random_uuid(), 42, now(), %(large)s)""",
        """INSERT INTO approvals VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
             gen_random_uuid(), 'veto', %(large)s, NULL, NULL, now())""",
        """INSERT INTO approvals VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
             gen_random_uuid(), 'veto', '', NULL, %(large)s, now())""",
        """INSERT INTO releases VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1,
             %(large)s, now())""",
    ],
)
def test_one_officer_s_row_cannot_be_so_large_that_nobody_can_read_the_others(
    keys_db: TestDatabase, statement: str
) -> None:
    with keys_db.superuser() as conn:  # so that its size is all that stands against it
        conn.execute("ALTER TABLE approvals DROP CONSTRAINT approvals_case_id_fkey")
        conn.execute("ALTER TABLE releases DROP CONSTRAINT releases_ceremony_id_fkey")
    db = keys_db.open("vault_recovery", size=1)
    with db.transaction() as conn:
        conn.execute(statement.encode(), {"large": bytes(64)})
    with pytest.raises(ConstraintError), db.transaction() as conn:
        conn.execute(statement.encode(), {"large": bytes(100_000)})
    db.close()


_BY_WHOM: dict[LiteralString, set[KeysEvent]] = {
    "vault_recovery": {
        KeysEvent.CASE_APPROVED, KeysEvent.APPROVAL_REFUSED, KeysEvent.CASE_INTEGRITY_FAILED,
        KeysEvent.CEREMONY_REFUSED, KeysEvent.SHARE_RELEASED, KeysEvent.OFFICER_REFUSED,
        KeysEvent.OFFICER_SIGNED_IN, KeysEvent.OFFICER_SIGN_IN_REFUSED, KeysEvent.OFFICER_SIGNED_OUT,
        KeysEvent.OFFICER_INVITED, KeysEvent.PASSKEY_ENROLLED, KeysEvent.PASSKEY_COUNTER_WENT_BACK,
        KeysEvent.AUDIT_SEARCHED, KeysEvent.AUDIT_EXPORTED,
    },
    "vault_ceremony": {
        KeysEvent.SHARES_STORED, KeysEvent.CEREMONY_REFUSED, KeysEvent.PIN_PREPARED, KeysEvent.PIN_SWITCHING,
        KeysEvent.PIN_ACTIVE, KeysEvent.PIN_VOID, KeysEvent.KEY_DESTROYED,
    },
}  # fmt: skip


@pytest.mark.parametrize("role", _BY_WHOM)
def test_officers_and_ceremonies_write_no_event_that_is_the_key_service_s_to_say(
    keys_db: TestDatabase, role: LiteralString
) -> None:
    """An end of a case that never came would keep the case from every ceremony."""
    db = keys_db.open(role, size=1)
    written: set[KeysEvent] = set()
    for kind in KeysEvent:
        with contextlib.suppress(ConstraintError), db.transaction() as conn:
            insert_event(conn, kind, NOW, case=CaseId(uuid4()))
            written.add(kind)
    db.close()
    assert written == _BY_WHOM[role]


def test_a_user_without_a_dek_at_all_is_refused(keys: Database) -> None:
    def insert() -> None:
        with keys.transaction() as conn:
            conn.execute(
                """INSERT INTO users
                   SELECT gen_random_uuid(), tenant_id, gen_random_uuid(), epoch, login_index,
                          login_index_gen, pepper_gen, sealed_login, created_at FROM users"""
            )

    with pytest.raises(ConstraintError):
        insert()


def test_a_change_of_password_passes_whole(keys: Database) -> None:
    """The checks wait for the commit, so that user and credential may change one after the other."""
    with keys.transaction() as conn:
        assert users.replace_credential(conn, USER, FIRST, credential(SECOND, 2), NOW)

    with keys.connection() as conn:
        assert users.find_epoch(conn, USER) == 2


def test_a_change_that_expects_a_credential_of_before_does_nothing(keys: Database) -> None:
    with keys.transaction() as conn:
        assert users.replace_credential(conn, USER, FIRST, credential(SECOND, 2), NOW)
    with keys.transaction() as conn:
        assert not users.replace_credential(conn, USER, FIRST, credential(FIRST, 2), NOW)


def test_one_pin_generation_is_active(keys: Database) -> None:
    insert = "INSERT INTO pin_generations VALUES (%s, 'serial', 'active', %s, %s)"
    with keys.connection() as conn:
        conn.execute(insert, [1, bytes(32), NOW])
    with pytest.raises(UniqueViolationError), keys.connection() as conn:
        conn.execute(insert, [2, bytes(32), NOW])


RECORD = """INSERT INTO records VALUES (%(user)s, %(record)s, %(version)s, %(dek)s, %(tag)s, '\\x00',
  now(), now())"""
TAG = "INSERT INTO record_tags VALUES (%(user)s, %(tag)s, %(record)s)"
SESSION = """INSERT INTO sessions VALUES (%(user)s, gen_random_uuid(), %(hash)s, %(dek)s, %(wrap)s, 1,
  gen_random_uuid(), gen_random_uuid(), false, now(), now(), %(idle)s, now())"""
RETRY = "INSERT INTO idempotency VALUES (%(user)s, %(hash)s, %(mac)s, '\\x00', now())"
INTENT = "INSERT INTO intents VALUES (%(user)s, gen_random_uuid(), %(kind)s, 1, now())"
SOUND: dict[str, object] = {
    "user": USER,
    "record": UUID(int=5),
    "version": 1,
    "dek": DEK,
    "tag": bytes(32),
    "hash": bytes(32),
    "mac": bytes(32),
    "wrap": bytes(93),
    "idle": 900,
    "kind": "erase",
}


class _Back(Exception):  # noqa: N818  # how a transaction is taken back
    pass


@pytest.mark.parametrize(
    ("what", "statement", "wrong"),
    [
        ("a record of nobody", RECORD, {"user": UUID(int=6)}),
        ("a record before its first version", RECORD, {"version": 0}),
        ("a record with a cut collection tag", RECORD, {"tag": bytes(31)}),
        ("an index entry of no record", TAG, {"record": UUID(int=6)}),
        ("an index entry of another user's record", TAG, {"user": UUID(int=6)}),
        ("a cut index entry", TAG, {"tag": bytes(31)}),
        ("a session of nobody", SESSION, {"user": UUID(int=6)}),
        ("a session with a shortened wrap", SESSION, {"wrap": bytes(92)}),
        ("a session with a cut hash", SESSION, {"hash": bytes(31)}),
        ("a session that never idles out", SESSION, {"idle": 0}),
        ("a retry of nobody", RETRY, {"user": UUID(int=6)}),
        ("a retry with a cut hash", RETRY, {"hash": bytes(31)}),
        ("a retry with a cut MAC", RETRY, {"mac": bytes(31)}),
        ("an intent of an unknown kind", INTENT, {"kind": "none"}),
    ],
)
def test_one_wrong_value_is_refused(
    records: Database, what: str, statement: str, wrong: dict[str, object]
) -> None:
    needed = [RECORD] if statement is TAG else []

    def insert(values: dict[str, object]) -> None:
        with records.transaction() as conn:
            for each in needed:
                conn.execute(each.encode(), SOUND)
            assert conn.execute(statement.encode(), values).rowcount == 1, what
            raise _Back

    with pytest.raises(_Back):
        insert(SOUND)
    with pytest.raises(ConstraintError):
        insert(SOUND | wrong)
