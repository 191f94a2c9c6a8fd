"""Idempotency-Key: a retry has no second effect and gets the first answer; nothing of it can be read."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, LiteralString

import pytest

from tests.records.signed_in import ANA, Records, Somebody
from vault_service.domain.errors import (
    IdempotencyConflictError,
    IntegrityError,
    PreconditionFailedError,
    RecordNotFoundError,
)
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.records.store import Operation
from vault_service.storage.records.housekeeping import purge_expired


def test_a_retry_gets_the_first_answer(records: Records, ana: Somebody) -> None:
    first, replayed = records.store.create(ana.token, "contact", ANA, idempotency_key="k")
    records.clock.move(minutes=5)

    again, again_replayed = records.store.create(ana.token, "contact", ANA, idempotency_key="k")

    assert (replayed, again_replayed) == (False, True)
    assert again == first
    assert records.events(ana) == {"record_created": 1}
    assert records.rows(ana, "records") == 1


def test_a_retry_gets_the_first_answer_although_the_record_has_changed(
    records: Records, ana: Somebody
) -> None:
    first, _ = records.store.create(ana.token, "contact", ANA, idempotency_key="k")
    records.store.delete(ana.token, first.record)

    assert records.store.create(ana.token, "contact", ANA, idempotency_key="k") == (first, True)


@pytest.mark.parametrize(
    ("collection", "fields"),
    [("contact", ANA + b" "), ("contact", b'{"email": "b@example.org"}'), ("contacts", ANA), ("notes", ANA)],
)
def test_the_key_with_another_body_is_refused(
    records: Records, ana: Somebody, collection: str, fields: bytes
) -> None:
    records.store.create(ana.token, "contact", ANA, idempotency_key="k")

    with pytest.raises(IdempotencyConflictError):
        records.store.create(ana.token, collection, fields, idempotency_key="k")

    assert records.rows(ana, "records") == 1


@pytest.mark.parametrize(
    ("atomic", "other"),
    [
        (True, {}),
        (False, {"if_version": None}),
        (False, {"if_version": 2}),
        (False, {"fields": b"{ }"}),
        (False, {"collection": "notes"}),
        (False, {"op": "delete", "fields": None}),
    ],
    ids=str,
)
def test_the_key_with_another_batch_is_refused(
    records: Records, ana: Somebody, atomic: bool, other: dict[str, Any]
) -> None:
    """Also with one that differs only in how it is carried out, or in what it depends on."""
    kept = records.keep(ana, b"{}", "notes").record
    first: dict[str, Any] = {"op": "update", "record": kept, "fields": b"{}", "if_version": 1}
    records.store.batch(ana.token, [Operation(**first)], idempotency_key="k")

    with pytest.raises(IdempotencyConflictError):
        records.store.batch(ana.token, [Operation(**first | other)], atomic=atomic, idempotency_key="k")


def test_a_key_belongs_to_one_user_and_one_route(records: Records, ana: Somebody) -> None:
    bob = records.sign_up()
    records.store.create(ana.token, "contact", ANA, idempotency_key="k")

    assert records.store.create(bob.token, "contact", ANA, idempotency_key="k")[1] is False
    with pytest.raises(IdempotencyConflictError):
        records.store.batch(
            ana.token, [Operation("create", collection="contact", fields=ANA)], idempotency_key="k"
        )


def test_of_twins_at_the_same_time_one_has_an_effect(records: Records, ana: Somebody) -> None:
    def create(_: int) -> tuple[RecordId, bool]:
        record, replayed = records.store.create(ana.token, "contact", ANA, idempotency_key="k")
        return record.record, replayed

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(create, range(24)))

    assert len({record for record, _ in answers}) == 1
    assert sum(not replayed for _, replayed in answers) == 1
    assert records.events(ana) == {"record_created": 1}


def test_of_twin_batches_at_the_same_time_one_has_an_effect(records: Records, ana: Somebody) -> None:
    kept = records.keep(ana)
    operations = [
        Operation("create", collection="notes", fields=b"{}"),
        Operation("update", kept.record, fields=b'{"email": "b@example.org"}'),
    ]

    def run(_: int) -> object:
        return records.store.batch(ana.token, operations, idempotency_key="k")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(run, range(8)))

    assert answers == [answers[0]] * 8
    assert records.events(ana) == {"record_created": 2, "record_updated": 1}


def test_a_retried_batch_gets_the_first_answer_for_every_operation(records: Records, ana: Somebody) -> None:
    """What was refused is refused in the same words, although the records have changed since."""
    kept, gone = records.keep(ana), records.keep(ana)
    nothing = RecordId(new_uuid())
    operations = [
        Operation("create", collection="contact", fields=ANA),
        Operation("create", collection="contact", fields=b"[]"),
        Operation("create", collection="No", fields=b"{}"),
        Operation("update", kept.record, fields=b'{"email": "odd"}'),
        Operation("update", kept.record, fields=b'{"shoe_size": "39"}'),
        Operation("update", kept.record, collection="notes", fields=ANA),
        Operation("update", kept.record, fields=ANA, if_version=1),
        Operation("update", nothing, fields=ANA),
        Operation("delete", gone.record),
        Operation("read", gone.record),
        Operation("read"),
    ]
    first = records.store.batch(ana.token, operations, idempotency_key="k")
    records.clock.move(minutes=5)
    records.store.delete(ana.token, kept.record)
    before = records.events(ana)

    again = records.store.batch(ana.token, operations, idempotency_key="k")

    assert [result.record for result in again] == [result.record for result in first]
    assert [_spoken(result.error) for result in again] == [_spoken(result.error) for result in first]
    assert isinstance(first[6].error, PreconditionFailedError)
    assert isinstance(first[7].error, RecordNotFoundError)
    assert records.events(ana) - before == {"record_read_missing": 1}  # reading is done anew


def _spoken(error: Exception | None) -> tuple[type[Exception] | None, str]:
    return type(error) if error else None, str(error)


def test_a_retried_batch_reads_anew(records: Records, ana: Somebody) -> None:
    """Fields are not kept for retries: what is read is what is there, with an event of its own."""
    kept = records.keep(ana)
    operations = [Operation("read", kept.record), Operation("delete", records.keep(ana).record)]
    records.store.batch(ana.token, operations, idempotency_key="k")
    changed = records.store.replace(ana.token, kept.record, b'{"email": "b@example.org"}')

    read, deleted = records.store.batch(ana.token, operations, idempotency_key="k")

    assert (read.record, deleted.error) == (changed, None)
    assert records.events(ana)["record_read"] == 2
    assert records.events(ana)["record_deleted"] == 1


A: LiteralString = " WHERE user_id = %(user)s AND key_hash = sha256('a')"
B: LiteralString = " WHERE user_id = %(user)s AND key_hash = sha256('b')"
ATTACKS: dict[str, LiteralString] = {
    "flipped": "UPDATE idempotency SET answer = set_byte(answer, 40, get_byte(answer, 40) # 1)" + A,
    "emptied": "UPDATE idempotency SET answer = ''" + A,
    "cut": "UPDATE idempotency SET answer = substr(answer, 1, 70)" + A,
    "another answer": "UPDATE idempotency SET answer = (SELECT answer FROM idempotency" + B + ")" + A,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_altered_answer_is_refused_with_an_event(
    records: Records, ana: Somebody, attack: LiteralString
) -> None:
    for key in ("a", "b"):
        records.store.create(ana.token, "contact", ANA, idempotency_key=key)

    records.sql(attack, user=ana.user)

    with pytest.raises(IntegrityError):
        records.store.create(ana.token, "contact", ANA, idempotency_key="a")
    assert records.events(ana) == {"record_created": 2, "record_integrity_failed": 1}


def test_an_answer_kept_under_another_key_is_refused(records: Records, ana: Somebody) -> None:
    records.store.create(ana.token, "contact", ANA, idempotency_key="b")
    records.sql("UPDATE idempotency SET key_hash = sha256('a')" + B, user=ana.user)

    with pytest.raises(IntegrityError):
        records.store.create(ana.token, "contact", ANA, idempotency_key="a")


def test_what_is_kept_for_a_retry_tells_nothing(records: Records, ana: Somebody) -> None:
    """Equal requests of two users leave nothing equal but the hash of their own key."""
    bob = records.sign_up()
    for who in (ana, bob):
        records.store.create(who.token, "contact", ANA, idempotency_key="k")

    rows = records.sql(
        "SELECT body_mac, answer FROM idempotency WHERE user_id = ANY(%(users)s)", users=[ana.user, bob.user]
    )

    assert len({mac for mac, _ in rows}) == 2
    assert all(b"contact" not in answer and b"Ana" not in answer for _, answer in rows)


def test_a_key_is_free_again_after_a_day(records: Records, ana: Somebody) -> None:
    records.store.create(ana.token, "contact", ANA, idempotency_key="k")
    worker = records.database.open("vault_worker_records", size=1)
    kept: list[int] = []
    for hours in (23, 25):
        with worker.connection() as conn:
            purge_expired(conn, records.clock() + timedelta(hours=hours), 1000)
        kept.append(records.rows(ana, "idempotency"))
    worker.close()

    assert kept == [1, 0]
    token = records.sign_in(ana.dek)  # the first session had expired as well
    assert records.store.create(token, "contact", ANA, idempotency_key="k")[1] is False
