"""People begin here: sign up, and choose a password in place of a one-time one."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vault_service.api.conditions import idempotency_key
from vault_service.api.route import Call, Gives, Reply, Taken, route
from vault_service.api.who import ANYBODY, APP
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IdempotencyConflictError,
    LoginRefusedError,
    LoginTakenError,
    ThrottledError,
    WeakPasswordError,
)
from vault_service.domain.ids import UserId
from vault_service.domain.tokens import AppKey

# The limits of the key service's messages; what makes a good password is for its rules to say.
Login = Annotated[
    str, Meta(min_length=1, max_length=1280, description="Compared without regard to case and outer spaces.")
]
Password = Annotated[
    str, Meta(min_length=1, max_length=4096, description="15 to 1,024 characters; no composition rules.")
]

NOTICE = (
    "Your data is encrypted under a key of your own, which your password opens. Nobody else can read it: "
    "not the app's makers, not this vault's administrators. Nobody alone can ever recover it: that takes at "
    "least two recovery officers together, after a waiting period, and leaves an entry in the audit log "
    "that nobody can take out unnoticed. A forgotten password alone therefore loses nothing: ask for a "
    "recovery and choose a new password. Erasing the account is final: from then on nobody can recover "
    "anything."
)
"""Shown to the person who signs up: who could ever get at the data, and how."""


class NewUser(Taken, frozen=True):
    """A person to sign up."""

    login: Login
    password: Password | None = None


class UserCreated(msgspec.Struct, frozen=True):
    """The new user; the one-time password is shown here and nowhere else."""

    user_id: UUID
    notice: Annotated[str, Meta(description="For the person: who could ever recover the data, and how.")]
    one_time_password: Annotated[
        str | UnsetType, Meta(description="Where no password was sent; hand it to the person.")
    ] = UNSET


class NewPassword(Taken, frozen=True):
    """The one-time password that the app handed over, and the person's own choice."""

    token: Annotated[str, Meta(min_length=1, max_length=200, description="The one-time password.")]
    new_password: Password


@route(
    "POST", "/v1/users", who=APP, takes=NewUser, headers=("Idempotency-Key",),
    gives=Gives(HTTPStatus.CREATED, UserCreated, "The user exists."),
    refuses=(LoginTakenError, WeakPasswordError, IdempotencyConflictError, ThrottledError),
    example='{"login": "ana@example.org", "password": "plum tractor velvet orbit"}',
)  # fmt: skip
def sign_up(call: Call[AppKey, NewUser]) -> Reply:
    """Sign a person up.

    Show the notice to the person: it says who could ever recover the data, and how. To bring people
    whose passwords you do not have, leave the password out: the answer then holds a one-time
    password that can add records, read nothing, and must be exchanged for one that the person
    chooses (POST /v1/users/{user_id}/password). A retry makes a new one and voids the old.
    """
    made = call.services.accounts.sign_up(
        call.who.reveal(), call.asked.login, call.asked.password, idempotency_key(call.headers)
    )
    answer = UserCreated(made.user_id, NOTICE, made.one_time_password or UNSET)
    return Reply(HTTPStatus.CREATED, answer)


@route(
    "POST", "/v1/users/{user_id}/password", who=ANYBODY, takes=NewPassword,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The password is set; sign in with it."),
    refuses=(LoginRefusedError, WeakPasswordError, ThrottledError, ConcurrentChangeError),
    example='{"token": "vso_…", "new_password": "plum tractor velvet orbit"}',
)  # fmt: skip
def redeem_one_time_password(call: Call[None, NewPassword]) -> Reply:
    """Exchange a one-time password for one of the person's own choice.

    The one-time password is the proof: no app key is needed. It works once.
    """
    user = UserId(call.id("user_id"))
    call.services.accounts.redeem_one_time_password(user, call.asked.token, call.asked.new_password)
    return Reply(HTTPStatus.NO_CONTENT)


ROUTES = (sign_up, redeem_one_time_password)
