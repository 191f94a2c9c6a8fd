"""A batch: operations in order, each with its own result and event, in one transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import NoneType

import pytest

from tests.records.signed_in import ANA, Records, Somebody, answered
from vault_service.domain.errors import (
    BatchFullError,
    ConcurrentChangeError,
    DatabaseUnavailableError,
    IntegrityError,
    InvalidInputError,
    MustChangePasswordError,
    PreconditionFailedError,
    RecordNotFoundError,
)
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.records import batch, plan
from vault_service.records.store import Operation

NEW = b'{"email": "new@example.org"}'


def test_each_operation_has_its_result_and_its_event(records: Records, ana: Somebody) -> None:
    changed, read, gone = records.keep(ana), records.keep(ana), records.keep(ana)
    before = records.events(ana)

    results = records.store.batch(
        ana.token,
        [
            Operation("create", collection="notes", fields=b"{}"),
            Operation("update", changed.record, fields=NEW, if_version=1),
            Operation("read", read.record),
            Operation("delete", gone.record, if_version=1),
        ],
    )

    assert [(result.op, result.error) for result in results] == [
        ("create", None), ("update", None), ("read", None), ("delete", None),
    ]  # fmt: skip
    created, updated, shown, deleted = (result.record for result in results)
    assert created is not None
    assert updated is not None
    assert records.store.read(ana.token, created.record) == created
    assert records.store.read(ana.token, changed.record) == updated
    assert (updated.version, updated.fields, updated.created_at) == (2, NEW, changed.created_at)
    assert shown == answered(read)
    assert deleted is None
    assert records.events(ana) - before == {
        "record_created": 1, "record_updated": 1, "record_read": 3, "record_deleted": 1,
    }  # fmt: skip
    assert records.store.find(
        ana.token, collection="contact", where=[("email", "new@example.org")]
    ).items == (updated,)


def test_what_is_refused_for_one_does_not_hold_up_the_others(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    mine, his = records.keep(ana), records.keep(bob)
    broken = records.keep(ana)
    records.sql("UPDATE records SET sealed = '' WHERE record_id = %(record)s", record=broken.record)

    results = records.store.batch(
        ana.token,
        [
            Operation("read", his.record),
            Operation("update", mine.record, fields=NEW, if_version=7),
            Operation("update", mine.record, fields=b'{"email": 1}'),
            Operation("update", mine.record, collection="notes", fields=NEW),
            Operation("read", broken.record),
            Operation("create", collection="contact"),
            Operation("read", mine.record, if_version=1),
            Operation("create", collection="contact", fields=ANA),
        ],
    )

    kinds = [type(result.error) for result in results]
    assert kinds == [
        RecordNotFoundError, PreconditionFailedError, InvalidInputError, InvalidInputError, IntegrityError,
        InvalidInputError, InvalidInputError, type(None),
    ]  # fmt: skip
    assert records.events_of(ana, his.record) == ["record_read_missing"]
    assert records.events_of(ana, broken.record)[-1] == "record_integrity_failed"
    assert records.store.read(ana.token, mine.record) == answered(mine)


def test_operations_see_what_those_before_them_did(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)

    results = records.store.batch(
        ana.token,
        [
            Operation("update", kept.record, fields=b'{"email": "one@example.org"}'),
            Operation("read", kept.record),
            Operation("update", kept.record, fields=NEW, if_version=2),
            Operation("update", kept.record, fields=ANA, if_version=2),
            Operation("delete", kept.record, if_version=3),
            Operation("read", kept.record),
            Operation("delete", kept.record),
        ],
    )

    versions = [result.record.version if result.record else type(result.error) for result in results]
    assert versions == [
        2,
        2,
        3,
        PreconditionFailedError,
        type(None),
        RecordNotFoundError,
        RecordNotFoundError,
    ]
    assert records.events_of(ana, kept.record) == [
        "record_created", "record_updated", "record_read", "record_updated", "record_deleted",
        "record_read_missing", "record_read_missing",
    ]  # fmt: skip
    assert records.rows(ana, "records") == 0


def test_a_record_changed_twice_is_stored_in_its_last_version(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)

    records.store.batch(
        ana.token, [Operation("update", kept.record, fields=fields) for fields in (NEW, b'{"phone": "1"}')]
    )

    read = records.store.read(ana.token, kept.record)
    assert (read.version, read.fields) == (3, b'{"phone": "1"}')
    assert records.rows(ana, "record_tags") == 1


def test_an_atomic_batch_does_nothing_if_one_operation_is_refused(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)
    nothing = RecordId(new_uuid())

    with pytest.raises(RecordNotFoundError) as refused:
        records.store.batch(
            ana.token,
            [
                Operation("create", collection="contact", fields=ANA),
                Operation("update", kept.record, fields=NEW),
                Operation("delete", nothing),
                Operation("delete", kept.record, if_version=9),
            ],
            atomic=True,
        )

    assert refused.value.index == 2
    assert records.store.find(ana.token).items == (answered(kept),)
    assert records.events(ana) == {"record_created": 1, "record_read_missing": 1, "records_listed": 1}


def test_an_atomic_batch_that_nothing_stands_against_is_done(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)

    results = records.store.batch(
        ana.token,
        [Operation("create", collection="contact", fields=ANA), Operation("delete", kept.record)],
        atomic=True,
        idempotency_key="k",
    )

    created, deleted = (result.record for result in results)
    assert created is not None
    assert deleted is None
    assert records.store.find(ana.token).items == (answered(created),)


def test_a_one_time_password_may_add_many_records_and_nothing_else(records: Records, ana: Somebody) -> None:
    token = records.sign_in(ana.dek, must_change=True)
    create = Operation("create", collection="notes", fields=b"{}")

    assert records.store.batch(token, [create] * 3)[2].error is None
    with pytest.raises(MustChangePasswordError):
        records.store.batch(token, [create, Operation("read", RecordId(new_uuid()))])

    assert records.events(ana) == {"record_created": 3}


def test_a_batch_has_a_limit(records: Records, ana: Somebody) -> None:
    create = Operation("create", collection="notes", fields=b"{}")

    assert records.store.batch(ana.token, []) == ()
    with pytest.raises(InvalidInputError):
        records.store.batch(ana.token, [create] * 1001)

    assert len(records.store.batch(ana.token, [create] * 1000)) == 1000
    assert records.rows(ana, "records") == 1000


def test_a_thousand_of_each_kind_are_done_at_once(records: Records, ana: Somebody) -> None:
    kept = records.store.batch(ana.token, [Operation("create", collection="contact", fields=ANA)] * 1000)
    ids = [result.record.record for result in kept if result.record]
    fields = b'{"full_name": "Bo", "phone": "+351 912 345 679", "email": "bo@example.org"}'

    updated = records.store.batch(ana.token, [Operation("update", record, fields=fields) for record in ids])
    assert records.rows(ana, "record_tags") == 3000
    read = records.store.batch(ana.token, [Operation("read", record) for record in ids])
    deleted = records.store.batch(ana.token, [Operation("delete", record) for record in ids])

    assert [result.record for result in read] == [result.record for result in updated]
    assert all(result.error is None for result in deleted)
    assert records.rows(ana, "records") == 0
    assert set(records.events(ana).values()) == {1000}


NOTE = b'{"title": "%s"}' % (b"x" * 2_000)


def test_no_more_is_read_at_once_than_a_batch_may_show(
    records: Records, ana: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand times the same record of 64 KiB would be an answer of 64 MB, in each thread."""
    monkeypatch.setattr(plan, "MOST_BYTES", 2 * len(NOTE))
    kept = records.keep(ana, NOTE, "notes").record

    results = records.store.batch(ana.token, [Operation("read", kept)] * 3 + [Operation("delete", kept)])

    assert [type(each.error) for each in results] == [NoneType, NoneType, BatchFullError, NoneType]
    assert records.events_of(ana, kept) == ["record_created", "record_read", "record_read", "record_deleted"]


