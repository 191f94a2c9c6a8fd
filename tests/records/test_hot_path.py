"""What each operation asks of the database: its round trips are counted on the wire."""

from collections.abc import Callable, Iterator

import pytest

from tests.records.signed_in import ANA, Records, Somebody
from tests.rig.postgres import TestDatabase
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.records.store import Operation

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
