"""Change the key that one's own data is encrypted under."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta

from vault_service.api.route import Call, Gives, Nothing, Reply, Taken, route
from vault_service.api.users import Password
from vault_service.api.who import SESSION
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IntegrityError,
    LoginRefusedError,
    MustChangePasswordError,
    ThrottledError,
)
from vault_service.domain.rotation_errors import DataKeyChangeRefusedError
from vault_service.domain.tokens import SessionToken


class DataKeyChange(Taken, frozen=True):
    """The password, which the new key is wrapped under."""

    password: Password


class DataKeyProgress(msgspec.Struct, frozen=True):
    """How far it is; at zero `remaining` it is done, but for what does not open."""

    remaining: Annotated[int, Meta(description="Records that are still under an older key: ask again.")]
    unreadable: Annotated[
        int,
        Meta(
            description="Records that do not open. They stay as they are, and the older key with them, until "
            "they are deleted or the operator puts them right. 0 while there are remaining ones to look at."
        ),
    ]


@route(
    "POST", "/v1/me/data-key", who=SESSION, takes=DataKeyChange,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "New data is under a new key; every session has ended."),
    refuses=(
        LoginRefusedError, ThrottledError, MustChangePasswordError, ConcurrentChangeError, IntegrityError,
        DataKeyChangeRefusedError,
    ),
    example='{"password": "plum tractor velvet orbit"}',
)  # fmt: skip
def change_data_key(call: Call[SessionToken, DataKeyChange]) -> Reply:
    """Change the key that the data is encrypted under.

    Do so when somebody may have seen the old one. Every session ends, this one too, and so does a recovery
    code; sign in again with the same password. Each sign-in re-encrypts some records, and
    POST /v1/me/data-key/continue the others; all can be read and written meanwhile.
    """
    call.services.accounts.change_data_key(call.who, call.asked.password)
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "POST", "/v1/me/data-key/continue", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.OK, DataKeyProgress, "Some more records are under the new key."),
    refuses=(MustChangePasswordError, DataKeyChangeRefusedError),
)  # fmt: skip
def continue_data_key(call: Call[SessionToken, Nothing]) -> Reply:
    """Re-encrypt some more records under the new key.

    Repeat it until none remains; it may be stopped at any time and be gone on with in another session. After
    the last one the older key is given up for good. Without a change under way nothing remains.
    """
    progress = call.services.accounts.continue_data_key(call.who)
    return Reply(HTTPStatus.OK, DataKeyProgress(progress.remaining, progress.unreadable))


ROUTES = (change_data_key, continue_data_key)
