"""Look into both logs at once: events by user, case, officer, kind and time, newest first, page by page.

Ids, kinds and times only: no event of either log holds personal data.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import rfc8785

from vault_service.audit.siem.mapping import KEYS, RECORDS, UNKNOWN, Severity, Shape, severity_of
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import NOBODY
from vault_service.domain.leaves import kind_name
from vault_service.domain.logs import LOGS, LogName
from vault_service.storage.audit.search import Filter, FoundEvent, Page, Place, find_event, find_events
from vault_service.storage.pool import Database

PAGE = 50  # events
KINDS: Mapping[LogName, type[KeysEvent] | type[RecordsEvent]] = {"keys": KeysEvent, "records": RecordsEvent}
_TIME = re.compile(r"-?infinity|[0-9]{4,6}-[0-9]{2}-[0-9]{2} [0-9:.]{8,15}\+00( BC)?")
_CURSOR = 200  # characters


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to see; None and (): anything."""

    logs: tuple[LogName, ...] = LOGS
    user: UUID | None = None
    case: UUID | None = None
    officer: UUID | None = None
    kinds: tuple[KeysEvent | RecordsEvent, ...] = ()
    since: datetime | None = None  # both are included
    until: datetime | None = None

    def __post_init__(self) -> None:
        """The id that stands for nobody stands in events without number: it is not somebody to look for."""
        if self.user == NOBODY:
            raise InvalidInputError("user", "this id stands for nobody; leave it empty, and choose a kind")
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.tzinfo is None:
                raise InvalidInputError(name, "a time needs a time zone")

    def digest(self) -> bytes:
        """SHA-256 of it as canonical JSON (RFC 8785): what the event says that was asked."""
        asked: dict[str, object] = {
            "logs": list(self.logs),
            "user": _text(self.user),
            "case": _text(self.case),
            "officer": _text(self.officer),
            "kinds": [f"{_log_of(kind)}.{kind.name.lower()}" for kind in self.kinds],
            "since": _text(self.since),
            "until": _text(self.until),
        }
        return hashlib.sha256(rfc8785.dumps(asked)).digest()  # type: ignore[arg-type]  # strings and lists of them

    def filter_of(self, log: LogName) -> Filter | None:
        """For one log; None where nothing of it can be meant."""
        kinds = tuple(int(kind) for kind in self.kinds if _log_of(kind) == log)
        if log not in self.logs or (self.kinds and not kinds):
            return None
        since = "-infinity" if self.since is None else self.since.isoformat()
        until = "infinity" if self.until is None else self.until.isoformat()
        return Filter(self.user, self.case, self.officer, kinds, since, until)


@dataclass(frozen=True, slots=True)
class Seen:
    """One event, for people."""

    log: LogName
    event: UUID
    user: UUID
    kind: str  # its name in lower case
    says: str  # the same as an English sentence
    failed: bool  # something was refused or did not work
    grave: bool  # somebody should look at it
    at: datetime | None  # None: no time of this world was written down
    at_text: str  # as the database says it
    leaf_index: int | None  # None: not sealed yet
    details: tuple[tuple[str, str], ...]  # the leaf's other members


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of events, newest first."""

    events: tuple[Seen, ...]
    next: str | None  # cursor of the page after
    incomplete: bool  # so many events of this user that only a part was looked at; `next` goes on


def search(databases: Mapping[LogName, Database], question: Question, cursor: str = "") -> Answer:
    """One page. `databases`: those logs that this host may look into, as the auditors' roles.

    Raises InvalidInputError for a cursor that no page gave, DatabaseUnavailableError.
    """
    start = _parse(cursor)
    pages: list[Page] = []
    for log, db in databases.items():
        if wanted := question.filter_of(log):
            pages.append(_page(db, log, wanted, start))
    # By event id where a user's events are walked through in that order; see storage/audit/search.py.
    rank = _by_id if question.user and not (question.case or question.officer) else _by_time
    found = sorted((event for page in pages for event in page.events), key=rank, reverse=True)
    # Where one log was looked at no further than here, older events of the other have to wait.
    reached = max((page.reached for page in pages if page.reached), key=_id_of, default=None)
    within = [each for each in found if reached is None or each.place.event > reached.event]
    if len(within) > PAGE:
        return Answer(tuple(map(_seen, within[:PAGE])), _format(within[PAGE].place), False)
    following = None if reached is None else _format(reached)
    return Answer(tuple(map(_seen, within)), following, reached is not None)


def look_at(databases: Mapping[LogName, Database], user: UUID, event: UUID) -> tuple[Seen, ...]:
    """This event in each log that has it: what officers did to a user's data stands in both."""
    found = (_event(db, log, user, event) for log, db in databases.items())
    return tuple(_seen(each) for each in found if each is not None)


def _page(db: Database, log: LogName, wanted: Filter, start: Place) -> Page:
    return db.run(lambda conn: find_events(conn, log, wanted, start, PAGE + 1))


def _event(db: Database, log: LogName, user: UUID, event: UUID) -> FoundEvent | None:
    return db.run(lambda conn: find_event(conn, log, user, event))


def _seen(found: FoundEvent) -> Seen:
    leaf, log = found.leaf, found.place.log
    shape = _shape(log, leaf.kind)
    return Seen(
        log=log,
        event=leaf.event_id,
        user=leaf.user_id,
        kind=kind_name(KINDS[log], leaf.kind),
        says=shape.message,
        failed=shape.failed,
        grave=severity_of(leaf, shape) >= Severity.HIGH,
        at=leaf.at if isinstance(leaf.at, datetime) else None,
        at_text=found.place.at,
        leaf_index=found.leaf_index,
        details=tuple(_details(leaf.encode())),
    )


def _shape(log: LogName, number: int) -> Shape:
    try:
        return KEYS[KeysEvent(number)] if log == "keys" else RECORDS[RecordsEvent(number)]
    except ValueError:  # of a row from elsewhere
        return UNKNOWN


def _details(leaf: bytes) -> Iterator[tuple[str, str]]:
    for name, value in msgspec.json.decode(leaf, type=dict[str, str | int]).items():
        if name not in {"v", "event_id", "kind", "at", "user_id"}:
            yield name, str(value)


def _log_of(kind: KeysEvent | RecordsEvent) -> LogName:
    return "keys" if isinstance(kind, KeysEvent) else "records"


def _by_id(found: FoundEvent) -> tuple[UUID, LogName]:
    return found.place.event, found.place.log


def _by_time(found: FoundEvent) -> tuple[Decimal, UUID, UUID, LogName]:
    return found.moment, found.place.event, found.place.user, found.place.log


def _id_of(place: Place) -> UUID:
    return place.event


def _format(place: Place) -> str:
    text = f"{place.event.hex}{place.user.hex}{place.log[0]}{place.at}"
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _parse(cursor: str) -> Place:
    if not cursor:
        return Place()
    try:
        if len(cursor) > _CURSOR:
            raise ValueError
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
        log: LogName = "keys" if text[64:65] == "k" else "records"
        place = Place(text[65:], UUID(hex=text[:32]), UUID(hex=text[32:64]), log)
        if not _TIME.fullmatch(place.at) or _format(place) != cursor:
            raise ValueError
    except (binascii.Error, ValueError):
        raise InvalidInputError("place", "not one that a page gave") from None
    return place


def _text(value: UUID | datetime | None) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
