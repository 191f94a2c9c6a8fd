"""P8: each kind of event is left by a real flow, and no column of any holds what anybody is, has or chose."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import Connection

from tests.promises.flows import NAME, NEW_PASSWORD, PHONE, Life
from tests.promises.kinds import BY_GENESIS, LEAVES, Kind
from tests.promises.planted import Planted
from tests.rig.postgres import TestDatabase
from tests.rig.vault import PASSWORD
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.storage.keys.events import TELL_THE_EPOCH

pytestmark = pytest.mark.slow

PLANTED = Planted(
    ("canary", "example.org", NAME, "Quetzal", PASSWORD, NEW_PASSWORD, PHONE, "note", "contact", "plums"),
    people=[
        f"{before}canary-{what}{n}@example.org"
        for n in range(1, 500)
        for before, what in (("", ""), ("moved-", ""), ("", "new-"), ("", "once-"))
    ],
)
COLUMNS = {
    KeysEvent: "user_id event_id kind at app_id unlock_id epoch login_index digest tx case_id officer_id",
    RecordsEvent: "user_id event_id kind at app_id session_id unlock_id record_id n digest tx",
}


def database_of(life: Life, trail: type[Kind]) -> TestDatabase:
    return life.vault.keys if trail is KeysEvent else life.vault.records


def stored(conn: "Connection[Any]", kind: Kind) -> Iterator[dict[str, bytes]]:
    """Each event of the kind: column by column the bytes that are stored, or the text of what is none."""
    cursor = conn.execute("SELECT * FROM audit_events WHERE kind = %(kind)s", {"kind": int(kind)})
    names = [column.name for column in cursor.description or ()]
    for row in cursor:
        yield {
            name: value if isinstance(value, bytes) else str(value).encode()
            for name, value in zip(names, row, strict=True)
            if value is not None
        }


def untold(life: Life, users: set[str]) -> list[tuple[Any, ...]]:
    """Of these users whose epoch is not the last that an event tells (storage/keys/events.py)."""
    with life.vault.keys.superuser() as conn:
        return conn.execute(
            """SELECT * FROM (
                 SELECT c.user_id, c.epoch, (SELECT coalesce(max(e.epoch), 1) FROM audit_events e
                   WHERE e.user_id = c.user_id AND e.kind = ANY(%(kinds)s)) AS told
                 FROM credentials c WHERE c.user_id = ANY(%(users)s::uuid[])) AS t WHERE t.epoch <> told""",
            {"users": list(users), "kinds": [int(kind) for kind in TELL_THE_EPOCH]},
        ).fetchall()


def test_there_is_a_flow_for_each_kind() -> None:
    assert LEAVES.keys() | BY_GENESIS == {*KeysEvent, *RecordsEvent}, "no flow: see tests/promises/kinds.py"


@pytest.mark.parametrize(
    "kind",
    sorted(LEAVES.keys() | BY_GENESIS, key=repr),
    ids=lambda kind: f"{type(kind).__name__}.{kind.name}",
)
def test_a_real_flow_leaves_it_with_nothing_personal_in_any_column(life: Life, kind: Kind) -> None:
    with database_of(life, type(kind)).superuser() as conn:
        before = [] if kind in BY_GENESIS else list(stored(conn, kind))
        if kind not in BY_GENESIS:
            LEAVES[kind](life)
        left = [event for event in stored(conn, kind) if event not in before]

    assert left, "it left no such event"
    assert [name for event in left for name, value in event.items() if PLANTED.found_in(value)] == []
    if isinstance(kind, KeysEvent):  # of all that happens, nothing else makes a credential of another epoch
        assert untold(life, {event["user_id"].decode() for event in left}) == []


@pytest.mark.parametrize("trail", COLUMNS)
def test_an_event_has_no_column_that_was_not_thought_about(life: Life, trail: type[Kind]) -> None:
    """Ids, numbers, a time, a keyed hash of a login, a digest of what is public."""
    with database_of(life, trail).superuser() as conn:
        cursor = conn.execute("SELECT * FROM audit_events LIMIT 0")
        assert {column.name for column in cursor.description or ()} == set(COLUMNS[trail].split())


# --- the search itself


@pytest.mark.parametrize(
    "leaked",
    [
        b"\x00canary-7@",
        NAME.upper().encode(),
        PASSWORD.encode("utf-16-le"),
        b'{"name": "' + base64.b64encode(b"Dear " + NAME.encode() + b"!"),
        base64.b32encode(PHONE.encode()),
        NEW_PASSWORD.encode().hex().upper().encode(),
        hashlib.sha256(b"canary-11@example.org").digest(),
        hashlib.sha1(PHONE.encode(), usedforsecurity=False).hexdigest().encode(),
    ],
)
def test_what_leaks_is_found(leaked: bytes) -> None:
    assert PLANTED.found_in(leaked)


def test_what_leaks_into_an_event_is_found(life: Life) -> None:
    """From the table on: a hash of a login without the key, in the column that is for the keyed one."""
    with life.vault.keys.superuser() as conn, conn.transaction(force_rollback=True):
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, login_index)
               VALUES (gen_random_uuid(), gen_random_uuid(), %(kind)s, now(), %(leaked)s)""",
            {"kind": int(KeysEvent.UNLOCKED), "leaked": hashlib.sha256(b"canary-11@example.org").digest()},
        )
        events = list(stored(conn, KeysEvent.UNLOCKED))

    assert any(PLANTED.found_in(value) for event in events for value in event.values())
