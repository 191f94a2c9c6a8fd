"""A leaf is the same bytes for ever: whatever the locale, the time zone or the session's settings."""

import hashlib
import locale
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from psycopg import sql

from tests.audit.trail import SEALERS, WRITERS, drain, sealed, write_event
from tests.rig.postgres import TestDatabase
from tests.tlog import naive
from vault_service.domain.leaves import KeysLeaf, Leaf, RecordsLeaf
from vault_service.storage.audit.sides import EVENTS

USER, EVENT, APP, UNLOCK, SESSION, RECORD = (UUID(int=n << 64 | n) for n in range(1, 7))
AT = datetime(2026, 11, 27, 9, 20, 43, 817210, tzinfo=UTC)

# Leaf, its bytes, its leaf hash (SHA-256 of 0x00 and the bytes; made with sha256sum). Never change a line:
# a log that was sealed under it could not be verified any more.
VECTORS: dict[str, tuple[Leaf, str, str]] = {
    "keys, everything": (
        KeysLeaf(USER, EVENT, 3, AT, APP, UNLOCK, 7, bytes(range(32)), b"\xff" * 32),
        '{"app_id":"00000000-0000-0003-0000-000000000003","at":"2026-11-27T09:20:43.817210Z","digest":"'
        + "ff" * 32
        + '","epoch":7,"event_id":"00000000-0000-0002-0000-000000000002","kind":"unlocked","login_index":"'
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        '","unlock_id":"00000000-0000-0004-0000-000000000004",'
        '"user_id":"00000000-0000-0001-0000-000000000001","v":1}',
        "a303e749dea1304ab7cfe473b869ee0f5c86fff2906a976b233354626522476d",
    ),
    "keys, nothing": (
        KeysLeaf(USER, EVENT, 4, AT.replace(microsecond=0), None, None, None, None, None),
        (
            '{"at":"2026-11-27T09:20:43.000000Z","event_id":"00000000-0000-0002-0000-000000000002",'
            '"kind":"unlock_refused","user_id":"00000000-0000-0001-0000-000000000001","v":1}'
        ),
        "aa0b5000e718dadd967f4cf7e66e45023c18e6f8028e1eeca9af8fd6138e1bf0",
    ),
    "records, everything": (
        RecordsLeaf(USER, EVENT, 11, AT, APP, SESSION, UNLOCK, RECORD, 1, b"\x01" * 32),
        '{"app_id":"00000000-0000-0003-0000-000000000003","at":"2026-11-27T09:20:43.817210Z","digest":"'
        + "01" * 32
        + '","event_id":"00000000-0000-0002-0000-000000000002","kind":"record_read","n":1,'
        '"record_id":"00000000-0000-0006-0000-000000000006",'
        '"session_id":"00000000-0000-0005-0000-000000000005",'
        '"unlock_id":"00000000-0000-0004-0000-000000000004",'
        '"user_id":"00000000-0000-0001-0000-000000000001","v":1}',
        "9c448239153a70d2452e5d6bcc6f83f75b106fc55ee86a1185c2b1f991b3f864",
    ),
    "records, a kind and a number that nobody has": (
        RecordsLeaf(USER, EVENT, 9999, AT, None, None, None, None, 2**62, None),
        (
            '{"at":"2026-11-27T09:20:43.817210Z","event_id":"00000000-0000-0002-0000-000000000002",'
            '"kind":"unknown_9999","n":"4611686018427387904",'
            '"user_id":"00000000-0000-0001-0000-000000000001","v":1}'
        ),
        "ff9bd16b0a0c0f76d8aa4e12c176caace58288ad931391d71eb9aa53a7a6c185",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_bytes_are_those_that_were_written_down(name: str) -> None:
    leaf, text, expected = VECTORS[name]

    assert leaf.encode() == text.encode()
    assert hashlib.sha256(b"\x00" + leaf.encode()).hexdigest() == expected


@pytest.mark.parametrize("hours", [-12, -3.5, 0, 5.75, 14])
def test_a_time_is_written_in_utc_whatever_zone_it_comes_in(hours: float) -> None:
    there = AT.astimezone(timezone(timedelta(hours=hours)))
    leaf, text, _ = VECTORS["keys, nothing"]
    assert isinstance(leaf, KeysLeaf)

    moved = KeysLeaf(leaf.user_id, leaf.event_id, leaf.kind, there.replace(microsecond=0), *[None] * 5)

    assert moved.encode() == text.encode()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process in another time zone, and in whatever locale there is besides C."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    yield
    locale.setlocale(locale.LC_ALL, before)
    monkeypatch.undo()
    time.tzset()


SESSIONS: dict[str, dict[str, str]] = {
    "another time zone": {"timezone": "Asia/Kathmandu"},
    "another style of dates": {"datestyle": "SQL, DMY", "intervalstyle": "iso_8601"},
    "another form of bytes": {"bytea_output": "escape", "extra_float_digits": "-15"},
    "another locale": {"lc_numeric": "C", "lc_time": "C", "lc_monetary": "C", "lc_messages": "C"},
    "another encoding": {"client_encoding": "UTF8", "standard_conforming_strings": "on"},
}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("session", SESSIONS)
@pytest.mark.parametrize("side", ["keys", "records"])
def test_leaves_are_read_back_as_they_were_sealed(
    side: str, session: str, keys_db: TestDatabase, records_db: TestDatabase
) -> None:
    """By a session with other settings than the worker's."""
    database = keys_db if side == "keys" else records_db
    with database.connect(WRITERS[database.side]) as conn:
        for _ in range(3):
            write_event(conn, database.side)
    db = database.open(SEALERS[database.side], size=1)
    drain(db, database.side)
    db.close()
    log = sealed(database)
    events = EVENTS[database.side]

    with database.superuser() as conn:
        for name, value in SESSIONS[session].items():
            conn.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        rows = conn.execute(
            "SELECT " + events.columns + """ FROM audit_leaves l JOIN audit_events e
               USING (user_id, event_id) ORDER BY l.leaf_index""",
            binary=True,  # as every connection of the service reads
        ).fetchall()  # fmt: skip
    assert [events.leaf(*row).encode() for row in rows] == log.leaves

    assert naive.mth([naive.leaf(leaf) for leaf in log.leaves]) == log.root
