"""Sign in, see where one is signed in, sign out."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vault_service.api.route import Call, Gives, Moment, Nothing, Reply, Taken, route
from vault_service.api.users import Login, Password
from vault_service.api.who import APP, SESSION
from vault_service.domain.errors import LoginRefusedError, NotFoundError, ThrottledError
from vault_service.domain.ids import SessionId
from vault_service.domain.tokens import AppKey, SessionToken
from vault_service.sessions.end import end_current, end_everywhere, end_one
from vault_service.sessions.list import my_sessions


class Credentials(Taken, frozen=True):
    """Who signs in."""

    login: Login
    password: Password


class SessionOpened(msgspec.Struct, frozen=True):
    """The token opens the user's data; it is shown here and nowhere else."""

    token: str
    user_id: UUID
    expires_at: Moment
    idle_timeout_s: Annotated[int, Meta(description="Seconds without a request after which it ends.")]
    must_change: Annotated[
        bool | UnsetType,
        Meta(description="True after a one-time password: records can be added, nothing read."),
    ] = UNSET
    data_key_remaining: Annotated[
        int | UnsetType,
        Meta(
            description="The data key was changed, and so many records are still under the older one: "
            "POST /v1/me/data-key/continue. All of them can be read and written meanwhile."
        ),
    ] = UNSET


class SessionShown(msgspec.Struct, frozen=True):
    """A session that is still good."""

    session_id: UUID
    app: str | None
    created_at: Moment
    last_seen: Annotated[Moment, Meta(description="To the minute.")]
    expires_at: Moment
    current: bool


class SessionsShown(msgspec.Struct, frozen=True):
    """All of them, newest first; there are never so many that they need pages."""

    items: tuple[SessionShown, ...]
    next_cursor: None = None


@route(
    "POST", "/v1/sessions", who=APP, takes=Credentials,
    gives=Gives(HTTPStatus.CREATED, SessionOpened, "Signed in.", ("Location",)),
    refuses=(LoginRefusedError, ThrottledError),
    example='{"login": "ana@example.org", "password": "plum tractor velvet orbit"}',
)  # fmt: skip
def sign_in(call: Call[AppKey, Credentials]) -> Reply:
    """Sign a person in.

    The answer is the same whether the login does not exist, the password is wrong, or the account is
    locked or erased. Failed attempts are slowed down from the fifth on.
    """
    opened = call.services.accounts.sign_in(call.who.reveal(), call.asked.login, call.asked.password)
    answer = SessionOpened(
        opened.token.reveal(), opened.user_id, opened.expires_at, opened.idle_timeout_s,
        opened.must_change or UNSET, opened.data_key_remaining or UNSET,
    )  # fmt: skip
    return Reply(HTTPStatus.CREATED, answer, {"Location": f"/v1/sessions/{opened.token.session}"})


@route(
    "GET", "/v1/sessions", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.OK, SessionsShown, "Every session of this user that is still good."),
)  # fmt: skip
def list_sessions(call: Call[SessionToken, Nothing]) -> Reply:
    """List where one is signed in."""
    parts = call.services.accounts.parts
    found = my_sessions(parts.db, call.who, parts.now())
    items = (
        SessionShown(s.session, s.app, s.created_at, s.last_seen, s.expires_at, s.current) for s in found
    )
    return Reply(HTTPStatus.OK, SessionsShown(tuple(items)))


@route(
    "DELETE", "/v1/sessions/current", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "Signed out here."),
)  # fmt: skip
def sign_out(call: Call[SessionToken, Nothing]) -> Reply:
    """Sign out here."""
    parts = call.services.accounts.parts
    end_current(parts.db, call.who, parts.now())
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "DELETE", "/v1/sessions/{session_id}", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The session has ended."), refuses=(NotFoundError,),
)  # fmt: skip
def end_session(call: Call[SessionToken, Nothing]) -> Reply:
    """End one session of one's own."""
    parts = call.services.accounts.parts
    end_one(parts.db, call.who, SessionId(call.id("session_id")), parts.now())
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "DELETE", "/v1/sessions", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "Signed out everywhere, here too."),
)  # fmt: skip
def sign_out_everywhere(call: Call[SessionToken, Nothing]) -> Reply:
    """Sign out everywhere, here too."""
    parts = call.services.accounts.parts
    end_everywhere(parts.db, call.who, parts.now())
    return Reply(HTTPStatus.NO_CONTENT)


ROUTES = (sign_in, list_sessions, sign_out, end_session, sign_out_everywhere)
