"""Accounts and sessions through HTTP, on the whole vault."""

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import httpx
import pytest

from tests.api.live import OTHER_PASSWORD, Person, connect, new_login, sign_in, sign_up
from tests.rig.vault import PASSWORD, Vault


def test_signing_up_tells_who_could_ever_recover_the_data(app: httpx.Client) -> None:
    answer = sign_up(app, new_login())

    assert answer.status_code == 201
    assert answer.json().keys() == {"user_id", "notice"}
    for promise in (
        "two recovery officers together",
        "waiting period",
        "audit log",
        "Erasing the account is final",
    ):
        assert promise in answer.json()["notice"]


def test_signing_in_gives_a_token_and_says_how_long_it_lasts(app: httpx.Client) -> None:
    login = new_login()
    user_id = sign_up(app, login).json()["user_id"]

    answer = sign_in(app, login)

    assert answer.status_code == 201
    assert answer.json().keys() == {"token", "user_id", "expires_at", "idle_timeout_s"}
    assert answer.json()["user_id"] == user_id
    assert answer.json()["token"].startswith("vss_")
    assert answer.json()["idle_timeout_s"] > 0
    assert datetime.fromisoformat(answer.json()["expires_at"]).tzinfo is not None


def test_a_login_is_the_same_whatever_its_case(app: httpx.Client) -> None:
    login = new_login()
    sign_up(app, login)

    assert sign_in(app, f" {login.upper()} ").status_code == 201


def test_a_taken_login_is_409(app: httpx.Client) -> None:
    login = new_login()
    sign_up(app, login)

    answer = sign_up(app, login, OTHER_PASSWORD)

    assert (answer.status_code, answer.json()["code"]) == (409, "user.login_taken")


def test_a_weak_password_is_422_with_its_reasons(app: httpx.Client) -> None:
    answer = sign_up(app, new_login(), "passwordpassword")

    assert (answer.status_code, answer.json()["code"]) == (422, "password.weak")
    assert answer.json()["reasons"]
    assert "passwordpassword" not in answer.text


def test_a_wrong_password_and_an_unknown_login_get_one_and_the_same_answer(app: httpx.Client) -> None:
    login = new_login()
    sign_up(app, login)

    wrong, unknown = sign_in(app, login, OTHER_PASSWORD), sign_in(app, new_login(), OTHER_PASSWORD)

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.headers["WWW-Authenticate"] == 'Bearer realm="vault_service"'
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert wrong.headers.keys() == unknown.headers.keys()


def test_too_many_attempts_are_429_with_the_time_to_wait(app: httpx.Client) -> None:
    login = new_login()

    first = last = sign_in(app, login, OTHER_PASSWORD)
    for _ in range(40):  # a few, unless the machine is so busy that one may try again meanwhile
        if last.status_code == 429:
            break
        last = sign_in(app, login, OTHER_PASSWORD)

    assert first.status_code == 401
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1


def test_an_unknown_app_key_is_401(served: Vault) -> None:
    ending = "AA" if not served.app_key.endswith("AA") else "BA"
    with connect(served, served.app_key[:-2] + ending) as stranger:
        for answer in (sign_up(stranger, new_login()), sign_in(stranger, new_login())):
            assert (answer.status_code, answer.json()["code"]) == (401, "app.refused")


def test_a_retried_sign_up_makes_one_user(app: httpx.Client) -> None:
    body, key = {"login": new_login(), "password": PASSWORD}, {"Idempotency-Key": str(uuid4())}

    first, again = (app.post("/v1/users", json=body, headers=key) for _ in range(2))
    other = app.post("/v1/users", json={**body, "password": OTHER_PASSWORD}, headers=key)

    assert first.status_code == again.status_code == 201
    assert first.json()["user_id"] == again.json()["user_id"]
    assert other.status_code == 409


def test_existing_people_come_with_a_one_time_password(served: Vault, app: httpx.Client) -> None:
    """It can add records and read nothing, and is exchanged for one that the person chooses."""
    login = new_login()
    made = sign_up(app, login, None).json()
    signed_in = sign_in(app, login, made["one_time_password"]).json()
    assert signed_in["must_change"] is True
    with connect(served, signed_in["token"]) as http:
        record = http.post("/v1/records", json={"collection": "note", "fields": {"title": "imported"}})
        assert record.status_code == 201
        refused = http.get(record.headers["Location"])
        assert (refused.status_code, refused.json()["code"]) == (403, "password.must_change")

        one_time = made["one_time_password"]
        for method, path, body in (
            ("PUT", "/v1/me/login", {"password": one_time, "new_login": new_login()}),
            ("DELETE", "/v1/me", {"password": one_time}),
            ("GET", "/v1/me/accesses", None),
            ("GET", "/v1/me/receipts", None),
            ("GET", "/v1/me/export", None),
            ("GET", "/v1/records", None),
            ("DELETE", record.headers["Location"], None),
        ):
            refused = http.request(method, path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "password.must_change"), path

        redeem = {"token": one_time, "new_password": PASSWORD}
        path = f"/v1/users/{made['user_id']}/password"
        assert httpx.post(f"{served.api_url}{path}", json=redeem, timeout=60).status_code == 204
        assert httpx.post(f"{served.api_url}{path}", json=redeem, timeout=60).status_code == 401

        assert http.get("/v1/me").status_code == 401
    own = sign_in(app, login).json()
    assert "must_change" not in own
    with connect(served, own["token"]) as http:
        assert http.get(record.headers["Location"]).json()["fields"] == {"title": "imported"}


