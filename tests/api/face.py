"""A small API on the real face: routes that echo, stream, and fail in every way there is."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from flask import Flask
from flask.testing import FlaskClient
from msgspec import Meta
from werkzeug.test import TestResponse

from vault_service.api.conditions import idempotency_key
from vault_service.api.export import exported
from vault_service.api.route import NO_ID, AnyRoute, Call, Gives, Nothing, Reply, Taken, route
from vault_service.api.services import Services
from vault_service.api.who import ANYBODY, APP, SESSION
from vault_service.domain import errors
from vault_service.domain.errors import DatabaseUnavailableError, RecordNotFoundError
from vault_service.domain.ids import AppId, SessionId, UserId, new_uuid
from vault_service.domain.tokens import AppKey, SessionToken, new_secret

NO_SERVICES = cast("Services", None)  # these routes call no use case
CANARY = "canary-7d1f-plum-tractor"

APP_KEY = AppKey(AppId(new_uuid()), new_uuid(), new_secret())
SESSION_TOKEN = SessionToken(UserId(new_uuid()), SessionId(new_uuid()), new_secret())


class Client(FlaskClient):
    """Takes each answer whole and closes it, as a server does."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Send one request."""
        return super().open(*args, **{"buffered": True, **kwargs})


def client_of(app: Flask) -> FlaskClient:
    """A client of an application."""
    app.test_client_class = Client
    return app.test_client()


AS_APP = {"Authorization": f"Bearer {APP_KEY.reveal()}"}
AS_USER = {"Authorization": f"Bearer {SESSION_TOKEN.reveal()}"}


class Sent(Taken, frozen=True):
    """A body."""

    name: Annotated[str, Meta(max_length=20)]
    fields: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class Asked(Taken, frozen=True):
    """A query."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    where: tuple[Annotated[str, Meta(max_length=100)], ...] = ()
    flag: str | None = None


class Echo(msgspec.Struct, frozen=True):
    """What came."""

    name: str
    fields: msgspec.Raw


class EchoedQuery(msgspec.Struct, frozen=True):
    """What came."""

    limit: int
    where: tuple[str, ...]
    flag: str | None


class Id(msgspec.Struct, frozen=True):
    """What came."""

    id: UUID


@route(
    "POST", "/echo", who=ANYBODY, takes=Sent, gives=Gives(HTTPStatus.OK, Echo, "The same."),
    headers=("Idempotency-Key",), max_body=4096, max_depth=8,
)  # fmt: skip
def echo(call: Call[None, Sent]) -> Reply:
    """Echo a body."""
    idempotency_key(call.headers)
    return Reply(HTTPStatus.OK, Echo(call.asked.name, call.asked.fields))


@route("GET", "/query", who=ANYBODY, takes=Asked, gives=Gives(HTTPStatus.OK, EchoedQuery, "The same."))
def query(call: Call[None, Asked]) -> Reply:
    """Echo a query."""
    return Reply(HTTPStatus.OK, EchoedQuery(call.asked.limit, call.asked.where, call.asked.flag))


@route("GET", "/things/{thing_id}", who=ANYBODY, takes=Nothing, gives=Gives(HTTPStatus.OK, Id, "It."))
def thing(call: Call[None, Nothing]) -> Reply:
    """Echo an id."""
    found = call.id("thing_id")
    if found == NO_ID:
        raise RecordNotFoundError
    return Reply(HTTPStatus.OK, Id(found))


@route("POST", "/as-app", who=APP, takes=Nothing, gives=Gives(HTTPStatus.NO_CONTENT, None, "Yes."))
def as_app(call: Call[AppKey, Nothing]) -> Reply:
    """Only for apps."""
    assert call.who == APP_KEY
    return Reply(HTTPStatus.NO_CONTENT)


@route("POST", "/as-user", who=SESSION, takes=Nothing, gives=Gives(HTTPStatus.NO_CONTENT, None, "Yes."))
def as_user(call: Call[SessionToken, Nothing]) -> Reply:
    """Only for users."""
    assert call.who == SESSION_TOKEN
    return Reply(HTTPStatus.NO_CONTENT)


@route("POST", "/keep", who=SESSION, takes=Sent, gives=Gives(HTTPStatus.NO_CONTENT, None, "Yes."))
def keep(call: Call[SessionToken, Sent]) -> Reply:
    """Only for users, with a body."""
    del call
    return Reply(HTTPStatus.NO_CONTENT)


@route("GET", "/fail/{code}", who=SESSION, takes=Nothing, gives=Gives(HTTPStatus.OK, None, "Never."))
def fail(call: Call[SessionToken, Nothing]) -> Reply:
    """Fail with an error of the project, or with one that nobody foresaw."""
    password = CANARY
    if call.path["code"] == "unforeseen":
        raise ValueError(password)
    raise errors.rebuild(call.path["code"], "said so", 7)


@route(
    "GET", "/stream/{how}", who=ANYBODY, takes=Nothing,
    gives=Gives(HTTPStatus.OK, None, "Lines.", media_type="application/jsonl"),
)  # fmt: skip
def stream(call: Call[None, Nothing]) -> Reply:
    """Stream lines; fail at once, later, or not at all, or never end."""
    return Reply(HTTPStatus.OK, exported(_lines(call.path["how"])))


def _lines(how: str) -> Iterator[bytes]:
    if how == "refused":
        raise DatabaseUnavailableError("the records database")
    yield b'{"n":1}\n'
    if how == "broken":
        raise DatabaseUnavailableError("the records database")
    if how == "unforeseen":
        raise ValueError(CANARY)
    while how == "endless":
        yield b" " * 65_536
    yield b'{"end":true,"records":1}\n'


ROUTES: tuple[AnyRoute, ...] = (echo, query, thing, as_app, as_user, keep, fail, stream)
