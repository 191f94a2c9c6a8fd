"""Somebody in front of the page: opens it, fills in its forms, and sends them as a browser does."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from uuid import uuid4

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.api.live import new_login
from tests.rig.vault import PASSWORD

ORIGIN = "https://vault.example.org"
OTHER_PASSWORD = "eleven kites above a frozen lake"


@dataclass
class Browser:
    """A browser with its cookies."""

    http: FlaskClient
    login: str = field(default_factory=new_login)
    page: str = ""  # what it shows

    def open(self, path: str) -> TestResponse:
        """Go there, and follow redirects."""
        answer = self.http.get(path, base_url=ORIGIN)
        if answer.status_code == 303:
            return self.open(answer.headers["Location"])
        self.page = answer.text
        return answer

    def send(self, path: str, fields: Mapping[str, object] | None = None, /, **typed: object) -> TestResponse:
        """Send a form of the page that is shown: its hidden fields, and what was typed.

        A new password is typed twice, the same where a test says nothing else.
        """
        form = {**hidden_fields(self.page, path), **(fields or {}), **typed}
        if "new_password" in form:
            form = {"again": form["new_password"], **form}
        answer = self.http.post(path, data=form, base_url=ORIGIN, headers={"Origin": ORIGIN})
        if answer.status_code == 303:
            return self.open(answer.headers["Location"])
        self.page = answer.text
        return answer

    @property
    def cookie(self) -> str | None:
        """The session's."""
        found = self.http.get_cookie("__Host-me", domain="vault.example.org")
        return None if found is None else found.value

    def sign_up(self, password: str = PASSWORD) -> TestResponse:
        self.open("/me/sign-up")
        return self.send("/me/sign-up", login=self.login, new_password=password, understood="true")

    def sign_in(self, password: str = PASSWORD) -> TestResponse:
        self.open("/me/sign-in")
        return self.send("/me/sign-in", login=self.login, password=password)

    def enter(self) -> "Browser":
        self.sign_up()
        assert self.sign_in().status_code == 200
        return self


def new_browser(http: FlaskClient) -> Browser:
    return Browser(http)


class _Forms(HTMLParser):
    """The hidden fields of each form, by its action."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._now: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._now = self.forms.setdefault(given.get("action") or "", {})
        elif tag == "input" and given.get("type") == "hidden" and self._now is not None:
            self._now[given["name"] or ""] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._now = None


def hidden_fields(page: str, action: str) -> dict[str, str]:
    """What a form sends without anybody having typed it; empty where there is no such form."""
    forms = _Forms()
    forms.feed(page)
    return forms.forms.get(action, {})


def words_of(page: str) -> str:
    """What the page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def new_attempt() -> str:
    return str(uuid4())
