"""Open a case of any kind but a regain, which users ask for themselves."""

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from vault_service.console.asking import ask
from vault_service.console.cases.scope import scope_of
from vault_service.console.intents import GoOn, Signed
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.case import CaseKind, Scope
from vault_service.domain.errors import InvalidInputError
from vault_service.recovery.open_case import Wanted, open_prepared, prepare_open
from vault_service.web.texts import say
from vault_service.web.view import Nothing, Reply, Shown, T, Taken, Told, View, Visit

Reason = Annotated[str, Meta(max_length=500)]
Any_ = Visit[Services, Session, Nothing]


class About(Taken, frozen=True):
    """Whom a form is to be about, where that is known already."""

    user: Annotated[str, Meta(max_length=36)] = ""


class Plain(Taken, frozen=True):
    """A key ceremony, an escrow rotation."""

    reason: Reason


class Erasure(Taken, frozen=True):
    """Whom."""

    reason: Reason
    user: str


class Drill(Taken, frozen=True):
    """How many users."""

    reason: Reason
    how: Literal["sample", "all"]
    sample: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None


class Disclosure(Taken, frozen=True):
    """Whose records, which of them, and who is to read them."""

    reason: Reason
    user: str
    recipient: Annotated[str, Meta(max_length=5000)]
    fields: tuple[str, ...] = ()  # "contact/phone", "contact/*"
    others: Annotated[str, Meta(max_length=10_000)] = (
        ""  # a collection a line: "notes" or "notes: title, text"
    )


def choose(_: Any_) -> Reply:
    """Which kind."""
    return Shown("cases/new.html")


def _form(kind: CaseKind) -> Callable[[Visit[Services, Session, About]], Reply]:
    def show(visit: Visit[Services, Session, About]) -> Reply:
        services = visit.services
        rules, manifest = services.recovery.rules, services.officer(visit.who).manifest
        sample = rules.drill.sample
        values = {
            "kind": kind,
            "user": visit.asked.user,
            "sample": sample,
            "need": rules.quorum_of(kind, Scope(sample=sample), manifest.quorum),
            "escrow_gen": manifest.escrow_key.gen,
            "collections": {
                name: tuple(rule.fields) for name, rule in services.collections.items() if rule.fields
            },
        }
        return Shown("cases/new_case.html", values)

    return show


def plain(kind: CaseKind) -> Callable[[Visit[Services, Session, Plain]], Reply]:
    """Of a kind that needs a reason only."""
    return lambda visit: open_wanted(visit, Wanted(kind, visit.asked.reason))


def erasure(visit: Visit[Services, Session, Erasure]) -> Reply:
    """Of somebody who cannot sign in."""
    return open_wanted(visit, Wanted("erasure", visit.asked.reason, user=user_of(visit.asked.user)))


def drill(visit: Visit[Services, Session, Drill]) -> Reply:
    """Over a sample, or everybody."""
    asked = visit.asked
    if asked.how == "sample" and asked.sample is None:
        raise InvalidInputError("sample", "say how many users")
    sample = asked.sample if asked.how == "sample" else None
    return open_wanted(visit, Wanted("drill", asked.reason, scope=Scope(sample=sample)))


def disclosure(visit: Visit[Services, Session, Disclosure]) -> Reply:
    """Of exactly what was ticked."""
    asked = visit.asked
    wanted = Wanted(
        "disclosure", asked.reason, user=user_of(asked.user), recipient=asked.recipient.strip(),
        scope=Scope(scope_of(visit.services.collections, asked.fields, asked.others)),
    )  # fmt: skip
    return open_wanted(visit, wanted)


def open_wanted(visit: Visit[Services, Session, T], wanted: Wanted) -> Told:
    """Have it signed, then opened. Raises as recovery.open_case."""
    services = visit.services
    prepared = prepare_open(services.recovery, services.officer(visit.who), wanted)

    def finish(_: Signed, signature: bytes) -> Reply:
        shown = open_prepared(services.recovery, services.officer(visit.who), prepared, signature)
        return Told(GoOn(f"/cases/{shown.case_id}"))

    return ask(visit, prepared.message, finish, says=say("Your passkey signs that you open this case."))


def user_of(text: str) -> UUID:
    """Raises InvalidInputError."""
    try:
        return UUID(text.strip())
    except ValueError:
        raise InvalidInputError(
            "user", "a user's id looks like 01a20bd4-b9cf-720c-91f9-0159d46a5734"
        ) from None


_KINDS: tuple[CaseKind, ...] = ("disclosure", "erasure", "drill", "key-ceremony", "escrow-rotation")

VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/cases/new", choose),
    *(View("GET", f"/cases/new/{kind}", _form(kind), About) for kind in _KINDS),
    View("POST", "/cases/new/disclosure", disclosure, Disclosure),
    View("POST", "/cases/new/erasure", erasure, Erasure),
    View("POST", "/cases/new/drill", drill, Drill),
    View("POST", "/cases/new/key-ceremony", plain("key-ceremony"), Plain),
    View("POST", "/cases/new/escrow-rotation", plain("escrow-rotation"), Plain),
)
