"""P8: nothing that matters happens without an audit event in the same transaction."""

import json
from typing import Any

import pytest

from tests.rig.people import enrol, kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.client import VaultApiError, VaultClient
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.kms.messages import (
    ANSWERS,
    ChangeLogin,
    ChangePassword,
    Done,
    EpochIs,
    Erase,
    Unlock,
)

PLANTED = ("Zebedee Quillfeather", "zebedee@quillfeather.example", "+351 917 000 111", "secret-collection")


def one(conn: Any, query: str, **values: object) -> Any:
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None, query
    return row[0]


def test_what_the_key_service_changes_and_its_event_are_one_transaction(vault: Vault) -> None:
    kms = kms_of(vault)
    person = enrol(vault, kms)

    def assert_together(kind: KeysEvent, table: str) -> None:
        with vault.keys.superuser() as conn:
            changed = one(conn, f"SELECT xmin::text FROM {table} WHERE user_id = %(u)s", u=person.user)
            event = one(
                conn,
                "SELECT tx::text FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s",
                u=person.user,
                k=int(kind),
            )
        assert changed == event, kind

    assert_together(KeysEvent.USER_ENROLLED, "escrow_wraps")
    person.unlock()
    assert_together(KeysEvent.UNLOCKED, "credentials")  # the first use is written down
    kms.call(ChangePassword(person.user, PASSWORD, "five lanterns in a quiet valley"), EpochIs)
    assert_together(KeysEvent.PASSWORD_CHANGED, "credentials")
    kms.call(ChangeLogin(person.user, "five lanterns in a quiet valley", "p8@example.org"), Done)
    assert_together(KeysEvent.LOGIN_CHANGED, "escrow_wraps")


def test_an_unlock_stands_in_both_trails_under_one_id(served: Vault) -> None:
    client = VaultClient(served.api_url, app_key=served.app_key)
    user = client.sign_up("p8-unlock@example.org", PASSWORD).user_id
    client.sign_in("p8-unlock@example.org", PASSWORD)
    with served.keys.superuser() as conn:
        unlocked = one(
            conn, "SELECT unlock_id FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s",
            u=user, k=int(KeysEvent.UNLOCKED),
        )  # fmt: skip
    with served.records.superuser() as conn:
        opened = one(
            conn, "SELECT unlock_id FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s",
            u=user, k=int(RecordsEvent.SESSION_OPENED),
        )  # fmt: skip
        session = one(conn, "SELECT xmin::text FROM sessions WHERE user_id = %(u)s", u=user)
        event = one(
            conn, "SELECT tx::text FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s",
            u=user, k=int(RecordsEvent.SESSION_OPENED),
        )  # fmt: skip
    assert unlocked == opened
    assert session == event


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (lambda p: Unlock(p.vault.app_key, p.login, "a wrong but long password"), KeysEvent.UNLOCK_REFUSED),
        (lambda p: ChangePassword(p.user, "a wrong but long password", "x" * 20),
         KeysEvent.PASSWORD_CHANGE_REFUSED),
        (lambda p: ChangeLogin(p.user, "a wrong but long password", "q@example.org"),
         KeysEvent.LOGIN_CHANGE_REFUSED),
        (lambda p: Erase(p.user, "a wrong but long password"), KeysEvent.ERASE_REFUSED),
    ],
)  # fmt: skip
def test_a_refusal_is_evidence_although_nothing_else_is_committed(
    vault: Vault, request_: Any, kind: KeysEvent
) -> None:
    kms = kms_of(vault)
    person = enrol(vault, kms)
    request = request_(person)
    with pytest.raises(VaultError):
        kms.call(request, ANSWERS[type(request)])
    with vault.keys.superuser() as conn:
        count = one(
            conn, "SELECT count(*) FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s",
            u=person.user, k=int(kind),
        )  # fmt: skip
    assert count == 1


def test_no_event_holds_personal_data(served: Vault) -> None:
    client = VaultClient(served.api_url, app_key=served.app_key)
    name, email, phone, collection = PLANTED
    user = client.sign_up(email, PASSWORD).user_id
    with client.sign_in(email, PASSWORD) as session:
        session.records.create("contact", {"full_name": name, "email": email, "phone": phone})
        session.records.create(collection, {"title": name})
        list(session.records.find(collection="contact", where={"email": email}))
        list(session.export())
        with pytest.raises(VaultApiError):
            session.change_login("not the password of anybody", "new-" + email)
    for database in (served.keys, served.records):
        with database.superuser() as conn:
            events = conn.execute(
                b"SELECT row_to_json(e)::text FROM audit_events e WHERE user_id = %(u)s", {"u": user}
            ).fetchall()
        assert events
        text = json.dumps(events)
        for planted in (*PLANTED, "quillfeather", "917000111", "127.0.0.1"):
            assert planted.lower() not in text.lower()
