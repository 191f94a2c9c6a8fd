"""Answers and refusals as the client gives them."""

import json
import traceback
from typing import cast
from uuid import UUID

import pytest

from tests.client.conftest import APP_KEY, TOKEN, Patient
from tests.client.scripted_server import HangUp, Reply, Script
from tests.client.test_repeating import SHOWN, SIGNED_IN, USER
from vault_service.client import (
    BatchFullError,
    BrokenRecordsError,
    ConcurrentChangeError,
    Create,
    Delete,
    IncompleteExportError,
    InvalidRequestError,
    NotFoundError,
    Problem,
    Read,
    UnavailableError,
    UnexpectedAnswerError,
    Update,
    VaultApiError,
    VaultClient,
    VaultConnectionError,
    WeakPasswordError,
)

pytestmark = pytest.mark.slow

ONE, TWO = UUID(int=1), UUID(int=2)


def line(**members: object) -> bytes:
    return json.dumps(members).encode() + b"\n"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "request.malformed_json", InvalidRequestError),
        (409, "request.concurrent_change", ConcurrentChangeError),
        (413, "request.batch_full", BatchFullError),
        (404, "record.not_found", NotFoundError),
        (404, "resource.not_found", NotFoundError),
        (422, "password.weak", WeakPasswordError),
        (503, "service.of_a_newer_server", UnavailableError),
        (503, "rotation.manifest_behind", UnavailableError),  # a key is being replaced: in a second again
        (418, "teapot.of_a_newer_server", VaultApiError),
    ],
)
def test_a_refusal_is_raised_as_the_class_of_its_code(
    server: Script, patient: Patient, status: int, code: str, kind: type[VaultApiError]
) -> None:
    for _ in range(4):
        server.then_refuse(status, code)

    with pytest.raises(VaultApiError) as caught:
        patient.vault.resume(TOKEN).me()

    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, status)
    assert (caught.value.detail, caught.value.remedy, caught.value.request_id) == ("d", "r", "r-1")


def test_the_reasons_against_a_password_can_be_shown(server: Script, patient: Patient) -> None:
    server.then_refuse(422, "password.weak", reasons=["it is a date", "it repeats"])

    with pytest.raises(WeakPasswordError) as caught:
        patient.vault.sign_up("ana@example.org", "2024 2024 2024 2024")

    assert caught.value.reasons == ("it is a date", "it repeats")


def test_an_answer_of_something_in_between_is_told_apart(server: Script, patient: Patient) -> None:
    server.replies.append(Reply(403, b"<html>firewall</html>"))
    with pytest.raises(VaultApiError) as caught:
        patient.vault.resume(TOKEN).me()
    assert caught.value.code == "http.403"

    server.replies.append(Reply(200, b"<html>welcome</html>"))
    with pytest.raises(UnexpectedAnswerError):
        patient.vault.resume(TOKEN).me()


def test_an_answer_that_cannot_be_unpacked_is_no_answer(server: Script, patient: Patient) -> None:
    """httpx's own error would carry the request, with its token, into the caller's logs."""
    server.replies += [Reply(200, b"no gzip", {"Content-Encoding": "gzip"})] * 2

    with pytest.raises(VaultConnectionError) as caught:
        patient.vault.sign_in("ana@example.org", "plum tractor velvet orbit")
    assert caught.value.may_have_happened
    with pytest.raises(IncompleteExportError):
        list(patient.vault.resume(TOKEN).export())


def test_neither_repr_nor_traceback_shows_a_key_token_password_or_field(
    server: Script, patient: Patient
) -> None:
    server.then(201, SIGNED_IN)
    session = patient.vault.sign_in("ana@example.org", "plum tractor velvet orbit")
    server.then(201, {"user_id": USER, "notice": "n", "one_time_password": "vso_secret"})
    signed_up = patient.vault.sign_up("ana@example.org")
    server.then(200, {**SHOWN, "fields": {"full_name": "Ana Silva"}})
    record = session.records.get(ONE)
    server.replies += [HangUp()] * 4
    with pytest.raises(VaultConnectionError) as caught:
        session.records.create("notes", record.fields)

    shown = [
        repr(x) for x in (patient.vault, session, session.begun, signed_up, record, Create("c", {"a": "Ana"}))
    ]
    shown.append("".join(traceback.format_exception(caught.value)))
    for secret in (APP_KEY, TOKEN, "vso_secret", "plum", "Ana"):
        assert not any(secret in text for text in shown), secret
    assert caught.value.__context__ is None  # httpx's own error would bring the whole request along


