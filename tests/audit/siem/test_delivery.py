"""Events reach a receiver in order, each at least once, whatever happens to it, to the database or to us."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from tests.audit.siem.log import QUICK, Keeper, dead_letters, delivering, fill, state, until
from tests.rig.postgres import TestDatabase
from vault_service.audit.siem.delivery import Delivery, Pace
from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.audit.siem.receiver import EventsRefusedError, ReceiverUnavailableError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, RecordId, SessionId, UnlockId, UserId, new_uuid
from vault_service.domain.leaves import RecordsLeaf
from vault_service.storage.audit.outbox import GONE
from vault_service.storage.records import events as records_events

Fault = Callable[[Sequence[OutgoingEvent]], None]


def refuses(*indexes: int) -> Fault:
    """As a receiver that cannot read these events."""

    def fault(events: Sequence[OutgoingEvent]) -> None:
        if any(event.index in indexes for event in events):
            raise EventsRefusedError("HTTP 400")

    return fault


def refuses_all(events: Sequence[OutgoingEvent]) -> None:
    """As a wrong URL does."""
    del events
    raise EventsRefusedError("HTTP 400")


def away(events: Sequence[OutgoingEvent]) -> None:
    del events
    raise ReceiverUnavailableError("HTTP 503")


def test_a_receiver_gets_the_whole_log_in_its_order_and_then_what_comes(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 50)
    with delivering(keys_db, keeper):
        until(lambda: len(keeper.taken) == 50)
        ids += fill(keys_db, 30)
        until(lambda: state(keys_db).behind == 0)

    assert keeper.taken == ids
    assert [event.index for batch in keeper.batches for event in batch] == list(range(80))
    assert keeper.closed


def test_after_a_new_start_it_goes_on_where_it_was(keys_db: TestDatabase) -> None:
    first, second, ids = Keeper(), Keeper(), fill(keys_db, 20)
    with delivering(keys_db, first):
        until(lambda: state(keys_db).next_index == 20)
    ids += fill(keys_db, 5)
    with delivering(keys_db, second):
        until(lambda: state(keys_db).next_index == 25)

    assert first.taken + second.taken == ids


def test_a_receiver_that_is_away_is_waited_for_and_loses_nothing(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 20)
    keeper.fault = away
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).failures >= 6)
        assert state(keys_db).last_error == "HTTP 503"
        keeper.fault = lambda _: None
        until(lambda: state(keys_db).behind == 0)

    assert keeper.taken == ids
    assert state(keys_db).failures == 0
    assert state(keys_db).last_error is None
    assert dead_letters(keys_db) == []


def test_it_waits_as_long_as_it_was_asked_to_across_a_new_start(keys_db: TestDatabase) -> None:
    """A worker that starts over and over must not knock each time."""
    keeper = Keeper()
    fill(keys_db, 1)

    def busy(_: Sequence[OutgoingEvent]) -> None:
        raise ReceiverUnavailableError("HTTP 429", wait_s=600)

    keeper.fault = busy
    with delivering(keys_db, keeper):
        until(lambda: keeper.tries == 1 and state(keys_db).failures == 1)
        assert 500 < state(keys_db).wait_s <= 600
    again = Keeper()
    with delivering(keys_db, again):
        threading.Event().wait(0.3)
    assert (keeper.tries, again.tries) == (1, 0)


def test_it_does_not_wait_for_ever_because_it_was_asked_to(keys_db: TestDatabase) -> None:
    keeper = Keeper()
    fill(keys_db, 1)

    def absurd(_: Sequence[OutgoingEvent]) -> None:
        raise ReceiverUnavailableError("HTTP 503", wait_s=999_999_999)

    keeper.fault = absurd
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).failures == 1)
    assert state(keys_db).wait_s <= QUICK.max_asked_s


def test_each_failure_makes_it_wait_longer_up_to_a_ceiling_and_never_in_step() -> None:
    pace = Pace()
    waits = {n: [pace.wait_s(n) for _ in range(50)] for n in (1, 2, 3, 9, 100_000)}

    for n, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (100_000, 300.0)):
        assert all(longest / 2 <= wait <= longest for wait in waits[n])
        assert len(set(waits[n])) > 40


def test_an_event_that_is_refused_for_itself_is_set_aside_and_the_stream_goes_on(
    keys_db: TestDatabase,
) -> None:
    keeper, ids = Keeper(), fill(keys_db, 30)
    keeper.fault = refuses(0, 13, 14, 29)
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).behind == 0)

    assert keeper.taken == [each for n, each in enumerate(ids) if n not in {0, 13, 14, 29}]
    assert [(each.receiver, each.index, each.error) for each in dead_letters(keys_db)] == [
        ("keeper", n, "HTTP 400") for n in (0, 13, 14, 29)
    ]
    assert state(keys_db).dead_letters == 4


def test_an_event_is_not_set_aside_at_its_first_refusal(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 1)
    refused: list[int] = []

    def once(events: Sequence[OutgoingEvent]) -> None:
        if not refused:
            refused.append(len(events))
            raise EventsRefusedError("HTTP 400")

    keeper.fault = once
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).behind == 0)
    assert keeper.taken == ids
    assert dead_letters(keys_db) == []


def test_a_receiver_that_refuses_everything_is_waited_for_and_does_not_empty_the_log(
    keys_db: TestDatabase,
) -> None:
    """A wrong URL answers 400 to all; what it would have got must still come when it is corrected."""
    keeper, ids = Keeper(), fill(keys_db, 20)
    keeper.fault = refuses_all
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).next_index == QUICK.in_a_row and state(keys_db).failures > 6)
    again = Keeper()
    with delivering(keys_db, again):
        until(lambda: state(keys_db).behind == 0)

    assert len(dead_letters(keys_db)) == QUICK.in_a_row
    assert again.taken == ids[QUICK.in_a_row :]


def test_an_event_that_somebody_removed_is_set_aside_at_once(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 12)
    with keys_db.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        conn.execute("ALTER TABLE audit_leaves DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM audit_events WHERE event_id = ANY(%s::uuid[])", [[ids[0], ids[5]]])
        conn.execute("DELETE FROM audit_leaves WHERE leaf_index IN (7, 8, 9)")
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).next_index == 12)

    gone = (0, 5, 7, 8, 9)
    assert keeper.taken == [each for n, each in enumerate(ids) if n not in gone]
    assert [(each.index, each.error) for each in dead_letters(keys_db)] == [(n, GONE) for n in gone]


def test_too_many_events_at_once_are_sent_in_smaller_numbers(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 40)

    def small(events: Sequence[OutgoingEvent]) -> None:
        if len(events) > 2:
            raise EventsRefusedError("HTTP 413")

    keeper.fault = small
    with delivering(keys_db, keeper):
        until(lambda: state(keys_db).behind == 0)
    assert keeper.taken == ids
    assert dead_letters(keys_db) == []


def test_a_receiver_that_hangs_holds_up_nobody_else(keys_db: TestDatabase) -> None:
    hanging, keeper, ids = Keeper("hanging"), Keeper(), fill(keys_db, 20)
    released = threading.Event()

    def hangs(_: Sequence[OutgoingEvent]) -> None:
        released.wait(30)

    hanging.fault = hangs
    with delivering(keys_db, hanging, keeper):
        until(lambda: state(keys_db).behind == 0)
        assert state(keys_db, "hanging").next_index == 0
        released.set()
    assert keeper.taken == ids


def test_a_defect_does_not_end_the_stream(keys_db: TestDatabase) -> None:
    keeper, ids = Keeper(), fill(keys_db, 5)

    def defect(events: Sequence[OutgoingEvent]) -> None:
        del events
        raise RuntimeError("a defect")

    keeper.fault = defect
    with delivering(keys_db, keeper):
        until(lambda: "RuntimeError" in (state(keys_db).last_error or "") and keeper.tries >= 3)
        keeper.fault = lambda _: None
        until(lambda: len(keeper.taken) >= 5)
    assert keeper.taken == ids


def test_the_records_log_is_sent_as_well(records_db: TestDatabase) -> None:
    keeper, at = Keeper(), datetime.now(UTC)
    user, app, session, unlock, record = UserId(new_uuid()), *(new_uuid() for _ in range(4))
    with records_db.superuser() as conn:
        event = records_events.insert_event(
            conn, user=user, kind=RecordsEvent.RECORD_READ, at=at, app=AppId(app),
            session=SessionId(session), unlock=UnlockId(unlock), record=RecordId(record), n=3,
        )  # fmt: skip
        conn.execute("INSERT INTO audit_leaves VALUES (0, %s, %s)", [user, event])
    with delivering(records_db, keeper):
        until(lambda: state(records_db).next_index == 1)

    ((sent,),) = keeper.batches
    leaf = RecordsLeaf(user, event, int(RecordsEvent.RECORD_READ), at, app, session, unlock, record, 3, None)
    assert json.loads(sent.json)["raw_data"].encode() == leaf.encode()


def test_of_two_workers_one_delivers_and_the_other_takes_over(keys_db: TestDatabase) -> None:
    first, second, ids = Keeper(), Keeper(), fill(keys_db, 10)
    with delivering(keys_db, second):
        until(lambda: len(second.taken) == 10)
        with delivering(keys_db, first):
            ids += fill(keys_db, 10)
            until(lambda: len(second.taken) == 20)
            assert first.tries == 0
    third = Keeper()
    with delivering(keys_db, third):
        ids += fill(keys_db, 10)
        until(lambda: len(third.taken) == 10)

    assert second.taken + third.taken == ids


def test_the_lock_is_given_back_before_the_connection_goes_to_somebody_else(keys_db: TestDatabase) -> None:
    """A connection in the pool that still held it would keep everybody else from delivering for good."""
    db = keys_db.open("vault_worker_keys", size=1)
    delivery = Delivery(db, "keys", Keeper(), SiemMetrics.create(CollectorRegistry()), QUICK)
    stopped = threading.Event()
    stopped.set()
    delivery._hold_and_deliver(stopped)

    with db.connection() as conn:
        assert (
            conn.execute(
                "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            ).fetchall()
            == []
        )
    db.close()


def test_a_connection_that_breaks_between_sending_and_noting_it_repeats_the_events(
    keys_db: TestDatabase,
) -> None:
    """At least once: the second time under the same ids, so that a receiver can tell."""
    keeper, ids = Keeper(), fill(keys_db, 5)
    broken: list[int] = []

    def breaking(events: Sequence[OutgoingEvent]) -> None:
        if not broken:
            broken.append(len(events))
            keeper.batches.append(list(events))  # it has them, and then
            with keys_db.superuser() as conn:
                conn.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = %s AND usename = 'vault_worker_keys'""",
                    [keys_db.name],
                )

    keeper.fault = breaking
    with delivering(keys_db, keeper):
        until(lambda: len(keeper.taken) >= 10 and state(keys_db).behind == 0)
    assert keeper.taken[:5] == ids
    assert set(keeper.taken) == set(ids)


