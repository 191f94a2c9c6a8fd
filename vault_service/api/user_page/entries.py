"""My entries: see, add, change, delete.

A form carries the version of the entry that it shows (as If-Match does for apps). If the entry has changed
since, nothing is saved: the person sees what was typed beside what stands there now.
"""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from vault_service.api.me import Cursor
from vault_service.api.user_page.fields import (
    Row,
    change_of,
    collection_name,
    encode,
    form_rows,
    members_of,
    rows_of,
    typed_rows,
)
from vault_service.api.user_page.services import HOME, PREFIX, PageServices, Visitor
from vault_service.api.user_page.words import SAID, Said, refused, remarks
from vault_service.domain.errors import PreconditionFailedError, VaultError
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.policy.rules import CollectionRule
from vault_service.records.draft import rule_of
from vault_service.records.store import Record
from vault_service.web.view import KIB, GoTo, Nothing, Reply, Shown, Taken, View, Visit

ENTRIES = f"{PREFIX}/entries"
_ONE = f"{ENTRIES}/{{record_id}}"
_PAGE = 20  # entries
_BODY = 512 * KIB  # a form spells each byte that is no letter with three
_ENTRY, _NEW = "me/entry.html", "me/new_entry.html"

Texts = str | tuple[str, ...]  # one of a name is sent alone


class Which(Taken, frozen=True):
    """Which page of the entries, and what was done just before."""

    cursor: Cursor | None = None
    said: Said = "none"


class Kind(Taken, frozen=True):
    """What kind of entry is to be added; empty for one of the person's own."""

    collection: Annotated[str, Meta(max_length=100)] = ""


class NewEntry(Taken, frozen=True):
    """The form of a new entry; `attempt` keeps it one entry, however often it is sent."""

    attempt: UUID
    collection: Annotated[str, Meta(max_length=100)]
    name: Texts = ()
    value: Texts = ()
    kind: Texts = ()


class ChangedEntry(Taken, frozen=True):
    """The form of an entry, and the version that it showed."""

    version: Annotated[int, Meta(ge=1)]
    name: Texts = ()
    value: Texts = ()
    kind: Texts = ()


class Version(Taken, frozen=True):
    """Delete what was shown, and nothing newer."""

    version: Annotated[int, Meta(ge=1)] | None = None


def _rows(asked: NewEntry | ChangedEntry) -> tuple[Row, ...]:
    def several(texts: Texts) -> tuple[str, ...]:
        return (texts,) if isinstance(texts, str) else texts

    return typed_rows(several(asked.name), several(asked.value), several(asked.kind))


def _rule(services: PageServices, collection: str) -> CollectionRule:
    """Of a free name, before it is chosen, that of all free ones."""
    return rule_of(services.accounts.parts.policies.collections, collection or "free")


def show_entries(visit: Visit[PageServices, Visitor, Which]) -> Reply:
    """One page, in the order in which they were made."""
    services, asked = visit.services, visit.asked
    page = services.records.find(visit.who.token, limit=_PAGE, cursor=asked.cursor)
    collections = services.accounts.parts.policies.collections
    values = {
        "entries": [(each, rows_of(each.fields)) for each in page.items],
        "broken": page.broken,
        "next_cursor": page.next_cursor,
        "is_first": asked.cursor is None,
        "known": [name for name, rule in collections.items() if rule.fields],
        "said": SAID.get(asked.said),
    }
    return Shown("me/entries.html", values)


def show_new(visit: Visit[PageServices, Visitor, Kind]) -> Reply:
    """The form of a known collection, or one of free names."""
    visit.services.demand_session(visit.who)
    rule = _rule(visit.services, visit.asked.collection)
    return Shown(_NEW, _new_values(rule, visit.asked.collection, (), str(new_uuid())))


def _new_values(rule: CollectionRule, collection: str, rows: tuple[Row, ...], attempt: str) -> dict[str, Any]:
    return {
        "collection": collection, "is_known": bool(rule.fields), "rows": form_rows(rule, rows),
        "attempt": attempt, "problem": None,
    }  # fmt: skip


