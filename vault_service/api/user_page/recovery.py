"""The password is forgotten: ask officers for access again, or use the code that was kept."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from vault_service.api.recoveries import RecoveryCode
from vault_service.api.user_page.account import PasswordGiven
from vault_service.api.user_page.entering import is_signed_in, sign_in_again
from vault_service.api.user_page.services import PREFIX, PageServices, Visitor
from vault_service.api.user_page.words import SAID, Said, mistyped, refused
from vault_service.api.users import Login, Password
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.recovery_errors import RecoveryCodeOffError
from vault_service.web.view import GoTo, Nothing, Reply, Shown, Taken, View, Visit

CASES = f"{PREFIX}/recoveries"
_ASK, _CODE, _REDEEM = "me/recover.html", "me/recovery_code.html", "me/redeem_code.html"


class RecoveryAsked(Taken, frozen=True):
    """Who wants access again; `attempt` makes it one case, however often the form is sent."""

    login: Login
    new_password: Password
    again: Password
    attempt: UUID
    stolen: Annotated[str, Meta(max_length=4)] = ""


class CaseAsked(Taken, frozen=True):
    """The number of a case, as it was shown when it was asked for."""

    case_id: Annotated[str, Meta(max_length=100)] = ""
    said: Said = "none"


class CodeRedemption(Taken, frozen=True):
    """The code that was kept, and another password."""

    login: Login
    recovery_code: RecoveryCode
    new_password: Password
    again: Password


def _values(services: PageServices) -> dict[str, Any]:
    policies = services.accounts.parts.policies
    return {"recovery": policies.recovery, "passwords": policies.passwords}


def show_ask(visit: Visit[PageServices, Visitor | None, Nothing]) -> Reply:
    """What happens then, and the form."""
    values = {**_values(visit.services), "login": "", "stolen": False, "attempt": new_uuid(), "problem": None}
    return Shown(_ASK, values)


def ask(visit: Visit[PageServices, Visitor | None, RecoveryAsked]) -> Reply:
    """Open a case. The answer is the same whether or not anybody has this login."""
    services, asked = visit.services, visit.asked
    stolen = asked.stolen == "true"
    typed = {**_values(services), "login": asked.login, "stolen": stolen, "attempt": asked.attempt}
    if asked.again != asked.new_password:
        return mistyped(_ASK, typed)
    try:
        services.strangers.spend()
        begun = services.accounts.begin_recovery(
            services.app_key, asked.login, asked.new_password, stolen=stolen,
            idempotency_key=str(asked.attempt),
        )  # fmt: skip
    except VaultError as error:
        return refused(_ASK, error, typed)
    values = {
        **_values(services), "case_id": begun.case_id, "phrase": begun.verification_phrase,
        "due_at": begun.due_at, "expires_at": begun.expires_at,
    }  # fmt: skip
    return Shown("me/recovery_asked.html", values)


def find_case(visit: Visit[PageServices, Visitor | None, CaseAsked]) -> Reply:
    """Type the number of a case."""
    try:
        case = UUID(visit.asked.case_id.strip())
    except ValueError:
        signed_in = is_signed_in(visit.services, visit.who)
        values = {"is_wrong": bool(visit.asked.case_id), "signed_in": signed_in}
        return Shown("me/find_case.html", values)
    return GoTo(f"{CASES}/{case}")


def show_case(visit: Visit[PageServices, Visitor | None, CaseAsked]) -> Reply:
    """How it stands. Whoever has its number may ask; it tells nothing about whose it is."""
    services, case = visit.services, CaseId(visit.id("case_id"))
    found = services.accounts.recovery_status(services.app_key, case)
    values = {
        "case_id": case, "state": found.state, "opened_at": found.opened_at,
        "due_at": found.due_at, "expires_at": found.expires_at,
        "signed_in": is_signed_in(services, visit.who), "said": SAID.get(visit.asked.said),
    }  # fmt: skip
    return Shown("me/recovery.html", values)


def cancel(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """End a case about oneself."""
    case = CaseId(visit.id("case_id"))
    visit.services.accounts.cancel_recovery(visit.who.token, case)
    return GoTo(f"{CASES}/{case}?said=cancelled")


def show_code(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """What a code is worth, and the form. Raises RecoveryCodeOffError."""
    _demand_codes(visit.services)
    visit.services.demand_session(visit.who)
    return Shown(_CODE, {"code": None, "problem": None})


def make_code(visit: Visit[PageServices, Visitor, PasswordGiven]) -> Reply:
    """It is shown here and nowhere else."""
    try:
        code = visit.services.accounts.create_recovery_code(visit.who.token, visit.asked.password)
    except VaultError as error:
        return refused(_CODE, error, {"code": None})
    return Shown(_CODE, {"code": code, "problem": None})


def show_redeem(visit: Visit[PageServices, Visitor | None, Nothing]) -> Reply:
    """The form. Raises RecoveryCodeOffError."""
    _demand_codes(visit.services)
    return Shown(_REDEEM, {**_values(visit.services), "login": "", "problem": None})


def redeem(visit: Visit[PageServices, Visitor | None, CodeRedemption]) -> Reply:
    """Set a new password with the code."""
    services, asked = visit.services, visit.asked
    values = {**_values(services), "login": asked.login}
    if asked.again != asked.new_password:
        return mistyped(_REDEEM, values)
    try:
        services.strangers.spend()
        services.accounts.redeem_recovery_code(
            services.app_key, asked.login, asked.recovery_code, asked.new_password
        )
    except VaultError as error:
        return refused(_REDEEM, error, values, {"password": "recovery_code"})
    return sign_in_again("code-used")


def _demand_codes(services: PageServices) -> None:
    if not services.accounts.parts.policies.recovery.recovery_code.enabled:
        raise RecoveryCodeOffError


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", f"{PREFIX}/recover", show_ask, open_to_all=True),
    View("POST", f"{PREFIX}/recover", ask, RecoveryAsked, open_to_all=True),
    View("GET", CASES, find_case, CaseAsked, open_to_all=True),
    View("GET", f"{CASES}/{{case_id}}", show_case, CaseAsked, open_to_all=True),
    View("POST", f"{CASES}/{{case_id}}/cancel", cancel),
    View("GET", f"{PREFIX}/recovery-code", show_code),
    View("POST", f"{PREFIX}/recovery-code", make_code, PasswordGiven),
    View("GET", f"{PREFIX}/recover-by-code", show_redeem, open_to_all=True),
    View("POST", f"{PREFIX}/recover-by-code", redeem, CodeRedemption, open_to_all=True),
)