def test_figures_tell_how_far_behind_a_receiver_is(keys_db: TestDatabase) -> None:
    registry, keeper = CollectorRegistry(), Keeper()
    fill(keys_db, 10)
    keeper.fault = refuses(3)

    def figure(name: str) -> float | None:
        return registry.get_sample_value(name, {"receiver": "keeper"})

    with delivering(keys_db, keeper, registry=registry):
        until(lambda: figure("vault_siem_delivered_total") == 9 and figure("vault_siem_lag_events") == 0)
        until(lambda: figure("vault_siem_dead_letters") == 1)
        assert figure("vault_siem_set_aside_total") == 1
        keeper.fault = away
        fill(keys_db, 2)
        until(lambda: (figure("vault_siem_failures_in_a_row") or 0) > 1)
        assert figure("vault_siem_lag_events") == 2
        assert (figure("vault_siem_failures_total") or 0) > 1


@pytest.mark.parametrize("role", ["vault_auditor_keys", "vault_kms"])
def test_nobody_but_the_worker_moves_a_cursor(role: str, keys_db: TestDatabase) -> None:
    with keys_db.connect(role) as conn, pytest.raises(Exception, match="permission denied"):
        conn.execute("INSERT INTO audit_outbox (receiver, updated_at) VALUES ('x', now())")


def test_a_time_that_is_none_does_not_stop_the_stream(keys_db: TestDatabase) -> None:
    """A superuser's event at infinity is sent as the log has it."""
    fill(keys_db, 3)
    with keys_db.superuser() as conn:
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        conn.execute(
            """UPDATE audit_events SET at = 'infinity'
               WHERE event_id = (SELECT event_id FROM audit_leaves WHERE leaf_index = 1)"""
        )
    keeper = Keeper()
    with delivering(keys_db, keeper):
        until(lambda: len(keeper.taken) == 3)

    (strange,) = [event for batch in keeper.batches for event in batch if event.index == 1]
    assert b'"original_time":"Infinity"' in strange.json
    assert b'"time":0' in strange.json