def add(visit: Visit[PageServices, Visitor, NewEntry]) -> Reply:
    """Keep a new entry; odd values are kept with a warning, which is shown with the entry."""
    asked, rows = visit.asked, _rows(visit.asked)
    collection = collection_name(asked.collection)
    try:
        record, _ = visit.services.records.create(
            visit.who.token, collection, encode(members_of(rows)), idempotency_key=str(asked.attempt)
        )
    except VaultError as error:
        known = asked.collection in visit.services.accounts.parts.policies.collections
        rule = _rule(visit.services, asked.collection if known else "")
        return refused(_NEW, error, _new_values(rule, asked.collection, rows, str(asked.attempt)))
    return _after(record)


def _after(record: Record) -> Reply:
    if record.warnings:
        return Shown("me/warned.html", {"record": record, "remarks": remarks(record.warnings)})
    return GoTo(f"{HOME}?said=kept")


def show(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """One entry, as a form."""
    record = visit.services.records.read(visit.who.token, RecordId(visit.id("record_id")))
    return Shown(_ENTRY, _values(visit.services, record, rows_of(record.fields)))


def _values(services: PageServices, record: Record, rows: tuple[Row, ...]) -> dict[str, Any]:
    rule = _rule(services, record.collection)
    return {
        "record": record, "is_known": bool(rule.fields), "rows": form_rows(rule, rows), "problem": None,
        "now": None,
    }  # fmt: skip


def change(visit: Visit[PageServices, Visitor, ChangedEntry]) -> Reply:
    """Save it on the version that the form showed, or show what stands there now."""
    services, token, asked = visit.services, visit.who.token, visit.asked
    record, rows = RecordId(visit.id("record_id")), _rows(asked)
    stored = services.records.read(token, record)
    typed = _values(services, stored, rows)
    if stored.version != asked.version:
        return _conflict(services, stored, rows)
    try:
        wanted = change_of(stored.fields, members_of(rows))
        if wanted is None:
            return GoTo(f"{HOME}?said=kept")
        write = services.records.patch if wanted.is_patch else services.records.replace
        return _after(write(token, record, wanted.fields, asked.version))
    except PreconditionFailedError:  # somebody was faster since it was read
        return _conflict(services, services.records.read(token, record), rows)
    except VaultError as error:
        return refused(_ENTRY, error, typed)


def _conflict(services: PageServices, stored: Record, rows: tuple[Row, ...]) -> Shown:
    """What was typed, on the version of now: whoever saves it again has seen what it replaces."""
    values = {**_values(services, stored, rows), "now": rows_of(stored.fields)}
    return refused(_ENTRY, PreconditionFailedError(), values)


def show_deletion(visit: Visit[PageServices, Visitor, Version]) -> Reply:
    """Ask once more. The entry itself is not read: also one that does not open can be deleted."""
    visit.services.demand_session(visit.who)
    values = {"record_id": visit.id("record_id"), "version": visit.asked.version, "problem": None}
    return Shown("me/delete_entry.html", values)


def delete(visit: Visit[PageServices, Visitor, Version]) -> Reply:
    """Delete it."""
    record = RecordId(visit.id("record_id"))
    try:
        visit.services.records.delete(visit.who.token, record, visit.asked.version)
    except PreconditionFailedError as error:
        return refused("me/delete_entry.html", error, {"record_id": record, "version": None})
    return GoTo(f"{HOME}?said=deleted")


def go_home(visit: Visit[PageServices, Visitor | None, Nothing]) -> Reply:
    """`/me` as people type it."""
    del visit
    return GoTo(HOME)


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", PREFIX, go_home, open_to_all=True),
    View("GET", HOME, show_entries, Which),
    View("GET", f"{ENTRIES}/new", show_new, Kind),
    View("POST", ENTRIES, add, NewEntry, max_body=_BODY),
    View("GET", _ONE, show),
    View("POST", _ONE, change, ChangedEntry, max_body=_BODY),
    View("GET", f"{_ONE}/delete", show_deletion, Version),
    View("POST", f"{_ONE}/delete", delete, Version),
)