def test_a_search_follows_pages_and_keeps_values_out_of_addresses(server: Script, patient: Patient) -> None:
    server.then(200, {"items": [SHOWN, SHOWN], "next_cursor": "c1"})
    server.then(200, {"items": [SHOWN], "next_cursor": None})

    found = list(patient.vault.resume(TOKEN).records.find(collection="contact", where={"email": "ana@x.org"}))

    assert len(found) == 3
    assert {asked.path for asked in server.asked} == {"/v1/records/search"}
    assert [asked.json.get("cursor") for asked in server.asked] == [None, "c1"]
    assert all(asked.json["where"] == {"email": "ana@x.org"} for asked in server.asked)


def test_records_that_do_not_open_are_told_after_all_others(server: Script, patient: Patient) -> None:
    server.then(200, {"items": [SHOWN], "next_cursor": "c1", "broken": [str(ONE)]})
    server.then(200, {"items": [SHOWN], "next_cursor": None, "broken": [str(TWO)]})

    found = patient.vault.resume(TOKEN).records.find()

    assert [next(found).fields, next(found).fields] == [{"a": 1}, {"a": 1}]
    with pytest.raises(BrokenRecordsError) as caught:
        next(found)
    assert caught.value.record_ids == (ONE, TWO)


def test_the_trail_follows_pages(server: Script, patient: Patient) -> None:
    entry = {"at": "2026-01-01T00:00:00Z", "what": "record_read", "app": "shop", "n": 1}
    server.then(200, {"items": [entry], "next_cursor": "c1"})
    server.then(200, {"items": [entry], "next_cursor": None})

    assert [access.app for access in patient.vault.resume(TOKEN).accesses()] == ["shop", "shop"]
    assert "cursor=c1" in server.asked[1].path


def test_an_export_comes_whole(server: Script, patient: Patient) -> None:
    text = {"note": "line\u2028separator and \x85 stay inside"}
    body = line(**{**SHOWN, "fields": text}) + line(**SHOWN) + line(end=True, records=2)
    server.replies.append(Reply(200, body))

    exported = list(patient.vault.resume(TOKEN).export())

    assert [record.fields for record in exported] == [text, {"a": 1}]


@pytest.mark.parametrize(
    ("body", "cut_after", "why"),
    [
        (line(**SHOWN), None, "without its last line"),
        (line(**SHOWN) + line(end=True, records=2), None, "sent 2"),
        (line(**SHOWN) + line(end=False, code="service.database_unavailable"), None, "could not go on"),
        (line(**SHOWN) + b'{"end": tr', None, "cut off"),
        (line(**SHOWN) + line(end=True, records=1), len(line(**SHOWN)), "broke"),
    ],
)
def test_an_export_that_is_not_whole_is_never_taken_for_one(
    server: Script, patient: Patient, body: bytes, cut_after: int | None, why: str
) -> None:
    server.replies.append(Reply(200, body, cut_after=cut_after))

    exported = patient.vault.resume(TOKEN).export()

    assert next(exported).fields == {"a": 1}
    with pytest.raises(IncompleteExportError, match=why) as caught:
        next(exported)
    assert caught.value.received == 1


@pytest.mark.parametrize("detail", ["the password is too short", "The password is too short."])
def test_a_refusal_reads_as_sentences_whether_or_not_the_api_ended_the_first(detail: str) -> None:
    refusal = VaultApiError(Problem("password.weak", 422, detail, "Choose a longer one."))

    assert str(refusal) == f"password.weak: {detail.rstrip('.')}. Choose a longer one."
    assert refusal.detail == detail


def test_a_refusal_of_a_code_alone_reads_as_that_code() -> None:
    assert str(VaultApiError(Problem("service.odd", 503))) == "service.odd"


