"""Every refusal is a problem document (RFC 9457) with a stable code and what to do about it."""

import pytest
from flask.testing import FlaskClient

from tests.api.face import AS_APP, AS_USER, CANARY
from vault_service.api.app import create_app
from vault_service.api.health import NotReadyError
from vault_service.domain import errors as e
from vault_service.web.problems import headers_of, problem_of, status_of

STATUSES = {
    "request.invalid": 400,
    "request.malformed_json": 400,
    "app.refused": 401,
    "session.refused": 401,
    "login.refused": 401,
    "password.must_change": 403,
    "record.not_found": 404,
    "resource.not_found": 404,
    "request.no_such_route": 404,
    "request.method": 405,
    "user.login_taken": 409,
    "idempotency.conflict": 409,
    "request.concurrent_change": 409,
    "integrity": 409,
    "record.version_mismatch": 412,
    "request.too_large": 413,
    "request.batch_full": 413,
    "request.media_type": 415,
    "password.weak": 422,
    "login.throttled": 429,
    "app.throttled": 429,
    "vault.error": 500,
    "config.invalid": 500,
    "manifest.refused": 503,
    "manifest.policy_below_floor": 503,
    "kms.caller_refused": 500,
    "seal.broken": 500,
    "service.unavailable": 503,
    "service.token_unavailable": 503,
    "service.token_hangs": 503,
    "service.token_key": 503,
    "service.token_pin_refused": 503,
    "service.wrong_token": 503,
    "service.database_unavailable": 503,
    "service.schema_outdated": 503,
    "service.schema_newer": 503,
    "service.kms_unavailable": 503,
    "service.overloaded": 503,
    "service.outcome_unknown": 503,
}


def _all(root: type[e.VaultError]) -> set[type[e.VaultError]]:
    return {root}.union(*(_all(child) for child in root.__subclasses__()))


def test_the_table_below_names_every_error_that_there_is() -> None:
    declared = {kind.code for kind in _all(e.VaultError) if kind.__module__ == e.__name__}

    assert declared == STATUSES.keys()


@pytest.mark.parametrize(("code", "status"), STATUSES.items())
def test_each_error_has_its_status_and_its_document(code: str, status: int, face: FlaskClient) -> None:
    answer = face.get(f"/fail/{code}", headers=AS_USER)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    problem = answer.json
    assert problem is not None
    shown = "vault.error" if status == 500 else code  # what an operator did wrong is not the caller's
    assert (problem["status"], problem["code"], problem["type"]) == (status, shown, f"/docs#{shown}")
    assert problem["title"]
    assert problem["remedy"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert (problem["detail"] == "said so") is (status != 500)
    assert ("Retry-After" in answer.headers) is (status in {429, 503})
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_an_error_that_nobody_foresaw_tells_the_request_id_and_nothing_else(face: FlaskClient) -> None:
    answer = face.get("/fail/unforeseen", headers=AS_USER)

    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert answer.json is not None
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.json["code"] == "vault.error"
    assert CANARY not in answer.text
    assert "ValueError" not in answer.text


def test_retry_after_is_what_the_error_says_and_at_least_a_second() -> None:
    assert headers_of(e.ThrottledError(retry_after_s=30))["Retry-After"] == "30"
    assert headers_of(e.ThrottledError())["Retry-After"] == "1"
    assert headers_of(e.OverloadedError())["Retry-After"] == "2"


def test_a_weak_password_comes_with_its_reasons() -> None:
    error = e.WeakPasswordError("the password is too easy to guess: it repeats itself; it holds the login")

    assert problem_of(error, "r").reasons == ("it repeats itself", "it holds the login")


def test_what_cannot_be_used_is_named_part_by_part() -> None:
    error = NotReadyError({"token": "service.token_unavailable", "records_database": "ok"})

    assert (status_of(type(error)), error.detail) == (503, "token cannot be used at present")


def test_an_unknown_address_is_a_problem(face: FlaskClient) -> None:
    for path in ("/", "/nope", "/echo/", "/stream//whole", "/echo/x"):
        answer = face.get(path)
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json"), path
        assert answer.json is not None
        assert answer.json["code"] == "request.no_such_route"


def test_an_address_has_one_spelling(face: FlaskClient) -> None:
    """Whoever keeps a route from strangers at a proxy must not be passed by with one stroke more."""
    for path in ("//query", "///query"):
        answer = face.get("/", environ_overrides={"PATH_INFO": path})
        assert answer.status_code == 404, path


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "TRACE", "BREW"])
def test_an_unknown_method_is_a_problem_that_says_which_are_known(method: str, face: FlaskClient) -> None:
    answer = face.open("/echo", method=method)

    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "sent", "wanted"), [("/as-user", AS_APP, "vss_"), ("/as-app", AS_USER, "vsa_")]
)
def test_the_other_kind_of_token_is_told_apart_from_a_wrong_one(
    path: str, sent: dict[str, str], wanted: str, face: FlaskClient
) -> None:
    answer = face.post(path, headers=sent)

    assert (answer.status_code, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    assert answer.json is not None
    assert f"({wanted}…) is asked for" in answer.json["detail"]
    assert sent["Authorization"][7:] not in answer.text


def test_each_problem_type_leads_to_its_description() -> None:
    page = create_app(None).test_client().get("/docs").text  # type: ignore[arg-type]  # no use case is called

    for code in STATUSES:
        assert f'id="{code}"' in page