@pytest.mark.parametrize("key", [None, "k"])
def test_what_is_beyond_the_bound_is_not_even_loaded_and_goes_into_another_batch(
    records: Records, ana: Somebody, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setattr(batch, "MOST_BYTES", 5_000)  # two of them, sealed
    ids = [records.keep(ana, NOTE, "notes").record for _ in range(5)]
    gone, first, second, third, fourth = ids
    operations = [
        Operation("delete", gone),
        Operation("read", first),
        Operation("update", second, fields=NOTE),
        Operation("update", third, fields=b"{}"),
        Operation("delete", fourth),
        Operation("read", third),
    ]

    for _ in range(2 if key else 1):
        results = records.store.batch(ana.token, operations, idempotency_key=key)
        kinds = [type(each.error) for each in results]
        assert kinds == [NoneType, NoneType, NoneType, BatchFullError, NoneType, BatchFullError]
        assert {each.error.detail for each in results if each.error} == {BatchFullError().detail}

    assert records.events_of(ana, third) == ["record_created"], "nothing happened to it, and nothing is amiss"
    (another,) = records.store.batch(ana.token, [operations[3]])
    assert another.record is not None
    assert another.record.version == 2


def test_an_atomic_batch_beyond_the_bound_does_nothing(
    records: Records, ana: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_BYTES", 5_000)
    ids = [records.keep(ana, NOTE, "notes").record for _ in range(3)]

    with pytest.raises(BatchFullError) as refused:
        records.store.batch(ana.token, [Operation("update", each, fields=b"{}") for each in ids], atomic=True)

    assert refused.value.index == 2
    assert [item.version for item in records.store.find(ana.token).items] == [1, 1, 1]


@pytest.fixture
def slow_to_write(records: Records) -> Iterator[None]:
    """Writing takes longer than a request's statements may: 1.1 s, and the client waits 0.2 s more."""
    records.sql(
        """CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql
           AS $$ BEGIN PERFORM pg_sleep(1.4); RETURN NULL; END $$;
           CREATE TRIGGER slowly BEFORE INSERT ON records
           FOR EACH STATEMENT EXECUTE FUNCTION public.slowly()"""
    )
    try:
        yield
    finally:
        records.sql("DROP FUNCTION public.slowly() CASCADE")


@pytest.mark.usefixtures("slow_to_write")
@pytest.mark.parametrize(
    "operations",
    [
        [Operation("create", collection="notes", fields=b"{}")] * 100,
        [Operation("create", collection="notes", fields=b'{"a":"%s"}' % (b"x" * 65_000))] * 17,
    ],
    ids=["many", "large"],
)
def test_much_at_once_may_take_longer(records: Records, ana: Somebody, operations: list[Operation]) -> None:
    """On a busy machine a batch of the documented size takes more than the second that a request has."""
    done = records.store.batch(ana.token, operations)

    assert [result.error for result in done] == [None] * len(operations)
    with pytest.raises(DatabaseUnavailableError):
        records.keep(ana, b"{}", "notes")
    assert records.rows(ana, "records") == len(operations)


def test_batches_over_the_same_records_in_any_order_do_not_wait_for_one_another(
    records: Records, ana: Somebody
) -> None:
    """Rows are locked in the order of their ids: no deadlock; each batch is done whole or not at all."""
    ids = [records.keep(ana, b"{}", "notes").record for _ in range(10)]
    turn = count()

    def change(_: int) -> bool:
        order = ids if next(turn) % 2 else ids[::-1]
        try:
            records.store.batch(ana.token, [Operation("update", each, fields=b"{}") for each in order])
        except ConcurrentChangeError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(change, range(24)))

    versions = {item.version for item in records.store.find(ana.token).items}
    assert versions == {done + 1}
    assert records.events(ana)["record_updated"] == 10 * done
