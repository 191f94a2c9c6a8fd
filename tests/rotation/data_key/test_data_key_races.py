"""Everybody at once while a data key is changed: whatever was acknowledged is there afterwards, once."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest

from tests.rotation.data_keys import NEW_PASSWORD, Api, Owner
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.across import end_older_sessions
from vault_service.domain.errors import (
    ConcurrentChangeError,
    LoginRefusedError,
    SessionRefusedError,
    UnavailableError,
    VaultError,
)
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.ids import RecordId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.rotation_messages import AddDataKey, DataKeyAdded
from vault_service.storage.records.intents import insert_intent

_PATIENCE_S = 30.0


def finish(owner: Owner, token: SessionToken) -> None:
    while owner.api.accounts.continue_data_key(token).remaining:
        pass


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def waiting(owner: Owner) -> int:
    """How many of the API's statements wait for a lock."""
    rows = owner.records(
        """SELECT count(*) FROM pg_stat_activity
           WHERE usename = 'vault_api' AND datname = current_database() AND wait_event_type = 'Lock'
             AND %(user)s::uuid IS NOT NULL"""
    )
    return int(rows[0][0])


@pytest.fixture
def patient(api: Api) -> Iterator[Api]:
    """An API host that bears being held up while another one computes and asks the key service."""
    db = api.vault.records.open("vault_api", size=1, patience_s=60)
    yield replace(api, accounts=Accounts(replace(api.parts, db=db)))
    db.close()


def test_what_an_older_session_is_still_writing_is_not_lost(api: Api, patient: Api) -> None:
    """Its statement was let in before the floor rose, and ends after it: under a key that is to be dropped.

    It is held up in between by somebody else's row of the same Idempotency-Key.
    """
    owner = api.somebody()
    key = "held-up"
    hold = """INSERT INTO idempotency VALUES (%s, %s, %s, '\\x00', now())"""

    def change() -> None:
        try:
            owner.change()
        except UnavailableError:  # it waited too long for the writer: signing in does what is left
            pass
        except SessionRefusedError:
            return
        token = signed_in()
        finish(owner, token)

    def signed_in() -> SessionToken:
        while True:
            try:
                return owner.sign_in()
            except UnavailableError:
                time.sleep(0.05)

    with ThreadPoolExecutor(2) as pool, api.vault.records.superuser() as held:
        held.autocommit = False
        held.execute(hold, [owner.user, hashlib.sha256(key.encode()).digest(), bytes(32)])
        write = pool.submit(
            patient.store.create, owner.token, "note", b'{"title": "plums"}', idempotency_key=key
        )
        until(lambda: waiting(owner) == 1)
        changed = pool.submit(change)
        until(lambda: changed.done() or waiting(owner) == 2)
        held.rollback()
        record, _ = write.result()
        changed.result()

    token = owner.sign_in()
    finish(owner, token)
    assert api.store.read(token, record.record).fields == b'{"title": "plums"}'
    assert owner.deks() == 1


def test_two_sessions_re_encrypt_each_record_once_between_them(api: Api) -> None:
    owner = api.somebody(records=30)
    owner.change()
    tokens = [owner.sign_in() for _ in range(2)]
    together = threading.Barrier(2)

    def go_on(token: SessionToken) -> None:
        together.wait()
        finish(owner, token)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(go_on, token) for token in tokens]:
            done.result()

    told = [n for kind, n in owner.records_events() if kind is R.RECORDS_REENCRYPTED]
    assert sum(told) == 30
    assert owner.deks() == 1
    for token in tokens:
        assert owner.names(token) == owner.all_names()
        assert owner.session(token).keys.older == ()


def test_what_is_written_while_records_are_re_encrypted_stands(api: Api) -> None:
    """Each record is changed again and again by one session while another one re-encrypts it."""
    owner = api.somebody(records=24)
    owner.change()
    writer, re_encrypting = owner.sign_in(), owner.sign_in()
    last: dict[RecordId, bytes] = {}
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set() or turn < 2:
            turn += 1
            for record in owner.kept:
                fields = msgspec.json.encode({"full_name": f"Turn {turn}"})
                api.store.replace(writer, record, fields)
                last[record] = fields

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        finish(owner, re_encrypting)
        stop.set()
        writing.result()

    assert {record: api.store.read(writer, record).fields for record in owner.kept} == last
    assert owner.deks() == 1
    assert len(owner.under()) == 1
    found = api.store.find(writer, collection="contact", where=[("full_name", "number 3")])
    assert found.items == (), "no tag of an older version is left"


@pytest.mark.parametrize("other", ["data key", "password"])
def test_of_two_changes_at_once_one_wins(api: Api, other: str) -> None:
    owner = api.somebody(records=4)
    second = owner.sign_in()
    together = threading.Barrier(2)

    def change() -> None:
        together.wait()
        owner.change()

    def another() -> None:
        together.wait()
        if other == "data key":
            owner.change(second)
        else:
            api.accounts.change_password(second, "seven lamps over the quiet harbour", NEW_PASSWORD)

    with ThreadPoolExecutor(2) as pool:
        outcomes = [refusal(each) for each in [pool.submit(change), pool.submit(another)]]

    assert outcomes.count(None) >= 1
    # The slower one: its credential is another one, its password wrong by then, or its session over.
    refused = {type(each) for each in outcomes if each is not None}
    assert refused <= {ConcurrentChangeError, LoginRefusedError, SessionRefusedError}
    token = open_with_either(owner)
    finish(owner, token)
    assert owner.names(token) == owner.all_names()
    assert owner.deks() == 1


def refusal(future: "Future[None]") -> VaultError | None:
    error = future.exception()
    assert error is None or isinstance(error, VaultError)
    return error


def open_with_either(owner: Owner) -> SessionToken:
    try:
        return owner.sign_in()
    except LoginRefusedError:
        return owner.sign_in(NEW_PASSWORD)


def test_an_older_session_goes_on_until_the_floor_rises_and_then_it_is_over(api: Api) -> None:
    """What it wrote in between is under the older key, and is re-encrypted with the rest."""
    owner = api.somebody(records=2)
    older = owner.session(owner.token)
    parts = api.parts
    with parts.db.connection() as conn:
        intent = insert_intent(conn, owner.user, "data-key", older.epoch, parts.now())
    added = parts.kms.call(AddDataKey(owner.user, "seven lamps over the quiet harbour"), DataKeyAdded)

    late = api.contact(owner.token, 9)
    end_older_sessions(parts, intent, added.epoch)
    with pytest.raises(SessionRefusedError):
        api.contact(owner.token, 10)

    token = owner.sign_in()
    finish(owner, token)
    assert b"Number 9" in api.store.read(token, late).fields
    assert owner.names(token) == owner.all_names()
    assert owner.under() == {added.dek_id: 3}
