"""Asking for access again through HTTP, on the whole vault; what officers do is tried elsewhere."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import httpx
import pytest

from tests.api.live import OTHER_PASSWORD, Person, connect, new_login, sign_in
from tests.rig.vault import PASSWORD, Vault

NEW = "nine lanterns behind the old mill"


def ask(app: httpx.Client, login: str, new: str = NEW, **headers: str) -> httpx.Response:
    return app.post("/v1/recoveries", json={"login": login, "new_password": new}, headers=headers)


def test_a_recovery_is_accepted_with_six_words_to_read_out(app: httpx.Client, ana: Person) -> None:
    answer = ask(app, ana.login)

    assert answer.status_code == 202
    told = answer.json()
    assert told.keys() == {"case_id", "verification_phrase", "expires_at", "due_at"}
    assert len(told["verification_phrase"].split()) == 6
    assert answer.headers["Location"] == f"/v1/recoveries/{UUID(told['case_id'])}"
    assert datetime.fromisoformat(told["due_at"]) < datetime.fromisoformat(told["expires_at"])


def test_the_answer_is_the_same_for_a_login_that_nobody_has(app: httpx.Client, ana: Person) -> None:
    known, unknown = ask(app, ana.login), ask(app, new_login())

    assert known.status_code == unknown.status_code == 202
    shape = {name: type(value) for name, value in known.json().items()}
    assert {name: type(value) for name, value in unknown.json().items()} == shape
    assert known.headers.keys() == unknown.headers.keys()
    spans = [
        datetime.fromisoformat(each.json()["expires_at"]) - datetime.fromisoformat(each.json()["due_at"])
        for each in (known, unknown)
    ]
    assert spans[0] == spans[1]
    states = [app.get(each.headers["Location"]).json() for each in (known, unknown)]
    assert [state.keys() for state in states] == [states[0].keys()] * 2
    assert [state["status"] for state in states] == ["open", "open"]


def test_nothing_changes_before_officers_have_decided(app: httpx.Client, ana: Person) -> None:
    ask(app, ana.login)

    assert sign_in(app, ana.login, NEW).status_code == 401
    assert ana.http.get("/v1/me").status_code == 200


def test_a_retry_with_its_key_finds_the_same_case(app: httpx.Client, ana: Person) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = ask(app, ana.login, **key)

    again = ask(app, ana.login, OTHER_PASSWORD, **key)  # only the login is compared
    other = ask(app, new_login(), **key)
    without = ask(app, ana.login)

    assert (again.status_code, again.json()) == (202, first.json())
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.conflict")
    assert without.json()["case_id"] != first.json()["case_id"]


def test_the_same_key_of_another_app_is_another_case(served: Vault, app: httpx.Client, ana: Person) -> None:
    key = {"Idempotency-Key": "recovery-1"}
    with connect(served, served.create_app(f"other-{uuid4().hex[:8]}")) as other:
        mine, theirs = ask(app, new_login(), **key), ask(other, ana.login, **key)

        assert mine.status_code == theirs.status_code == 202
        assert mine.json()["case_id"] != theirs.json()["case_id"]
        for stranger, location in ((other, mine.headers["Location"]), (app, theirs.headers["Location"])):
            answer = stranger.get(location)
            assert (answer.status_code, answer.json()["code"]) == (404, "recovery.no_such_case")


def test_how_it_stands(app: httpx.Client, ana: Person) -> None:
    begun = ask(app, ana.login)

    shown = app.get(begun.headers["Location"]).json()

    assert shown.keys() == {"case_id", "status", "opened_at", "due_at", "expires_at"}
    assert (shown["status"], shown["expires_at"]) == ("open", begun.json()["expires_at"])


@pytest.mark.parametrize("case", ["no-uuid", str(UUID(int=0)), "6f1d4a1e-2b55-4f6c-9d8e-3c8a7b1f0e42"])
def test_a_case_that_is_not_there_is_404(app: httpx.Client, ana: Person, case: str) -> None:
    for answer in (app.get(f"/v1/recoveries/{case}"), ana.http.delete(f"/v1/recoveries/{case}")):
        assert (answer.status_code, answer.json()["code"]) == (404, "recovery.no_such_case")


def test_the_subject_cancels_it_and_nobody_else(
    app: httpx.Client, ana: Person, someone: Callable[[], Person]
) -> None:
    location = ask(app, ana.login).headers["Location"]

    assert someone().http.delete(location).status_code == 404
    assert app.delete(location).status_code == 401
    assert app.get(location).json()["status"] == "open"
    assert ana.http.delete(location).status_code == 204
    assert app.get(location).json()["status"] == "cancelled"
    assert ana.http.delete(location).status_code == 204, "a retry"


def test_whoever_knows_the_password_needs_no_recovery(app: httpx.Client, ana: Person) -> None:
    location = ask(app, ana.login).headers["Location"]

    sign_in(app, ana.login)

    assert app.get(location).json()["status"] == "cancelled"


def test_one_because_of_a_stolen_password_is_not_cancelled_by_who_has_it(
    app: httpx.Client, ana: Person
) -> None:
    begun = app.post("/v1/recoveries", json={"login": ana.login, "new_password": NEW, "stolen": True})
    location = begun.headers["Location"]

    assert sign_in(app, ana.login).status_code == 201
    refused = ana.http.delete(location)

    assert (refused.status_code, refused.json()["code"]) == (403, "recovery.not_permitted")
    assert app.get(location).json()["status"] == "open"


def test_too_many_are_429_with_the_time_to_wait_also_for_nobody(app: httpx.Client, ana: Person) -> None:
    for login in (ana.login, new_login()):
        answers = [ask(app, login) for _ in range(4)]
        assert [each.status_code for each in answers] == [202, 202, 202, 429]
        assert answers[-1].json()["code"] == "recovery.too_many"
        assert int(answers[-1].headers["Retry-After"]) >= 1


def test_a_weak_password_is_422_with_its_reasons_for_anybody(app: httpx.Client, ana: Person) -> None:
    known, unknown = ask(app, ana.login, "passwordpassword"), ask(app, new_login(), "passwordpassword")

    assert (known.status_code, known.json()["code"]) == (422, "password.weak")
    assert known.json()["reasons"]
    assert {**known.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"login": "a"}', 400),
        (b'{"login": "a", "login": "b", "new_password": "c"}', 400),
        (b'{"login": "a", "new_password": "c", "stolen": "yes"}', 400),
        (b'{"login": "a", "new_password": "c", "more": 1}', 400),
        (b'{"login": " ", "new_password": "nine lanterns behind the old mill"}', 400),
        (b'{"login": "a", "new_password": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_what_cannot_be_accepted_is_refused(app: httpx.Client, body: bytes, status: int) -> None:
    answer = app.post("/v1/recoveries", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == status


# --- the code that a user keeps


def test_a_code_sets_a_new_password_and_ends_every_session(app: httpx.Client, ana: Person) -> None:
    made = ana.http.post("/v1/me/recovery-code", json={"password": PASSWORD})
    assert made.status_code == 201
    body = {"login": ana.login, "recovery_code": made.json()["recovery_code"].lower(), "new_password": NEW}

    used = app.post("/v1/recoveries/code", json=body)

    assert (used.status_code, used.content) == (204, b"")
    assert ana.http.get("/v1/me").status_code == 401
    assert sign_in(app, ana.login).status_code == 401
    assert sign_in(app, ana.login, NEW).status_code == 201
    again = app.post("/v1/recoveries/code", json={**body, "new_password": OTHER_PASSWORD})
    assert (again.status_code, again.json()["code"]) == (401, "login.refused")


def test_a_wrong_code_and_a_login_without_one_get_one_and_the_same_answer(
    app: httpx.Client, ana: Person, someone: Callable[[], Person]
) -> None:
    ana.http.post("/v1/me/recovery-code", json={"password": PASSWORD})
    answers = [
        app.post(
            "/v1/recoveries/code",
            json={
                "login": login, "recovery_code": "000G4-0R40M-30E20-9185G-R38E1-W", "new_password": NEW,
            },
        )
        for login in (ana.login, someone().login, new_login())
    ]  # fmt: skip

    assert [each.status_code for each in answers] == [401] * 3
    documents = [{**each.json(), "request_id": ""} for each in answers]
    assert documents[0] == documents[1] == documents[2]


def test_making_a_code_takes_the_password(ana: Person) -> None:
    """A stolen session must not be a way in for ever."""
    answer = ana.http.post("/v1/me/recovery-code", json={"password": OTHER_PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (401, "login.refused")