def test_a_one_time_password_of_nobody_is_401(served: Vault) -> None:
    for user in (uuid4(), "nobody"):
        answer = httpx.post(
            f"{served.api_url}/v1/users/{user}/password",
            json={"token": "vso_x", "new_password": PASSWORD},
            timeout=60,
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "login.refused")


def test_a_change_of_password_ends_every_session_and_keeps_the_records(
    ana: Person, app: httpx.Client, served: Vault
) -> None:
    path = ana.keep({"title": "kept"}).headers["Location"]
    with connect(served, sign_in(app, ana.login).json()["token"]) as elsewhere:
        body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
        assert ana.http.put("/v1/me/password", json=body).status_code == 204

        assert [ana.http.get("/v1/me").status_code, elsewhere.get("/v1/me").status_code] == [401, 401]
    assert sign_in(app, ana.login).status_code == 401
    with connect(served, sign_in(app, ana.login, OTHER_PASSWORD).json()["token"]) as http:
        assert http.get(path).json()["fields"] == {"title": "kept"}


def test_a_change_of_password_needs_the_current_one_and_a_good_new_one(ana: Person) -> None:
    wrong = {"current_password": OTHER_PASSWORD, "new_password": OTHER_PASSWORD}
    weak = {"current_password": PASSWORD, "new_password": "aaaaaaaaaaaaaaaaaaaa"}

    assert ana.http.put("/v1/me/password", json=wrong).status_code == 401
    assert ana.http.put("/v1/me/password", json=weak).status_code == 422
    assert ana.http.get("/v1/me").status_code == 200


def test_a_change_of_login_keeps_sessions(
    ana: Person, app: httpx.Client, someone: Callable[[], Person]
) -> None:
    taken = {"password": PASSWORD, "new_login": someone().login}
    new = {"password": PASSWORD, "new_login": new_login()}

    assert ana.http.put("/v1/me/login", json=taken).status_code == 409
    assert ana.http.put("/v1/me/login", json=new).status_code == 204

    assert ana.http.get("/v1/me").status_code == 200
    assert sign_in(app, ana.login).status_code == 401
    assert sign_in(app, new["new_login"]).status_code == 201


def test_erasing_needs_the_password_and_is_final(ana: Person, app: httpx.Client) -> None:
    ana.keep({"title": "gone"})

    assert ana.http.request("DELETE", "/v1/me", json={"password": OTHER_PASSWORD}).status_code == 401
    assert ana.http.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code == 204

    assert ana.http.get("/v1/me").status_code == 401
    assert sign_in(app, ana.login).status_code == 401


def test_an_account_shows_who_is_signed_in(ana: Person) -> None:
    me = ana.http.get("/v1/me").json()

    assert me.keys() == {"user_id", "created_at", "session_id", "must_change"}
    assert (me["user_id"], me["must_change"]) == (ana.user_id, False)


def test_sessions_are_listed_and_ended_one_here_or_everywhere(
    ana: Person, app: httpx.Client, served: Vault
) -> None:
    tokens = [sign_in(app, ana.login).json()["token"] for _ in range(2)]
    with connect(served, tokens[0]) as second, connect(served, tokens[1]) as third:
        listed = ana.http.get("/v1/sessions").json()["items"]
        assert [item["current"] for item in listed] == [False, False, True]
        ended = second.get("/v1/me").json()["session_id"]

        assert ana.http.delete(f"/v1/sessions/{ended}").status_code == 204
        assert second.get("/v1/me").status_code == 401
        assert ana.http.delete(f"/v1/sessions/{ended}").status_code == 404
        assert ana.http.delete("/v1/sessions/not-a-session").status_code == 404

        assert third.delete("/v1/sessions/current").status_code == 204
        assert third.get("/v1/me").status_code == 401
        assert ana.http.get("/v1/me").status_code == 200

        assert ana.http.delete("/v1/sessions").status_code == 204
        assert ana.http.get("/v1/me").status_code == 401


def test_nobody_ends_somebody_elses_session(ana: Person, someone: Callable[[], Person]) -> None:
    theirs = someone()
    session = theirs.http.get("/v1/me").json()["session_id"]

    assert ana.http.delete(f"/v1/sessions/{session}").status_code == 404
    assert theirs.http.get("/v1/me").status_code == 200


def test_accesses_are_shown_newest_first_page_by_page(ana: Person) -> None:
    record = ana.keep({"title": "seen"}).json()["record_id"]
    ana.http.get(f"/v1/records/{record}")

    first = ana.http.get("/v1/me/accesses?limit=2").json()
    rest = ana.http.get("/v1/me/accesses", params={"cursor": first["next_cursor"]}).json()

    newest = first["items"][0]
    assert (newest["what"], newest["record_id"], newest["app"]) == ("record_read", record, "tests")
    assert first["items"][1]["what"] == "record_created"
    assert [item["what"] for item in rest["items"]] == ["accesses_read", "session_opened", "user_activated"][
        1:
    ]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "0" * 399, "A" * 21 + "B"])
def test_a_cursor_that_no_list_gave_is_400(cursor: str, ana: Person) -> None:
    for path in ("/v1/me/accesses", "/v1/records"):
        answer = ana.http.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


def test_a_usable_vault_names_every_part(served: Vault) -> None:
    answer = httpx.get(f"{served.api_url}/readyz", timeout=60)

    assert answer.status_code == 200
    assert answer.json()["parts"].keys() == {
        "kms", "token", "manifest", "keys_database", "keys_audit", "records_database", "records_audit",
        "records_log",
    }  # fmt: skip
    assert httpx.get(f"{served.api_url}/healthz", timeout=60).json() == {"status": "ok"}
