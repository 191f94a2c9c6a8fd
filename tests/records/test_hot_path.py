"""What each operation asks of the database: its round trips are counted on the wire."""

from collections.abc import Callable, Iterator

import pytest

from tests.records.signed_in import ANA, Records, Somebody
from tests.rig.postgres import TestDatabase
from vault_service.crypto.dek import Dek
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId, new_uuid
from vault_service.records.conditions import parse_search
from vault_service.records.draft import check_draft
from vault_service.records.store import Operation
from vault_service.sessions.open import open_session
from vault_service.storage.records.changes import (
    Change,
    Outcome,
    RecordEvent,
    Removal,
    Replaced,
    apply_change,
)
from vault_service.storage.records.pages import FIRST, search_page
from vault_service.storage.records.records import load_for_change

Attempt = Callable[[Records, Somebody, RecordId], object]
WHERE = [("email", "ana@example.org")]


def new_key() -> str:
    return str(new_uuid())


@pytest.fixture
def lone(records_db: TestDatabase) -> Iterator[Records]:
    """A pool of one connection, so that its trace holds everything."""
    db = records_db.open("vault_api", size=1)
    yield Records(records_db, db)
    db.close()


TRIPS: dict[str, tuple[int, Attempt]] = {
    "reading": (1, lambda r, who, record: r.store.read(who.token, record)),
    "creating": (2, lambda r, who, _: r.store.create(who.token, "contact", ANA)),
    "creating once": (2, lambda r, who, _: r.store.create(who.token, "a", b"{}", idempotency_key=new_key())),
    "replacing": (2, lambda r, who, record: r.store.replace(who.token, record, ANA)),
    "patching": (2, lambda r, who, record: r.store.patch(who.token, record, b"{}")),
    "listing": (2, lambda r, who, _: r.store.find(who.token)),
    "searching": (2, lambda r, who, _: r.store.find(who.token, collection="contact", where=WHERE)),
    "exporting a page": (2, lambda r, who, _: list(r.store.export(who.token))),
}  # fmt: skip


@pytest.mark.parametrize(("trips", "attempt"), TRIPS.values(), ids=TRIPS)
def test_round_trips(lone: Records, trips: int, attempt: Attempt) -> None:
    ana = lone.sign_up()
    record = lone.keep(ana).record
    attempt(lone, ana, record)  # from now on the statements are prepared

    with lone.counted() as counted:
        attempt(lone, ana, record)

    assert counted.count() == trips


def test_a_batch_reads_once_and_writes_once(lone: Records) -> None:
    ana = lone.sign_up()

    def operations() -> list[Operation]:
        changed, read, gone = (lone.keep(ana).record for _ in range(3))
        return [
            *(Operation("create", collection="contact", fields=ANA) for _ in range(5)),
            *(Operation("update", changed, fields=ANA) for _ in range(2)),
            Operation("read", read),
            Operation("delete", gone),
        ]

    lone.store.batch(ana.token, operations(), idempotency_key="first")  # from now on prepared
    asked = operations()

    with lone.counted() as counted:
        results = lone.store.batch(ana.token, asked, idempotency_key="second")

    assert [result.error for result in results] == [None] * 9
    assert counted.count() == 2


def test_a_change_touches_its_own_rows_only(lone: Records) -> None:
    """However many records a user has beside the average: a plan for few would walk through all of them."""
    bob = lone.sign_up()
    for _ in range(40):
        lone.keep(lone.sign_up(), b"{}", "notes")
    lone.store.batch(bob.token, [Operation("create", collection="contact", fields=ANA)] * 500)
    lone.sql("VACUUM ANALYZE")
    one, two, three = (item.record for item in lone.store.find(bob.token, limit=3).items)
    session = open_session(lone.db, bob.token, lone.clock())
    draft = check_draft(lone.store.parts.collections, "contact", ANA)
    change = Change(
        bob.dek.dek,
        events=(RecordEvent(RecordsEvent.RECORD_UPDATED, one), RecordEvent(RecordsEvent.RECORD_DELETED, two)),
        versions=(draft.seal(bob.dek, one, version=2, replaces=Replaced(1, bob.dek.dek)),),
        removals=(Removal(two, 1),),
    )

    with lone.db.connection() as conn:  # what the batch counted still stands in this connection
        conn.execute("SELECT pg_stat_force_next_flush()")
    with lone.db.transaction() as conn:
        load_for_change(conn, session.key, lone.clock(), records=[one, three])
        assert apply_change(conn, session.key, change, lone.clock()) is Outcome.DONE
        row = conn.execute(
            """SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
               FROM pg_stat_xact_user_tables WHERE relname IN ('records', 'record_tags')"""
        ).fetchone()

    assert row is not None
    assert row[0] < 30


def test_a_search_under_two_data_keys_touches_what_it_finds_only(lone: Records) -> None:
    """While records are re-encrypted, which takes longest for whoever has the most of them."""
    bob = lone.sign_up()
    for _ in range(40):
        lone.keep(lone.sign_up(), b"{}", "notes")
    lone.store.batch(bob.token, [Operation("create", collection="contact", fields=ANA)] * 500)
    lone.keep(bob, b'{"full_name": "Bo Berg"}')
    lone.sql("VACUUM ANALYZE")
    new = Dek.generate(bob.dek.tenant, bob.user, DekId(new_uuid()))
    session = open_session(lone.db, lone.sign_in(new, older=(bob.dek,)), lone.clock())
    search = parse_search(lone.store.parts.collections, "contact", [("full_name", "Bo Berg")])

    with lone.db.connection() as conn:  # what was counted before still stands in this connection
        conn.execute("SELECT pg_stat_force_next_flush()")
    with lone.db.transaction() as conn:
        found = search_page(
            conn, session.key, lone.clock(), event=EventId(new_uuid()), tags=search.tags(session.keys),
            after=FIRST, limit=50,
        )  # fmt: skip
        row = conn.execute(
            """SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int
               FROM pg_stat_xact_user_tables WHERE relname IN ('records', 'record_tags')"""
        ).fetchone()

    assert found is not None
    assert len(found) == 1
    assert row is not None
    assert row[0] < 10
