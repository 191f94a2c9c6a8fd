"""A small site with every kind of page, for what holds of all of them: no database, two people."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import jinja2
from flask import Flask
from flask.testing import FlaskClient

from vault_service.web.safety import no_cookie, session_cookie
from vault_service.web.site import Site, create_site
from vault_service.web.static_files import StaticFiles
from vault_service.web.templates import make_templates
from vault_service.web.view import Download, GoTo, Picture, Reply, Shown, Taken, Told, View, Visit

ORIGIN = "https://console.example.org"
COOKIE = "__Host-toy"
FORM = "application/x-www-form-urlencoded"

_TEMPLATES = {
    "note.html": """{% extends "frame.html" %}{% block title %}Note{% endblock %}
{% block main %}<h1>Note</h1><p id="note">{{ note }}</p>
<form method="post" action="/note">{{ csrf_field }}
<input name="note" aria-label="Note" value="{{ note }}"></form>{% endblock %}""",
}


@dataclass(frozen=True)
class Person:
    """Somebody with a session."""

    name: str
    csrf_token: str


@dataclass
class Notes:
    """What the site keeps: an effect can be seen here."""

    written: list[str] = field(default_factory=list[str])
    shown: str = "nothing yet"


class Note(Taken, frozen=True):
    note: str


class Count(Taken, frozen=True):
    n: int
    choice: Literal["some", "others"] = "some"


@dataclass(frozen=True)
class ToyDoor:
    people: dict[str, Person]
    cookie: str = COOKIE

    def who(self, value: str) -> Person | None:
        return self.people.get(value)


class Then(Taken, frozen=True):
    then: str = "/note"


PEOPLE = {"ana-s-session": Person("Ana", "ana-s-token"), "ben-s-session": Person("Ben", "ben-s-token")}
ToyVisit = Visit[Notes, Person, Any]


def show(visit: ToyVisit) -> Reply:
    return Shown("note.html", {"note": visit.services.shown})


def write(visit: ToyVisit) -> Reply:
    visit.services.written.append(visit.asked.note)
    return GoTo("/note")


def count(visit: ToyVisit) -> Reply:
    visit.services.written.append(str(visit.asked.n))
    return GoTo("/note")


def enter(visit: Visit[Notes, Person | None, Any]) -> Reply:
    visit.services.written.append("somebody entered")
    return GoTo("/note", (session_cookie("toy", "ana-s-session"),))


def leave(_visit: ToyVisit) -> Reply:
    return GoTo("/sign-in", (no_cookie("toy"),))


def sign_in(_visit: Visit[Notes, Person | None, Any]) -> Reply:
    return Shown("note.html", {"note": "sign in"})


def fail(_visit: ToyVisit) -> Reply:
    raise RuntimeError("with a secret in it")


def miss(_visit: ToyVisit) -> Reply:
    return Shown("note.html", {})  # what the template needs is missing


VIEWS: tuple[View[Notes, Person], ...] = (
    View("GET", "/note", show),
    View("POST", "/note", write, Note, max_body=1024),
    View("GET", "/sign-in", sign_in, Then, open_to_all=True),
    View("POST", "/sign-in", enter, open_to_all=True),
    View("POST", "/sign-out", leave),
    View("GET", "/count", show, Count),
    View("POST", "/count", count, Count),
    View("GET", "/told", lambda _: Told(Note("told"))),
    View("POST", "/told-back", lambda visit: Told(visit.asked), Note),
    View("GET", "/file", lambda _: Download("trail.tar", "application/x-tar", iter([b"a", b"b"]))),
    View("GET", "/picture", lambda _: Picture("<svg xmlns='http://www.w3.org/2000/svg'/>")),
    View("GET", "/fail", fail),
    View("GET", "/miss", miss),
    View("GET", "/by-id/{note_id}", lambda visit: Told(Note(str(visit.id("note_id"))))),
)


@cache
def _look() -> tuple[StaticFiles, jinja2.Environment]:
    static = StaticFiles.of("vault_service.web")
    templates = make_templates(static, "")
    assert templates.loader is not None
    templates.loader = jinja2.ChoiceLoader([jinja2.DictLoader(_TEMPLATES), templates.loader])
    return static, templates


def toy(notes: Notes | None = None, origin: str = ORIGIN) -> Flask:
    """The site as a WSGI application."""
    static, templates = _look()
    return create_site(
        Site(
            "toy", origin, notes or Notes(), VIEWS, ToyDoor(PEOPLE), templates, "/sign-in", static,
            values=lambda _: {"site_name": "Toy"},
        )
    )  # fmt: skip


def browser(app: Flask, session: str | None = "ana-s-session") -> FlaskClient:
    """A browser that holds a session, or none."""
    client = app.test_client()
    if session is not None:
        client.set_cookie(COOKIE, session, domain="localhost", path="/", secure=True)
    return client


def own(**others: str) -> dict[str, str]:
    """Headers of a form that one of the site's own pages sends."""
    return {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", **others}
