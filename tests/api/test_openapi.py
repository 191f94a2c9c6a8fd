"""The OpenAPI document and the page for people come from the routes, and so cannot differ from them."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from tests.api.face import NO_SERVICES
from vault_service.api.app import create_app
from vault_service.api.openapi import describe_api, refusals
from vault_service.api.routes import ROUTES
from vault_service.web.problems import status_of


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(NO_SERVICES)


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app.test_client().get("/openapi.json").data)
    return found


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_the_document_covers_exactly_the_routes_of_the_application(
    app: Flask, document: dict[str, Any]
) -> None:
    served = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    described = {(method.upper(), path) for path, ways in document["paths"].items() for method in ways}

    assert served - {("GET", "/docs"), ("GET", "/openapi.json")} == described


def test_the_routes_are_those_of_the_specification(document: dict[str, Any]) -> None:
    described = {f"{method.upper()} {path}" for path, ways in document["paths"].items() for method in ways}

    assert described == {
        "POST /v1/users", "POST /v1/users/{user_id}/password",
        "POST /v1/sessions", "GET /v1/sessions", "DELETE /v1/sessions", "DELETE /v1/sessions/current",
        "DELETE /v1/sessions/{session_id}",
        "GET /v1/me", "DELETE /v1/me", "PUT /v1/me/login", "PUT /v1/me/password", "GET /v1/me/accesses",
        "GET /v1/me/receipts", "GET /v1/me/export", "POST /v1/me/data-key", "POST /v1/me/data-key/continue",
        "POST /v1/recoveries", "GET /v1/recoveries/{case_id}", "DELETE /v1/recoveries/{case_id}",
        "POST /v1/recoveries/code", "POST /v1/me/recovery-code",
        "POST /v1/records", "GET /v1/records", "POST /v1/records/search", "POST /v1/records/batch",
        "GET /v1/records/{record_id}", "PUT /v1/records/{record_id}", "PATCH /v1/records/{record_id}",
        "DELETE /v1/records/{record_id}",
        "GET /healthz", "GET /readyz",
    }  # fmt: skip


def test_every_refusal_that_a_route_declares_is_described_under_its_status(document: dict[str, Any]) -> None:
    for route in ROUTES:
        answers = document["paths"][route.path][route.method.lower()]["responses"]
        for kind in refusals(route):
            assert f"`{kind.code}`" in answers[str(int(status_of(kind)))]["description"]


def test_every_example_is_what_its_route_takes(document: dict[str, Any]) -> None:
    import msgspec

    for route in ROUTES:
        if route.example and route.has_body:
            msgspec.json.decode(route.example, type=route.takes)


def test_fields_are_described_as_an_object(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["NewRecord"]["properties"]["fields"]["type"] == "object"


def test_times_are_described_as_such(document: dict[str, Any]) -> None:
    """Else a generated client hands them out as text."""
    times = {
        (shape, name): schema.get("format")
        for shape, described in document["components"]["schemas"].items()
        for name, schema in described["properties"].items()
        if name.endswith("_at") or name in {"at", "last_seen"}
    }

    assert ("RecordShown", "created_at") in times
    assert set(times.values()) == {"date-time"}


def test_the_same_routes_give_the_same_document() -> None:
    assert describe_api(ROUTES) == describe_api(ROUTES)


class _Links(HTMLParser):
    """What a browser would load or run, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "srcset", "data", "action", "style"} or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")
            if name == "href":
                (self.links if tag == "a" else self.loads).append(value or "")
            if name == "id":
                self.ids.append(value or "")


@pytest.fixture(scope="module")
def page(app: Flask) -> _Links:
    links = _Links()
    links.feed(app.test_client().get("/docs").text)
    return links


def test_the_page_loads_nothing_from_anywhere_and_runs_nothing(app: Flask, page: _Links) -> None:
    answer = app.test_client().get("/docs")

    assert page.loads == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_policy_admits_the_pages_own_style(app: Flask) -> None:
    import base64
    import hashlib

    answer = app.test_client().get("/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def test_every_link_of_the_page_leads_somewhere(page: _Links) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}


def test_the_page_shows_each_route_with_a_line_to_paste(app: Flask) -> None:
    text = app.test_client().get("/docs").text

    for route in ROUTES:
        assert f'<span class="method">{route.method}</span> {route.path}' in text
    assert text.count("<pre>curl") == len(ROUTES)


def test_the_page_says_what_the_members_of_an_answer_mean(app: Flask) -> None:
    text = app.test_client().get("/docs").text

    for said in (
        "Records that were altered or moved",
        "records can be added, nothing read",
        "null on the last",
    ):
        assert said in text


def test_the_page_keeps_apart_what_no_route_answers(app: Flask) -> None:
    """A developer looks through what may happen to an app, not through officers' and operators' affairs."""
    answered, _, elsewhere = app.test_client().get("/docs").text.partition('<h2 id="elsewhere">')

    for code in (
        "request.no_such_route", "request.method", "service.overloaded", "service.outcome_unknown",
        "rotation.data_key_gone", "manifest.refused", "vault.error",
    ):  # fmt: skip
        assert f'id="{code}"' in answered
    for code in ("recovery.quorum_not_met", "rotation.busy", "config.invalid"):
        assert f'id="{code}"' in elsewhere


def test_the_page_can_be_read_on_a_telephone(app: Flask) -> None:
    assert 'name="viewport" content="width=device-width' in app.test_client().get("/docs").text
