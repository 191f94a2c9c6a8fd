"""The client against a whole vault: everything a person does, from signing up to being erased."""

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.rig.vault import PASSWORD, Vault
from vault_service.client import (
    AppKeyRefusedError,
    Create,
    Delete,
    IdempotencyConflictError,
    InvalidRequestError,
    LoginRefusedError,
    LoginTakenError,
    MustChangePasswordError,
    NotFoundError,
    Operation,
    Read,
    SessionRefusedError,
    Update,
    UserSession,
    VaultClient,
    VersionMismatchError,
    WeakPasswordError,
)

NEW_PASSWORD = "brass kettle under nine willows"
_numbers = itertools.count(1)

pytestmark = pytest.mark.slow


def new_login() -> str:
    return f"sdk-{next(_numbers)}@example.org"


@pytest.fixture
def client(served: Vault) -> Iterator[VaultClient]:
    with VaultClient(served.api_url, app_key=served.app_key) as client:
        yield client


@pytest.fixture
def ana(client: VaultClient) -> Iterator[UserSession]:
    login = new_login()
    client.sign_up(login, PASSWORD)
    with client.sign_in(login, PASSWORD) as session:
        yield session


def test_a_record_comes_back_as_it_was_kept_and_is_found_by_any_spelling(ana: UserSession) -> None:
    fields = {"full_name": "  Zoë  Ångström\u2028", "email": "Zoe@Example.ORG", "phone": "+46 8 123 456 78"}

    kept = ana.records.create("contact", fields)

    assert ana.records.get(kept.record_id).fields == fields
    for where in ({"email": "zoe@example.org"}, {"phone": "+46812345678"}):
        assert [found.record_id for found in ana.records.find(collection="contact", where=where)] == [
            kept.record_id
        ]
    assert list(ana.records.find(collection="contact", where={"email": "other@example.org"})) == []


def test_one_key_makes_one_record_and_one_user(client: VaultClient, ana: UserSession) -> None:
    first = ana.records.create("note", {"title": "Milk"}, idempotency_key="k-1")
    again = ana.records.create("note", {"title": "Milk"}, idempotency_key="k-1")
    assert again == first
    with pytest.raises(IdempotencyConflictError):
        ana.records.create("note", {"title": "Bread"}, idempotency_key="k-1")

    login = new_login()
    one = client.sign_up(login, PASSWORD, idempotency_key=f"up-{login}")
    assert client.sign_up(login, PASSWORD, idempotency_key=f"up-{login}").user_id == one.user_id
    with pytest.raises(LoginTakenError):
        client.sign_up(login, PASSWORD)


def test_changes_on_condition_lose_nothing(ana: UserSession) -> None:
    kept = ana.records.create("note", {"visits": 0, "old": True})
    ana.records.replace(kept.record_id, {"visits": 0, "old": True}, if_version=1)
    with pytest.raises(VersionMismatchError):
        ana.records.replace(kept.record_id, {"visits": 99}, if_version=1)
    assert ana.records.patch(kept.record_id, {"old": None}).fields == {"visits": 0}

    def visit() -> None:
        ana.records.update(kept.record_id, lambda f: {**f, "visits": f["visits"] + 1}, attempts=50)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()

    assert ana.records.get(kept.record_id).fields == {"visits": 4}
    with pytest.raises(VersionMismatchError):
        ana.records.delete(kept.record_id, if_version=1)
    ana.records.delete(kept.record_id)
    with pytest.raises(NotFoundError):
        ana.records.get(kept.record_id)


def test_a_batch_does_what_it_can_or_with_atomic_nothing(ana: UserSession) -> None:
    kept = ana.records.create("note", {"title": "a"})
    operations: list[Operation] = [
        Create("note", {"title": "b"}),
        Read(kept.record_id),
        Update(kept.record_id, {"title": "c"}, if_version=9),
    ]

    made, read, refused = ana.records.batch(operations)

    assert made.record is not None
    assert read.record == kept
    assert isinstance(refused.error, VersionMismatchError)
    with pytest.raises(VersionMismatchError) as caught:
        ana.records.batch(operations, atomic=True)
    assert caught.value.problem.index == 2
    assert len(list(ana.records.find(collection="note"))) == 2
    assert [r.status for r in ana.records.batch([Delete(kept.record_id)])] == [204]


def test_lists_exports_and_the_trail_span_pages(ana: UserSession) -> None:
    ana.records.batch([Create("note", {"n": n}) for n in range(220)])

    listed = [record.fields["n"] for record in ana.records.find(page_size=100)]
    exported = [record.fields["n"] for record in ana.export()]
    lines = list(ana.export_lines())

    assert listed == exported == list(range(220))
    assert len(lines) == 221
    trail = list(ana.accesses())
    assert sum(access.n for access in trail if access.what == "record_created") == 220
    assert {"session_opened", "records_listed", "records_exported"} <= {access.what for access in trail}
    assert [access.at for access in trail] == sorted((access.at for access in trail), reverse=True)


