"""What others try: forms of their sites, other people's sessions and entries, text that is markup."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from flask import Flask

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, OTHER_PASSWORD, Browser, hidden_fields, words_of
from tests.rig.vault import PASSWORD
from tests.web.hostile import A_HANDFUL, HOSTILE
from vault_service.api.services import Services
from vault_service.api.user_page.services import Visitor
from vault_service.api.user_page.site import VIEWS
from vault_service.domain.ids import new_uuid
from vault_service.domain.tokens import SessionToken

FORMS = [each.path for each in VIEWS if each.method == "POST"]
OF_SOMEBODY = [each.path for each in VIEWS if each.method == "POST" and not each.open_to_all]
PAGES = [each.path for each in VIEWS if each.method == "GET"]
OTHER_SITE = "https://evil.example"


def filled(path: str) -> str:
    return re.sub(r"{\w+}", str(new_uuid()), path)


def as_form(ana: Browser, path: str, headers: dict[str, str], **more: object) -> int:
    form = {"password": PASSWORD, "certain": "true", **more}
    return ana.http.post(filled(path), data=form, base_url=ORIGIN, headers=headers).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OTHER_SITE},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"{ORIGIN}.evil.example"},
        {"Origin": "http://vault.example.org"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
        {"Origin": OTHER_SITE, "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_no_form_of_another_site_is_taken(headers: dict[str, str], ana: Browser) -> None:
    assert ana.cookie is not None
    token = Visitor(SessionToken.parse(ana.cookie)).csrf_token

    for path in FORMS:
        assert as_form(ana, path, headers, csrf_token=token) == 403, path
    assert ana.open("/me/").request.path == "/me/"


def test_no_form_without_this_sessions_token_is_taken(ana: Browser, browser: Callable[[], Browser]) -> None:
    ben = browser().enter()
    assert ben.cookie is not None
    of_ben = Visitor(SessionToken.parse(ben.cookie)).csrf_token

    for path in FORMS:
        for token in ({}, {"csrf_token": ""}, {"csrf_token": of_ben}, {"csrf_token": "é" * 64}):
            assert as_form(ana, path, {"Origin": ORIGIN}, **token) == 403, (path, token)
    assert ana.open("/me/").request.path == "/me/"


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_bodies_that_other_sites_forms_can_send_unasked_are_refused(media_type: str, ana: Browser) -> None:
    headers = {"Origin": ORIGIN, "Content-Type": media_type}

    for path in FORMS:
        answer = ana.http.post(filled(path), data="certain=true", base_url=ORIGIN, headers=headers)
        assert answer.status_code in {400, 415}, path


def test_whoever_sends_a_form_after_the_session_has_ended_is_asked_to_sign_in(ana: Browser) -> None:
    ana.open("/me/entries/new")
    form = {**hidden_fields(ana.page, "/me/entries"), "collection": "note", "name": "a", "value": "b"}
    kept = ana.cookie
    ana.send("/me/sign-out")
    ana.http.set_cookie("__Host-me", kept or "", domain="vault.example.org")

    answer = ana.http.post(
        "/me/entries", data={**form, "kind": "text"}, base_url=ORIGIN, headers={"Origin": ORIGIN}
    )

    assert answer.status_code == 401
    assert "Sign in, and do it once more" in words_of(answer.text)
    assert "/me/sign-out" not in answer.text


def test_nobody_gets_in_without_a_session(browser: Callable[[], Browser]) -> None:
    stranger = browser()
    opened = {each.path for each in VIEWS if each.open_to_all}

    for path in set(PAGES) - opened:
        assert stranger.open(filled(path)).request.path == "/me/sign-in", path
    for path in OF_SOMEBODY:
        assert as_form(stranger, path, {"Origin": ORIGIN}) == 401, path


def test_a_session_that_has_ended_opens_nothing_with_its_cookie_kept(ana: Browser) -> None:
    kept = ana.cookie
    assert kept is not None
    ana.send("/me/sign-out")
    ana.http.set_cookie("__Host-me", kept, domain="vault.example.org")

    for path in set(PAGES) - {each.path for each in VIEWS if each.open_to_all}:
        assert ana.open(filled(path)).request.path == "/me/sign-in", path
        ana.http.set_cookie("__Host-me", kept, domain="vault.example.org")


def test_signing_in_begins_a_new_session_whatever_cookie_was_put_there(
    ana: Browser, browser: Callable[[], Browser]
) -> None:
    """Session fixation: the thief's own session, put into the victim's browser."""
    thief = browser().enter()
    assert thief.cookie is not None
    victim = browser()
    victim.login = ana.login
    victim.http.set_cookie("__Host-me", thief.cookie, domain="vault.example.org")

    assert victim.open("/me/sign-in").request.path == "/me/", "it is the thief's vault, and looks like it"
    victim.send("/me/sign-out")
    victim.sign_in()
    assert victim.cookie not in {None, thief.cookie}
    assert thief.open("/me/").request.path == "/me/sign-in"


def test_somebody_elses_entry_and_session_are_as_if_there_were_none(
    ana: Browser, browser: Callable[[], Browser], services: Services
) -> None:
    ben = browser().enter()
    assert ben.cookie is not None
    token = SessionToken.parse(ben.cookie)
    record, _ = services.records.create(token, "note", b'{"title": "of ben"}')
    nothing = ana.open(f"/me/entries/{new_uuid()}")

    theirs = ana.open(f"/me/entries/{record.record}")
    assert (theirs.status_code, theirs.text.replace(str(record.record), "")) == (
        404, nothing.text.replace(nothing.request.path.rpartition("/")[2], ""),
    )  # fmt: skip
    assert ana.cookie is not None
    csrf = Visitor(SessionToken.parse(ana.cookie)).csrf_token
    for path in (f"/me/entries/{record.record}", f"/me/entries/{record.record}/delete"):
        form = {"csrf_token": csrf, "version": "1", "name": "title", "value": "x", "kind": "text"}
        if path.endswith("delete"):
            form = {"csrf_token": csrf}
        answer = ana.http.post(path, data=form, base_url=ORIGIN, headers={"Origin": ORIGIN})
        assert answer.status_code == 404
    as_form(ana, f"/me/sessions/{token.session}/end", {"Origin": ORIGIN}, csrf_token=csrf)
    assert services.records.read(token, record.record).fields == b'{"title": "of ben"}'


def test_the_cookie_opens_no_route_of_the_api_and_an_apps_header_no_page(ana: Browser) -> None:
    """A form of another site could send the cookie; a script of another site cannot be let in by it."""
    assert ana.http.get("/v1/me", base_url=ORIGIN).status_code == 401
    ana.page = ana.http.get("/me/", base_url=ORIGIN).text
    bearer = {"Authorization": f"Bearer {ana.cookie}"}
    ana.http.delete_cookie("__Host-me", domain="vault.example.org")

    assert ana.http.get("/v1/me", base_url=ORIGIN, headers=bearer).status_code == 200
    assert ana.http.get("/me/", base_url=ORIGIN, headers=bearer).status_code == 303


def test_the_cookie_is_for_this_host_by_tls_and_no_script(ana: Browser, page: Flask) -> None:
    http = client_of(page)
    form = {"login": ana.login, "password": PASSWORD}
    answer = http.post("/me/sign-in", data=form, base_url=ORIGIN, headers={"Origin": ORIGIN})

    (line,) = answer.headers.getlist("Set-Cookie")
    name, *attributes = line.split("; ")
    assert name.startswith("__Host-me=vss_")
    assert set(attributes) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}


def test_every_page_forbids_what_it_does_not_need(ana: Browser) -> None:
    for path in [filled(each) for each in PAGES] + ["/me/entries/x"]:
        answer = ana.http.get(path, base_url=ORIGIN)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["Cache-Control"] == "no-store", path
        assert answer.headers["Referrer-Policy"] in {"no-referrer", "same-origin"}, path


_RUN = {"script", "img", "b", "iframe", "object"}
_LEAD = {"href", "src", "action", "formaction", "srcdoc", "style"}


class _Markup(HTMLParser):
    """Everything in a page that could run or lead away."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _RUN and not given.get("src", "").startswith("/me/static/"):
            self.found.add(tag)
        self.found |= {f"{tag} {name}" for name in given if name.startswith("on")}
        self.found |= {f"{tag} {name}" for name in _LEAD & set(given) if given[name][:1] not in {"/", "#"}}


