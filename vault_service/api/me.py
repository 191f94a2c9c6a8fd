"""What people do with their own account."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.accounts.receipts import Seal
from vault_service.api.export import exported
from vault_service.api.route import Call, Gives, Moment, Nothing, Reply, Taken, route
from vault_service.api.users import Login, Password
from vault_service.api.who import SESSION
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IntegrityError,
    LoginRefusedError,
    LoginTakenError,
    MustChangePasswordError,
    ThrottledError,
    WeakPasswordError,
)
from vault_service.domain.tokens import SessionToken

Limit = Annotated[
    int, Meta(ge=1, le=200, description="At most so many in one page, 1 to 200; 50 if left out.")
]
Cursor = Annotated[str, Meta(min_length=1, max_length=400, description="next_cursor of the page before.")]

_PASSWORD_ASKED = (LoginRefusedError, ThrottledError, ConcurrentChangeError, IntegrityError)


class Me(msgspec.Struct, frozen=True):
    """The account of whoever asks."""

    user_id: UUID
    created_at: Moment
    session_id: UUID
    must_change: Annotated[bool, Meta(description="Signed in with a one-time password: choose another.")]


class LoginChange(Taken, frozen=True):
    """Another login."""

    password: Password
    new_login: Login


class PasswordChange(Taken, frozen=True):
    """Another password."""

    current_password: Password
    new_password: Password


class Erasure(Taken, frozen=True):
    """The password, so that a stolen session cannot erase anything."""

    password: Password


class PageAsked(Taken, frozen=True):
    """Which page."""

    limit: Limit = 50
    cursor: Cursor | None = None


class SealShown(msgspec.Struct, frozen=True):
    """The proof that an entry is in the sealed log: vaultctl audit verify-receipts knows the form."""

    index: Annotated[int, Meta(description="Which leaf of the log, from 0.")]
    leaf: Annotated[str, Meta(description="The leaf: canonical JSON (RFC 8785).")]
    inclusion_proof: Annotated[tuple[bytes, ...], Meta(description="Hashes, base64 (RFC 6962, 2.1.1).")]
    checkpoint: Annotated[str, Meta(description="A signed note (C2SP tlog-checkpoint).")]


class AccessShown(msgspec.Struct, frozen=True):
    """Somebody touched the data."""

    at: Moment
    what: str
    app: str | None
    session_id: UUID | None
    record_id: UUID | None
    n: Annotated[int, Meta(description="How many records were concerned.")]
    seal: Annotated[SealShown | None, Meta(description="null for a second or so, until it is sealed.")]


class AccessesShown(msgspec.Struct, frozen=True):
    """Newest first."""

    items: tuple[AccessShown, ...]
    next_cursor: str | None


class ReceiptShown(msgspec.Struct, frozen=True):
    """One entry, with the proof that it is in the sealed log."""

    index: Annotated[int, Meta(description="Which leaf of the log, from 0.")]
    leaf: Annotated[str, Meta(description="The leaf: canonical JSON (RFC 8785).")]
    proof: Annotated[tuple[bytes, ...], Meta(description="Hashes, base64 (RFC 6962, 2.1.1).")]


class ReceiptsShown(msgspec.Struct, frozen=True):
    """Everything that vaultctl audit verify-receipts needs besides the public keys."""

    v: int
    log: str
    user_id: UUID
    checkpoint: Annotated[
        str | None, Meta(description="A signed note (C2SP tlog-checkpoint); null before the first.")
    ]
    receipts: tuple[ReceiptShown, ...]
    unsealed: Annotated[int, Meta(description="How many entries are too young: fetch again in a minute.")]


@route(
    "GET", "/v1/me", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.OK, Me, "The account."),
)  # fmt: skip
def me(call: Call[SessionToken, Nothing]) -> Reply:
    """Tell who is signed in."""
    account = call.services.accounts.account(call.who)
    return Reply(
        HTTPStatus.OK, Me(account.user_id, account.created_at, account.session_id, account.must_change)
    )


@route(
    "PUT", "/v1/me/login", who=SESSION, takes=LoginChange,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The login is changed; sessions go on."),
    refuses=(LoginTakenError, MustChangePasswordError, *_PASSWORD_ASKED),
    example='{"password": "plum tractor velvet orbit", "new_login": "ana.silva@example.org"}',
)  # fmt: skip
def change_login(call: Call[SessionToken, LoginChange]) -> Reply:
    """Change the login."""
    call.services.accounts.change_login(call.who, call.asked.password, call.asked.new_login)
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "PUT", "/v1/me/password", who=SESSION, takes=PasswordChange,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The password is changed; every session has ended."),
    refuses=(WeakPasswordError, *_PASSWORD_ASKED),
    example='{"current_password": "plum tractor velvet orbit", "new_password": "amber fjord clock lentil"}',
)  # fmt: skip
def change_password(call: Call[SessionToken, PasswordChange]) -> Reply:
    """Change the password.

    No record is rewritten: only the wrap of the key is. Every session ends, this one too; sign in
    again with the new password.
    """
    asked = call.asked
    call.services.accounts.change_password(call.who, asked.current_password, asked.new_password)
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "DELETE", "/v1/me", who=SESSION, takes=Erasure,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The account and everything in it are gone."),
    refuses=(MustChangePasswordError, *_PASSWORD_ASKED),
    example='{"password": "plum tractor velvet orbit"}',
)  # fmt: skip
def erase(call: Call[SessionToken, Erasure]) -> Reply:
    """Erase the account. This is final.

    The wraps of the key are destroyed first, after which the records open for nobody; then the rows
    are deleted.
    """
    call.services.accounts.erase(call.who, call.asked.password)
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "GET", "/v1/me/accesses", who=SESSION, takes=PageAsked,
    gives=Gives(HTTPStatus.OK, AccessesShown, "One page, newest first."),
    refuses=(MustChangePasswordError, IntegrityError), example="limit=20",
)  # fmt: skip
def accesses(call: Call[SessionToken, PageAsked]) -> Reply:
    """List who touched the data, when, and by which app.

    It comes from the audit trail; looking at it leaves an entry too.
    """
    page = call.services.accounts.accesses(call.who, call.asked.limit, call.asked.cursor)
    items = tuple(
        AccessShown(a.at, a.what, a.app, a.session_id, a.record_id, a.n, _shown(a.seal)) for a in page.items
    )
    return Reply(HTTPStatus.OK, AccessesShown(items, page.next_cursor))


def _shown(seal: Seal | None) -> SealShown | None:
    return None if seal is None else SealShown(seal.index, seal.leaf, seal.proof, seal.checkpoint)


@route(
    "GET", "/v1/me/receipts", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.OK, ReceiptsShown, "All entries that are sealed, each with its proof."),
    refuses=(MustChangePasswordError, IntegrityError),
)  # fmt: skip
def receipts(call: Call[SessionToken, Nothing]) -> Reply:
    """Get receipts for every access to the data.

    Keep them: with the public keys of the logs (audit.vkey) anybody can check offline that each access is
    in the sealed log, and that the log's owner cannot take it out again unnoticed. An answer that is cut
    off is no JSON. Fetching them leaves an entry too.
    """
    return Reply(HTTPStatus.OK, exported(call.services.accounts.receipts(call.who)))


@route(
    "GET", "/v1/me/export", who=SESSION, takes=Nothing,
    gives=Gives(
        HTTPStatus.OK, None, "One record a line, then a last line with how many there were.",
        media_type="application/jsonl",
    ),
    refuses=(MustChangePasswordError,),
)  # fmt: skip
def export(call: Call[SessionToken, Nothing]) -> Reply:
    """Export everything, as a stream of JSON lines.

    The last line is {"end": true, "records": n}; a stream that ends without it is not whole. A record
    that was altered in the database shows as {"record_id": …, "error": "integrity"}. Take it as it comes,
    into a file if each line is work: below 64 KiB a second for half a minute the connection ends.
    """
    lines: Iterator[bytes] = call.services.records.export(call.who)
    return Reply(HTTPStatus.OK, exported(lines))


ROUTES = (me, change_login, change_password, erase, accesses, receipts, export)