def test_a_change_of_password_ends_every_session(client: VaultClient) -> None:
    login = new_login()
    client.sign_up(login, PASSWORD)
    here, there = client.sign_in(login, PASSWORD), client.sign_in(login, PASSWORD)
    kept = here.records.create("note", {"a": 1})
    assert len(here.sessions()) == 2

    with pytest.raises(WeakPasswordError) as caught:
        here.change_password(PASSWORD, "aaaaaaaaaaaaaaaaaaaa")
    assert caught.value.reasons
    with pytest.raises(LoginRefusedError):
        here.change_password("not this one at all", NEW_PASSWORD)
    here.change_password(PASSWORD, NEW_PASSWORD)

    for session in (here, there):
        with pytest.raises(SessionRefusedError):
            session.me()
    with pytest.raises(LoginRefusedError):
        client.sign_in(login, PASSWORD)
    with client.sign_in(login, NEW_PASSWORD) as again:
        assert again.records.get(kept.record_id).fields == {"a": 1}


def test_sessions_can_be_resumed_and_ended_one_by_one_or_all(client: VaultClient) -> None:
    login = new_login()
    client.sign_up(login, PASSWORD)
    here, there = client.sign_in(login, PASSWORD), client.sign_in(login, PASSWORD)

    resumed = client.resume(there.reveal_token())
    assert resumed.me().session_id == there.me().session_id
    here.end_session(resumed.me().session_id)
    with pytest.raises(SessionRefusedError):
        resumed.me()
    here.sign_out_everywhere()
    with pytest.raises(SessionRefusedError):
        here.me()


def test_a_login_can_be_changed_and_an_account_erased(client: VaultClient) -> None:
    old, new = new_login(), new_login()
    client.sign_up(old, PASSWORD)
    with client.sign_in(old, PASSWORD) as session:
        session.change_login(PASSWORD, new)
    with client.sign_in(new, PASSWORD) as session:
        session.erase(PASSWORD)
    for login in (old, new):
        with pytest.raises(LoginRefusedError):
            client.sign_in(login, PASSWORD)


def test_a_one_time_password_adds_records_and_is_exchanged_once(client: VaultClient) -> None:
    login = new_login()
    signed_up = client.sign_up(login)
    one_time = signed_up.one_time_password
    assert one_time is not None
    with client.sign_in(login, one_time) as session:
        assert session.begun is not None
        assert session.begun.must_change
        kept = session.records.create("contact", {"full_name": "Ana"})
        with pytest.raises(MustChangePasswordError):
            session.records.get(kept.record_id)

    client.redeem_one_time_password(signed_up.user_id, one_time, NEW_PASSWORD)

    with pytest.raises(LoginRefusedError):
        client.redeem_one_time_password(signed_up.user_id, one_time, PASSWORD)
    with client.sign_in(login, NEW_PASSWORD) as session:
        assert session.records.get(kept.record_id).fields == {"full_name": "Ana"}


def test_refusals_arrive_as_their_classes(served: Vault, ana: UserSession) -> None:
    with pytest.raises(InvalidRequestError):
        ana.records.create("Not a name", {})
    with pytest.raises(InvalidRequestError, match="full_name, phone, email"):
        list(ana.records.find(collection="contact", where={"address": "x"}))
    with (
        VaultClient(served.api_url, app_key="vsa_" + "A" * 86) as stranger,
        pytest.raises(AppKeyRefusedError),
    ):
        stranger.sign_up(new_login(), PASSWORD)


def test_any_transport_will_do_such_as_a_unix_socket(served: Vault, scratch: Path) -> None:
    """Through a relay on a Unix socket, as a sidecar is."""
    path = scratch / "relay.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        relay = threading.Thread(target=_relay_once, args=(listener, served.api_port))
        relay.start()
        transport = httpx.HTTPTransport(uds=str(path))
        with VaultClient("http://vault", app_key=served.app_key, transport=transport) as client:
            assert client.sign_up(new_login(), PASSWORD).notice
        relay.join()


def _relay_once(listener: socket.socket, port: int) -> None:
    ours, _ = listener.accept()
    with ours, socket.create_connection(("127.0.0.1", port)) as theirs:
        back = threading.Thread(target=_copy, args=(theirs, ours))
        back.start()
        _copy(ours, theirs)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    while chunk := source.recv(65536):
        target.sendall(chunk)
    target.shutdown(socket.SHUT_WR)


def test_receipts_come_whole_and_name_the_user(ana: UserSession) -> None:
    got = ana.receipts()

    assert got.user_id == ana.me().user_id
    assert len(got.receipts) + got.unsealed >= 2
    assert json.loads(got.document)["user_id"] == str(got.user_id)