def test_an_export_tells_of_records_that_do_not_open(server: Script, patient: Patient) -> None:
    body = line(record_id=str(ONE), error="integrity") + line(**SHOWN) + line(end=True, records=2)
    server.replies.append(Reply(200, body))

    exported = patient.vault.resume(TOKEN).export()

    assert next(exported).fields == {"a": 1}
    with pytest.raises(BrokenRecordsError) as caught:
        next(exported)
    assert caught.value.record_ids == (ONE,)


def test_a_batch_is_asked_and_answered_operation_by_operation(server: Script, patient: Patient) -> None:
    server.then(
        200,
        {"results": [{"status": 201, **SHOWN}, {"status": 404, "code": "record.not_found"}, {"status": 204}]},
    )

    made, missing, deleted = patient.vault.resume(TOKEN).records.batch(
        [Create("notes", {"a": 1}), Read(ONE), Update(ONE, {"a": 2}, if_version=3), Delete(TWO)]
    )

    assert made.record is not None
    assert (made.status, made.record.fields, made.error) == (201, {"a": 1}, None)
    assert isinstance(missing.error, NotFoundError)
    assert (deleted.status, deleted.record, deleted.error) == (204, None, None)
    assert server.asked[0].json == {
        "atomic": False,
        "operations": [
            {"op": "create", "collection": "notes", "fields": {"a": 1}},
            {"op": "read", "record_id": str(ONE)},
            {"op": "update", "record_id": str(ONE), "fields": {"a": 2}, "if_version": 3},
            {"op": "delete", "record_id": str(TWO)},
        ],
    }


def test_a_session_ends_with_its_block_even_when_the_vault_is_gone(server: Script, patient: Patient) -> None:
    server.then(204)
    with patient.vault.resume(TOKEN):
        pass
    assert [(asked.method, asked.path) for asked in server.asked] == [("DELETE", "/v1/sessions/current")]

    server.then_refuse(401, "session.refused")
    with patient.vault.resume(TOKEN):
        pass
    assert len(server.asked) == 2


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused_before_it_is_sent(
    server: Script, patient: Patient, number: float
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        patient.vault.resume(TOKEN).records.create("notes", {"n": number})
    with pytest.raises(ValueError, match="surrogates"):
        patient.vault.resume(TOKEN).records.create("notes", {"n": "\ud800"})
    assert server.asked == []


@pytest.mark.parametrize("text", ["../sessions", "../me/export", "x?limit=1", ""])
def test_text_that_is_no_id_leads_to_no_other_address(server: Script, patient: Patient, text: str) -> None:
    """Programs without types pass on what stood in an address of theirs."""
    session, no_id = patient.vault.resume(TOKEN), cast("UUID", text)

    for attempt in (
        lambda: session.records.get(no_id),
        lambda: session.records.replace(no_id, {}),
        lambda: session.records.delete(no_id),
        lambda: session.end_session(no_id),
        lambda: patient.vault.redeem_one_time_password(no_id, "vso_x", "plum tractor velvet orbit"),
    ):
        with pytest.raises(ValueError, match="UUID"):
            attempt()
    assert server.asked == []


@pytest.mark.parametrize(
    "url", ["http://vault.example.org", "http://192.0.2.7:8470", "ftp://localhost", "vault"]
)
def test_an_address_that_would_show_passwords_on_a_network_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="clear text"):
        VaultClient(url)


@pytest.mark.parametrize("url", ["https://vault.example.org", "http://127.0.0.1:8470", "http://[::1]:8470"])
def test_https_and_this_host_are_welcome(url: str) -> None:
    with VaultClient(url, app_key=APP_KEY) as vault:
        assert repr(vault) == f"VaultClient({url!r})"


def test_receipts_that_were_cut_off_are_no_receipts(server: Script, patient: Patient) -> None:
    whole = b'{"v":1,"log":"records","user_id":"%s","checkpoint":null,"receipts":[],"unsealed":3}'
    whole %= str(ONE).encode()
    server.replies.append(Reply(200, whole, {}))
    broken_off = whole[:-14] + b'{"end":false,"code":"service.unavailable"}\n'
    server.replies.append(Reply(200, broken_off, {}))

    got = patient.vault.resume(TOKEN).receipts()
    assert (got.user_id, got.unsealed, got.document) == (ONE, 3, whole)
    with pytest.raises(UnexpectedAnswerError):
        patient.vault.resume(TOKEN).receipts()
