"""Find events by who, whom, what and when. A filter that is none is told at its field; nothing is asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.audit.search import Question
from vault_service.console.audit.logs import audit_parts, kind_of, kinds, missing, officers
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import NOBODY
from vault_service.domain.logs import LOGS, LogName
from vault_service.recovery.audit_explorer import find
from vault_service.recovery.looking import demand_may_look
from vault_service.web.texts import say
from vault_service.web.view import Reply, Shown, Taken, View, Visit

PATH = "/audit"

_Short = Annotated[str, Meta(max_length=100)]
_T = TypeVar("_T")
_SIDES: dict[str, tuple[LogName, ...]] = {"": LOGS, "keys": ("keys",), "records": ("records",)}


class Asked(Taken, frozen=True):
    """The filters as they were typed; empty: anything."""

    side: _Short = ""
    kind: _Short = ""
    officer: _Short = ""
    user: _Short = ""
    case: _Short = ""
    # UTC, as <input type="datetime-local"> says it; with a zone, as audit_times.js does.
    since: _Short = ""
    until: _Short = ""
    ask: _Short = ""  # the button: without it, the page only shows the form
    page: Annotated[str, Meta(max_length=300)] = ""


def show(visit: Visit[Services, Session, Asked]) -> Reply:
    """The form, and a page of what was found."""
    services, asked = visit.services, visit.asked
    acting, audit = services.officer(visit.who), audit_parts(services)
    question, errors = _question(asked)
    answer = None
    if asked.ask and not errors:
        answer = find(services.recovery, audit, acting, question, asked.page)
    else:
        demand_may_look(services.recovery, acting, "audit")
    again = {name: text for name, text in msgspec.structs.asdict(asked).items() if text and name != "page"}
    values = {
        "asked": asked,
        "since": _in_utc(question.since) or asked.since,
        "until": _in_utc(question.until) or asked.until,
        "errors": errors,
        "answer": answer,
        "older": f"{PATH}?{urlencode({**again, 'page': answer.next})}" if answer and answer.next else "",
        "newest": f"{PATH}?{urlencode(again)}" if asked.page else "",
        "names": officers(acting),
        "kinds": kinds(),
        "missing": missing(audit),
    }
    return Shown("audit/find.html", values, 422 if errors else 200)


def _question(asked: Asked) -> tuple[Question, dict[str, str]]:
    errors: dict[str, str] = {}

    def read(name: str, text: str, parse: Callable[[str], _T], wrong: str) -> _T | None:
        if not text.strip():
            return None
        try:
            return parse(text.strip())
        except ValueError:
            errors[name] = wrong
            return None

    no_id = say("This is no id: it has 32 digits and letters from a to f, with hyphens between.")
    no_time = say("This is no time: write it as 2026-11-27T09:30.")
    no_choice = say("Choose one of the list.")
    kind = read("kind", asked.kind, _kind, no_choice)
    question = Question(
        logs=read("side", asked.side, _side, no_choice) or LOGS,
        user=read("user", asked.user, _user, no_id),
        case=read("case", asked.case, UUID, no_id),
        officer=read("officer", asked.officer, UUID, no_choice),
        kinds=() if kind is None else (kind,),
        since=read("since", asked.since, _time, no_time),
        until=read("until", asked.until, _time, no_time),
    )
    if question.since and question.until and question.since > question.until:
        errors["until"] = say("This is before the time from which you look.")
    return question, errors


def _side(text: str) -> tuple[LogName, ...]:
    if text not in _SIDES:
        raise ValueError
    return _SIDES[text]


def _kind(text: str) -> KeysEvent | RecordsEvent:
    if (kind := kind_of(text)) is None:
        raise ValueError
    return kind


def _user(text: str) -> UUID:
    if (user := UUID(text)) == NOBODY:
        raise ValueError
    return user


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _in_utc(moment: datetime | None) -> str:
    """For <input type="datetime-local">, which has no zone."""
    return "" if moment is None else moment.replace(tzinfo=None).isoformat(timespec="minutes")


VIEWS: tuple[View[Services, Session], ...] = (View("GET", PATH, show, Asked),)