def running_in(page: str) -> set[str]:
    parser = _Markup()
    parser.feed(page)
    return parser.found


def test_five_hundred_hostile_strings_are_never_markup(ana: Browser, services: Services) -> None:
    """As names and as values, of entries that are shown, and of those that are changed."""
    assert ana.cookie is not None
    token, kept = SessionToken.parse(ana.cookie), [text for text in HOSTILE if is_json(text)]
    assert len(kept) > 450
    for at in range(0, len(kept), 100):
        fields = {f"{number} {text}": text for number, text in enumerate(kept[at : at + 100])}
        services.records.create(token, "note", json.dumps(fields).encode())

    assert running_in(ana.open("/me/").text) == set()
    for path in set(re.findall(r'href="(/me/entries/[0-9a-f-]{36})"', ana.page)):
        assert running_in(ana.open(path).text) == set()
        typed = {"name": kept[:100], "value": kept[:100], "kind": ["json"] * 100}
        assert running_in(ana.send(path, typed).text) == set()


def is_json(text: str) -> bool:
    """Records hold no NUL and no half surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def test_what_was_typed_before_comes_back_as_text(browser: Callable[[], Browser]) -> None:
    somebody = browser()
    for text in A_HANDFUL:
        somebody.login = text or "-"
        assert running_in(somebody.sign_in(OTHER_PASSWORD).text) == set()
        somebody.open("/me/recover")
        somebody.send("/me/recover", login=text, new_password="a" * 20)
        assert running_in(somebody.page) == set()
        assert running_in(somebody.open(f"/me/recoveries?case_id={text}").text) == set()


def test_passwords_are_never_filled_in_again(ana: Browser) -> None:
    for path in ("/me/password", "/me/login", "/me/erase", "/me/key"):
        ana.open(path)
        form = {**hidden_fields(ana.page, path), "password": OTHER_PASSWORD}
        more = {
            "/me/password": {"new_password": PASSWORD, "again": PASSWORD},
            "/me/login": {"login": "x@example.org"},
        }
        form |= more.get(path, {})
        form |= {"certain": "true"} if path == "/me/erase" else {}
        answer = ana.http.post(path, data=form, base_url=ORIGIN, headers={"Origin": ORIGIN})
        assert answer.status_code in {401, 429}, path
        assert OTHER_PASSWORD not in answer.text
        assert PASSWORD not in answer.text
