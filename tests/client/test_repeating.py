"""What the client sends again, and what it never does."""

import socket
from uuid import UUID

import pytest

from tests.client.conftest import APP_KEY, TOKEN, Patient
from tests.client.scripted_server import HangUp, Reply, Script
from vault_service.client import (
    ConcurrentChangeError,
    LoginRefusedError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
    VaultApiError,
    VaultClient,
    VaultConnectionError,
    VersionMismatchError,
)

pytestmark = pytest.mark.slow

USER = "0191d5a0-0000-7000-8000-000000000001"
RECORD = UUID("0191d5a0-0000-7000-8000-000000000002")
SHOWN = {
    "record_id": str(RECORD), "collection": "notes", "version": 2, "fields": {"a": 1},
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
SIGNED_IN = {
    "token": TOKEN, "user_id": USER, "expires_at": "2026-01-01T00:00:00Z", "idle_timeout_s": 60,
}  # fmt: skip


def test_a_sign_up_is_repeated_under_one_key_that_the_client_makes(server: Script, patient: Patient) -> None:
    server.then_refuse(503, "service.token_unavailable", retry_after=2)
    server.replies.append(HangUp())
    server.then(201, {"user_id": USER, "notice": "n"})

    signed_up = patient.vault.sign_up("ana@example.org", "plum tractor velvet orbit")

    assert str(signed_up.user_id) == USER
    keys = {asked.headers["idempotency-key"] for asked in server.asked}
    bodies = {asked.body for asked in server.asked}
    assert (len(server.asked), len(keys), len(bodies)) == (3, 1, 1)
    assert 2 <= patient.waits[0] < 3  # what Retry-After says, and some jitter
    assert 0 <= patient.waits[1] < 1


def test_two_sign_ups_have_two_keys(server: Script, patient: Patient) -> None:
    for _ in range(2):
        server.then(201, {"user_id": USER, "notice": "n"})
        patient.vault.sign_up("ana@example.org")

    first, second = (asked.headers["idempotency-key"] for asked in server.asked)
    assert first != second


def test_a_refused_password_is_never_tried_again(server: Script, patient: Patient) -> None:
    server.then_refuse(401, "login.refused")

    with pytest.raises(LoginRefusedError):
        patient.vault.sign_in("ana@example.org", "wrong horse battery staple")

    assert len(server.asked) == 1


def test_signing_in_is_not_repeated_when_the_first_may_have_counted(server: Script, patient: Patient) -> None:
    server.replies.append(HangUp())

    with pytest.raises(VaultConnectionError) as caught:
        patient.vault.sign_in("ana@example.org", "plum tractor velvet orbit")

    assert caught.value.may_have_happened
    assert len(server.asked) == 1


def test_signing_in_is_repeated_when_the_vault_says_later(server: Script, patient: Patient) -> None:
    server.then_refuse(503, "service.overloaded", retry_after=1)
    server.then_refuse(429, "login.throttled", retry_after=1)
    server.then(201, SIGNED_IN)

    session = patient.vault.sign_in("ana@example.org", "plum tractor velvet orbit")

    assert session.reveal_token() == TOKEN
    assert len(server.asked) == 3


@pytest.mark.parametrize("reply", [HangUp(), Reply(502, b"<html>"), Reply(504)])
def test_a_password_change_whose_outcome_is_unknown_is_not_repeated(
    server: Script, patient: Patient, reply: Reply | HangUp
) -> None:
    server.replies.append(reply)

    with pytest.raises((VaultConnectionError, VaultApiError)):
        patient.vault.resume(TOKEN).change_password("old password here", "new password here")

    assert len(server.asked) == 1


def test_a_change_of_unknown_outcome_that_the_vault_reports_is_not_repeated(
    server: Script, patient: Patient
) -> None:
    server.then_refuse(503, "service.outcome_unknown", retry_after=2)

    with pytest.raises(OutcomeUnknownError):
        patient.vault.resume(TOKEN).change_password("old password here", "new password here")

    assert len(server.asked) == 1


def test_reading_is_repeated_when_the_connection_breaks_within_the_answer(
    server: Script, patient: Patient
) -> None:
    server.then(200, SHOWN)
    whole = server.replies.pop()
    assert isinstance(whole, Reply)
    server.replies += [Reply(200, whole.body, cut_after=20), whole]

    assert patient.vault.resume(TOKEN).records.get(RECORD).fields == {"a": 1}


def test_a_write_on_condition_is_not_repeated_but_one_without_is(server: Script, patient: Patient) -> None:
    records = patient.vault.resume(TOKEN).records
    server.replies.append(HangUp())
    with pytest.raises(VaultConnectionError):
        records.replace(RECORD, {"a": 1}, if_version=1)
    assert server.asked.pop().headers["if-match"] == '"1"'

    server.replies.append(HangUp())
    server.then(200, SHOWN)
    assert records.replace(RECORD, {"a": 1}).version == 2
    assert all("if-match" not in asked.headers for asked in server.asked)


def test_a_write_that_others_overtook_is_repeated_and_a_password_that_lost_a_race_is_not(
    server: Script, patient: Patient
) -> None:
    """Of the write nothing was done; the password is another one by now, and a guess would be counted."""
    session = patient.vault.resume(TOKEN)
    server.then_refuse(409, "request.concurrent_change")
    server.then(200, SHOWN)
    assert session.records.patch(RECORD, {"a": 1}).version == 2

    server.then_refuse(409, "request.concurrent_change")
    with pytest.raises(ConcurrentChangeError):
        session.change_password("plum tractor velvet orbit", "amber fjord clock lentil")
    assert (len(server.asked), len(patient.waits)) == (3, 1)


def test_repeating_is_bounded_and_the_last_refusal_is_told(server: Script, patient: Patient) -> None:
    for _ in range(4):
        server.then_refuse(503, "service.database_unavailable", retry_after=1)

    with pytest.raises(UnavailableError) as caught:
        patient.vault.resume(TOKEN).me()

    assert caught.value.code == "service.database_unavailable"
    assert caught.value.retry_after_s == 1
    assert len(server.asked) == 4
    assert len(patient.waits) == 3


def test_a_wait_that_is_too_long_is_left_to_the_caller(server: Script, patient: Patient) -> None:
    server.then_refuse(429, "login.throttled", retry_after=900)

    with pytest.raises(ThrottledError) as caught:
        patient.vault.sign_in("ana@example.org", "plum tractor velvet orbit")

    assert caught.value.retry_after_s == 900
    assert patient.waits == []


def test_an_uncertain_attempt_is_remembered_when_later_ones_cannot_connect(
    server: Script, patient: Patient
) -> None:
    """Whoever catches the error must not believe that nothing was done."""
    server.replies += [HangUp(), HangUp(), HangUp(), HangUp()]

    with pytest.raises(VaultConnectionError, match="not known") as caught:
        patient.vault.sign_up("ana@example.org")

    assert caught.value.may_have_happened


def test_a_header_that_cannot_be_sent_did_nothing(server: Script, patient: Patient) -> None:
    with pytest.raises(VaultConnectionError, match="nothing was done") as caught:
        patient.vault.sign_up("ana@example.org", idempotency_key="two\nlines")

    assert not caught.value.may_have_happened
    assert server.asked == []


def test_where_nobody_listens_nothing_was_done() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        vault = VaultClient(url, app_key=APP_KEY, retries=0)
        with vault, pytest.raises(VaultConnectionError, match="nothing was done") as caught:
            vault.sign_in("ana@example.org", "plum tractor velvet orbit")

    assert not caught.value.may_have_happened
    assert url.removeprefix("http://") in str(caught.value)  # a wrong address is what it mostly is


def test_where_nobody_listens_a_password_in_the_address_is_not_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://app:violet@127.0.0.1:{taken.getsockname()[1]}"
        with (
            VaultClient(url, app_key=APP_KEY, retries=0) as vault,
            pytest.raises(VaultConnectionError) as caught,
        ):
            vault.sign_in("ana@example.org", "plum tractor velvet orbit")

    assert "violet" not in str(caught.value)


def test_an_update_that_lost_a_race_is_made_again_on_what_is_there_now(
    server: Script, patient: Patient
) -> None:
    server.then(200, {**SHOWN, "version": 2, "fields": {"visits": 5}})
    server.then_refuse(412, "record.version_mismatch")
    server.then(200, {**SHOWN, "version": 3, "fields": {"visits": 6}})
    server.then(200, {**SHOWN, "version": 4, "fields": {"visits": 7}})

    records = patient.vault.resume(TOKEN).records
    records.update(RECORD, lambda fields: {**fields, "visits": fields["visits"] + 1})

    writes = [asked for asked in server.asked if asked.method == "PUT"]
    assert [(w.headers["if-match"], w.json["fields"]["visits"]) for w in writes] == [('"2"', 6), ('"3"', 7)]


def test_an_update_gives_up_after_so_many_lost_races(server: Script, patient: Patient) -> None:
    for _ in range(2):
        server.then(200, SHOWN)
        server.then_refuse(412, "record.version_mismatch")

    with pytest.raises(VersionMismatchError):
        patient.vault.resume(TOKEN).records.update(RECORD, lambda fields: fields, attempts=2)

    assert len(server.asked) == 4
