"""When the database or its trail fails: nothing is answered or half done, and it goes on by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.records.signed_in import ANA, Records, Somebody, answered
from tests.rig.postgres import TestServer, fresh_database
from vault_service.crypto.dek import Dek
from vault_service.domain.errors import DatabaseUnavailableError, SessionRefusedError, UnavailableError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId, new_uuid
from vault_service.records.draft import check_draft
from vault_service.records.store import Operation, Record
from vault_service.sessions.end import end_current, end_everywhere
from vault_service.sessions.open import open_session
from vault_service.storage.records.changes import (
    Change,
    Once,
    Outcome,
    RecordEvent,
    Removal,
    Replaced,
    apply_change,
)
from vault_service.storage.records.records import read_record
from vault_service.storage.records.reencrypt import Reencrypted, put_under
from vault_service.storage.records.users import delete_user

Attempt = Callable[[Records, Somebody, Record], object]
EVERYTHING: dict[str, Attempt] = {
    "create": lambda r, who, _: r.store.create(who.token, "contact", ANA),
    "create once": lambda r, who, _: r.store.create(who.token, "contact", ANA, idempotency_key="k"),
    "read": lambda r, who, kept: r.store.read(who.token, kept.record),
    "read nothing": lambda r, who, _: r.store.read(who.token, RecordId(new_uuid())),
    "replace": lambda r, who, kept: r.store.replace(who.token, kept.record, b'{"email": "x"}'),
    "patch": lambda r, who, kept: r.store.patch(who.token, kept.record, b'{"email": "x"}'),
    "delete": lambda r, who, kept: r.store.delete(who.token, kept.record),
    "list": lambda r, who, _: r.store.find(who.token),
    "search": lambda r, who, _: r.store.find(who.token, collection="contact", where=[("full_name", "x")]),
    "export": lambda r, who, _: next(r.store.export(who.token)),
    "batch": lambda r, who, kept: r.store.batch(
        who.token,
        [Operation("create", collection="contact", fields=ANA), Operation("delete", kept.record)],
        idempotency_key="k",
    ),
    "batch that reads": lambda r, who, kept: r.store.batch(who.token, [Operation("read", kept.record)]),
    "end a session": lambda r, who, _: end_current(r.db, who.token, r.clock()),
    "end all sessions": lambda r, who, _: end_everywhere(r.db, who.token, r.clock()),
}


@pytest.fixture
def without_trail(records: Records) -> Iterator[Callable[[], None]]:
    """Takes the right to write the trail away, and gives it back."""
    yield lambda: _sql(records, "REVOKE INSERT ON audit_events FROM vault_api")
    records.sql("GRANT INSERT ON audit_events TO vault_api")


def _sql(records: Records, statement: "psycopg.abc.Query") -> None:
    with records.database.superuser() as conn:
        conn.execute(statement)


def state(records: Records, who: Somebody) -> list[tuple[object, ...]]:
    """Every row of a user."""
    return records.sql(
        """SELECT 'record', r::text FROM records r WHERE user_id = %(user)s
           UNION ALL SELECT 'tag', t::text FROM record_tags t WHERE user_id = %(user)s
           UNION ALL SELECT 'session', s::text FROM sessions s WHERE user_id = %(user)s
           UNION ALL SELECT 'answer', i::text FROM idempotency i WHERE user_id = %(user)s
           UNION ALL SELECT 'event', e::text FROM audit_events e WHERE user_id = %(user)s
           ORDER BY 1, 2""",
        user=who.user,
    )


@pytest.mark.parametrize("attempt", EVERYTHING.values(), ids=EVERYTHING)
def test_without_its_event_nothing_is_answered_and_nothing_happens(
    records: Records, ana: Somebody, without_trail: Callable[[], None], attempt: Attempt
) -> None:
    """P8 and P10."""
    kept = records.keep(ana)
    before = state(records, ana)
    without_trail()

    with pytest.raises(DatabaseUnavailableError) as refused:
        attempt(records, ana, kept)

    assert refused.value.retry_after_s
    assert state(records, ana) == before


def test_a_broken_record_is_not_even_named_without_its_event(
    records: Records, ana: Somebody, without_trail: Callable[[], None]
) -> None:
    kept = records.keep(ana)
    records.sql("UPDATE records SET sealed = '' WHERE record_id = %(record)s", record=kept.record)
    without_trail()

    with pytest.raises(DatabaseUnavailableError):
        records.store.replace(ana.token, kept.record, ANA)


def test_a_change_that_is_sent_again_is_done_once(records: Records, ana: Somebody) -> None:
    """After a connection that broke at the commit nobody knows whether it was done."""
    session = open_session(records.db, ana.token, records.clock())
    changed, gone = records.keep(ana), records.keep(ana)
    draft = check_draft(records.store.parts.collections, "contact", b'{"email": "b@example.org"}')
    new = RecordId(new_uuid())
    change = Change(
        ana.dek.dek,
        events=(
            RecordEvent(RecordsEvent.RECORD_CREATED, new),
            RecordEvent(RecordsEvent.RECORD_UPDATED, changed.record),
            RecordEvent(RecordsEvent.RECORD_DELETED, gone.record),
        ),
        versions=(
            draft.seal(ana.dek, new, version=1, replaces=None),
            draft.seal(ana.dek, changed.record, version=2, replaces=Replaced(1, ana.dek.dek)),
        ),
        removals=(Removal(gone.record, 1),),
        once=Once(bytes(32), bytes(32), b"answer"),
    )

    with records.db.connection() as conn:
        first = apply_change(conn, session.key, change, records.clock())
        once = state(records, ana)
        second = apply_change(conn, session.key, change, records.clock())

    assert (first, second) == (Outcome.DONE, Outcome.DONE)
    assert state(records, ana) == once
    assert records.events(ana) == {"record_created": 3, "record_updated": 1, "record_deleted": 1}


def test_a_creation_that_is_sent_again_late_does_not_undo_what_came_after(
    records: Records, ana: Somebody
) -> None:
    session = open_session(records.db, ana.token, records.clock())
    new = RecordId(new_uuid())
    draft = check_draft(records.store.parts.collections, "contact", ANA)
    change = Change(
        ana.dek.dek,
        events=(RecordEvent(RecordsEvent.RECORD_CREATED, new),),
        versions=(draft.seal(ana.dek, new, version=1, replaces=None),),
    )

    with records.db.connection() as conn:
        apply_change(conn, session.key, change, records.clock())
        records.store.replace(ana.token, new, b'{"email": "b@example.org"}')
        after = state(records, ana)
        again = apply_change(conn, session.key, change, records.clock())

    assert again is Outcome.DONE
    assert state(records, ana) == after


def test_a_change_locks_its_records_in_the_order_of_their_ids(records: Records, ana: Somebody) -> None:
    """So that two changes cannot each hold what the other waits for, whatever plan the server chooses."""
    ids = sorted(records.keep(ana, b"{}", "notes").record for _ in range(3))
    free = "SELECT record_id FROM records WHERE user_id = %(user)s FOR UPDATE SKIP LOCKED"
    session = open_session(records.db, ana.token, records.clock())
    backwards = Change(
        ana.dek.dek,
        events=(RecordEvent(RecordsEvent.RECORD_DELETED, ids[0]),),
        removals=tuple(Removal(record, 1) for record in reversed(ids)),
    )
    one_by_one = "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off"
    db = records.database.open("vault_api", size=1, patience_s=60, options=one_by_one)

    with (
        records.database.superuser() as other,
        records.database.superuser() as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.transaction():
            other.execute("SELECT FROM records WHERE record_id = %(record)s FOR UPDATE", {"record": ids[1]})
            attempt = pool.submit(
                db.run, lambda conn: apply_change(conn, session.key, backwards, records.clock())
            )
            _wait_until_blocked(watcher, records.database.name)
            unlocked = watcher.execute(free, {"user": ana.user}).fetchall()
        assert attempt.result(timeout=60) is Outcome.DONE
    db.close()

    assert unlocked == [(ids[2],)]


def test_a_reading_that_is_sent_again_leaves_one_event(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)
    session = open_session(records.db, ana.token, records.clock())
    event = EventId(new_uuid())

    with records.db.connection() as conn:
        for _ in range(2):
            found = read_record(conn, session.key, kept.record, event, records.clock())
            assert found is not None
            assert found[1] is not None

    assert records.events(ana)["record_read"] == 1


@pytest.fixture
def held_up(records: Records) -> Iterator[Records]:
    """The same for who waits for a test: no longer wait of a busy machine ends it."""
    db = records.database.open("vault_api", size=1, patience_s=60)
    yield Records(records.database, db, records.clock)
    db.close()


def _wait_until_blocked(conn: "psycopg.Connection[tuple[object, ...]]", database: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        waiting = conn.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = %(name)s AND usename = 'vault_api' AND wait_event_type = 'Lock'""",
            {"name": database},
        ).fetchone()
        if waiting != (0,):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def test_who_is_erased_while_writing_gets_a_plain_refusal(
    records: Records, held_up: Records, ana: Somebody
) -> None:
    """The session was alive when the statement began; at its end there is no user any more."""
    with (
        records.database.superuser() as eraser,
        records.database.superuser() as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        with eraser.transaction():
            eraser.execute("DELETE FROM users WHERE user_id = %(user)s", {"user": ana.user})
            attempt = pool.submit(held_up.store.create, ana.token, "contact", ANA)
            _wait_until_blocked(watcher, records.database.name)
        with pytest.raises(SessionRefusedError):
            attempt.result(timeout=60)

    assert records.rows(ana, "records") == 0
    assert not records.events(ana)


def test_an_erasure_waits_for_a_write_under_way_and_takes_its_record_along(
    records: Records, held_up: Records, ana: Somebody
) -> None:
    session = open_session(records.db, ana.token, records.clock())
    draft = check_draft(records.store.parts.collections, "notes", b"{}")
    new = RecordId(new_uuid())
    change = Change(
        ana.dek.dek,
        events=(RecordEvent(RecordsEvent.RECORD_CREATED, new),),
        versions=(draft.seal(ana.dek, new, version=1, replaces=None),),
    )

    def erase() -> None:
        with held_up.db.transaction() as conn:
            delete_user(conn, ana.user)

    with records.database.superuser() as watcher, ThreadPoolExecutor(1) as pool:
        with records.db.transaction() as conn:
            assert apply_change(conn, session.key, change, records.clock()) is Outcome.DONE
            erased = pool.submit(erase)
            _wait_until_blocked(watcher, records.database.name)
        erased.result(timeout=60)

    assert records.rows(ana, "records") == 0


@pytest.mark.parametrize("one_by_one", [True, False], ids=["alone", "in a batch"])
def test_what_is_changed_while_it_is_re_encrypted_is_found_by_its_new_values_only(
    records: Records, held_up: Records, ana: Somebody, one_by_one: bool
) -> None:
    """The change was made from the record under its older key, and does not see the tags that come with the
    new one: left behind, they would make each search for the old value look like a forged index.
    """
    kept = records.keep(ana)
    new = Dek.generate(ana.dek.tenant, ana.user, DekId(new_uuid()))
    token = records.sign_in(new, older=(ana.dek,))
    session = open_session(records.db, token, records.clock())
    moved = check_draft(records.store.parts.collections, "contact", ANA).seal(
        new, kept.record, version=1, replaces=None
    )
    fields = b'{"full_name": "Bo Berg"}'

    def change() -> None:
        if one_by_one:
            held_up.store.replace(token, kept.record, fields)
        else:
            (result,) = held_up.store.batch(token, [Operation("update", kept.record, fields=fields)])
            assert result.error is None

    with records.database.superuser() as watcher, ThreadPoolExecutor(1) as pool:
        with records.db.transaction() as conn:
            under = Reencrypted(kept.record, 1, ana.dek.dek, moved.collection_tag, moved.sealed, moved.tags)
            event = EventId(new_uuid())
            assert put_under(conn, session.key, records.clock(), dek=new.dek, records=[under], event=event)
            changing = pool.submit(change)
            _wait_until_blocked(watcher, records.database.name)
        changing.result(timeout=60)

    assert records.rows(ana, "record_tags") == 1
    for name, found in (("Ana Silva", 0), ("Bo Berg", 1)):
        page = records.store.find(token, collection="contact", where=[("full_name", name)])
        assert len(page.items) == found
    assert records.events(ana)["record_integrity_failed"] == 0


@pytest.fixture
def own_server(postgres: TestServer) -> Iterator[Records]:
    """A database whose server the test may stop."""
    with fresh_database(postgres, "records") as database:
        db = database.open("vault_api", size=4)
        yield Records(database, db)
        db.close()


def test_a_database_that_was_away_is_used_again_by_itself(own_server: Records, postgres: TestServer) -> None:
    ana = own_server.sign_up()
    kept = own_server.keep(ana)
    before = state(own_server, ana)

    postgres.stop()
    try:
        for name in ("read", "create once"):
            with pytest.raises(UnavailableError):
                EVERYTHING[name](own_server, ana, kept)
    finally:
        postgres.start()

    assert state(own_server, ana) == before
    for pauses_left in reversed(range(100)):  # five seconds of them
        try:
            assert own_server.store.read(ana.token, kept.record) == answered(kept)
            break
        except UnavailableError:
            assert pauses_left
            threading.Event().wait(0.05)


def test_connections_that_were_cut_cost_nobody_an_answer(own_server: Records) -> None:
    ana = own_server.sign_up()
    kept = own_server.keep(ana)
    for _ in range(3):
        own_server.sql(
            # Waits for their end: a connection that broke under a second try would be told to the caller.
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = 'vault_api'"""
        )

        assert own_server.store.read(ana.token, kept.record) == answered(kept)
        assert own_server.store.create(ana.token, "notes", b"{}")[1] is False
