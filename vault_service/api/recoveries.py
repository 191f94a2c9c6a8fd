"""Whoever has forgotten the password asks for access again; officers decide, and nobody alone."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.api.conditions import idempotency_key
from vault_service.api.route import Call, Gives, Moment, Nothing, Reply, Taken, route
from vault_service.api.users import Login, Password
from vault_service.api.who import APP, SESSION
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IdempotencyConflictError,
    LoginRefusedError,
    MustChangePasswordError,
    ThrottledError,
    WeakPasswordError,
)
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
    NotPermittedError,
    RecoveryCodeOffError,
    TooManyCasesError,
)
from vault_service.domain.tokens import AppKey, SessionToken

RecoveryCode = Annotated[
    str,
    Meta(
        min_length=1, max_length=100, description="As it was shown; case, spaces and hyphens do not matter."
    ),
]
DueAt = Annotated[Moment, Meta(description="Not before then: the waiting period.")]
ExpiresAt = Annotated[Moment, Meta(description="Undecided until then, it expires.")]


class RecoveryAsked(Taken, frozen=True):
    """Who wants access again, and the password that is to open the data then."""

    login: Login
    new_password: Password
    stolen: Annotated[
        bool,
        Meta(
            description="Somebody else may know the old password: signing in with it does not cancel the "
            "recovery then, and is refused from the first approval on."
        ),
    ] = False


class RecoveryOpened(msgspec.Struct, frozen=True):
    """A case for the officers."""

    case_id: UUID
    verification_phrase: Annotated[
        str, Meta(description="Six words: the person reads them to the officers, who compare.")
    ]
    expires_at: ExpiresAt
    due_at: DueAt


class RecoveryShown(msgspec.Struct, frozen=True):
    """How it stands: `executed` means that the new password opens the data."""

    case_id: UUID
    status: CaseState
    opened_at: Moment
    due_at: DueAt
    expires_at: ExpiresAt


class CodeAsked(Taken, frozen=True):
    """The password, so that a stolen session cannot make a code."""

    password: Password


class CodeMade(msgspec.Struct, frozen=True):
    """A code to be written down; it is shown here and nowhere else."""

    recovery_code: str


class CodeRedemption(Taken, frozen=True):
    """The code that was kept, and another password."""

    login: Login
    recovery_code: RecoveryCode
    new_password: Password


@route(
    "POST", "/v1/recoveries", who=APP, takes=RecoveryAsked, headers=("Idempotency-Key",),
    gives=Gives(HTTPStatus.ACCEPTED, RecoveryOpened, "Officers can decide on it.", ("Location",)),
    refuses=(WeakPasswordError, TooManyCasesError, IdempotencyConflictError, ThrottledError),
    example='{"login": "ana@example.org", "new_password": "amber fjord clock lentil"}',
)  # fmt: skip
def begin_recovery(call: Call[AppKey, RecoveryAsked]) -> Reply:
    """Ask for access again with a new password.

    Show the verification phrase to the person. At least two officers make sure who is asking, for instance by
    telephone, and have the phrase read to them; after the waiting period the new password opens the data, and
    the old one opens nothing. Nobody sees the data or either password. The answer is the same whether or not
    anybody has this login. A retry with the same Idempotency-Key finds the same case, and the new password is
    still that of the first request; for another one ask with another key.
    """
    asked = call.asked
    begun = call.services.accounts.begin_recovery(
        call.who.reveal(), asked.login, asked.new_password, stolen=asked.stolen,
        idempotency_key=idempotency_key(call.headers),
    )  # fmt: skip
    answer = RecoveryOpened(
        begun.case_id, begun.verification_phrase, datetime.fromisoformat(begun.expires_at),
        datetime.fromisoformat(begun.due_at),
    )  # fmt: skip
    return Reply(HTTPStatus.ACCEPTED, answer, {"Location": f"/v1/recoveries/{begun.case_id}"})


@route(
    "GET", "/v1/recoveries/{case_id}", who=APP, takes=Nothing,
    gives=Gives(HTTPStatus.OK, RecoveryShown, "How it stands."),
    refuses=(CaseNotFoundError, CaseRefusedError, ThrottledError),
)  # fmt: skip
def recovery_status(call: Call[AppKey, Nothing]) -> Reply:
    """Look how a recovery stands.

    An app finds those that it asked for itself.
    """
    found = call.services.accounts.recovery_status(call.who.reveal(), CaseId(call.id("case_id")))
    answer = RecoveryShown(
        found.case_id, found.state,
        *map(datetime.fromisoformat, (found.opened_at, found.due_at, found.expires_at)),
    )  # fmt: skip
    return Reply(HTTPStatus.OK, answer)


@route(
    "DELETE", "/v1/recoveries/{case_id}", who=SESSION, takes=Nothing,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "It is cancelled."),
    refuses=(CaseNotFoundError, CaseClosedError, CaseRefusedError, NotPermittedError),
)  # fmt: skip
def cancel_recovery(call: Call[SessionToken, Nothing]) -> Reply:
    """Cancel a recovery of one's own account.

    Whoever is signed in needs none: it was asked for by mistake, or by somebody else. One that says that the
    password was stolen is for the officers to decide: a session may be the thief's.
    """
    call.services.accounts.cancel_recovery(call.who, CaseId(call.id("case_id")))
    return Reply(HTTPStatus.NO_CONTENT)


@route(
    "POST", "/v1/me/recovery-code", who=SESSION, takes=CodeAsked,
    gives=Gives(HTTPStatus.CREATED, CodeMade, "The code; an older one has ended."),
    refuses=(
        RecoveryCodeOffError, MustChangePasswordError, LoginRefusedError, ThrottledError,
        ConcurrentChangeError,
    ),
    example='{"password": "plum tractor velvet orbit"}',
)  # fmt: skip
def create_recovery_code(call: Call[SessionToken, CodeAsked]) -> Reply:
    """Make a recovery code to write down, where this vault gives them out.

    With it the person sets a new password without any officer. It ends when it is used, when another one is
    made, and with every change of password.
    """
    code = call.services.accounts.create_recovery_code(call.who, call.asked.password)
    return Reply(HTTPStatus.CREATED, CodeMade(code))


@route(
    "POST", "/v1/recoveries/code", who=APP, takes=CodeRedemption,
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The password is set and the code used up; sign in."),
    refuses=(
        RecoveryCodeOffError, LoginRefusedError, WeakPasswordError, ThrottledError, ConcurrentChangeError,
    ),
    example='{"login": "ana@example.org", "recovery_code": "7ZK3M-4T9QX-0B2WD-RH6YN-8CF5A-E", '
    '"new_password": "amber fjord clock lentil"}',
)  # fmt: skip
def redeem_recovery_code(call: Call[AppKey, CodeRedemption]) -> Reply:
    """Set a new password with a recovery code.

    Every session ends, and the old password opens nothing. The answer is the same whether the login does not
    exist, has no code, or the code is wrong; failed attempts are slowed down from the fifth on.
    """
    asked = call.asked
    call.services.accounts.redeem_recovery_code(
        call.who.reveal(), asked.login, asked.recovery_code, asked.new_password
    )
    return Reply(HTTPStatus.NO_CONTENT)


ROUTES = (begin_recovery, recovery_status, cancel_recovery, create_recovery_code, redeem_recovery_code)
