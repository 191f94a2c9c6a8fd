"""P8: nothing that matters happens without an audit event in the same transaction.

Three looks at each flow: which events it leaves; that whatever rows it wrote were written by
transactions that wrote an event; and that nothing happens when no event can be written.
"""

import contextlib
from collections.abc import Iterator

import pytest

from tests.ceremony.escrow_fixtures import Born
from tests.promises.flows import NAME, Flow, Life, as_expected
from tests.promises.recovery_flows import FLOWS
from tests.promises.state import BOOKKEEPING, State
from tests.rig.postgres import TestDatabase
from vault_service.client import UnavailableError
from vault_service.domain.errors import UnavailableError as UnavailableInside
from vault_service.domain.events import KeysEvent, RecordsEvent

pytestmark = pytest.mark.slow


@pytest.fixture(params=FLOWS)
def flow(request: pytest.FixtureRequest) -> Flow:
    return FLOWS[request.param]


def test_each_flow_leaves_its_events_in_the_transactions_of_its_changes(life: Life, flow: Flow) -> None:
    act = flow.begin(life)
    keys, records = State.of(life.vault.keys), State.of(life.vault.records)

    with as_expected(flow.refused):
        act()

    for database, before, kinds in (
        (life.vault.keys, keys, flow.keys),
        (life.vault.records, records, flow.records),
    ):
        new = State.of(database).since(before)
        assert new.kinds == {int(kind) for kind in kinds}
        recorded = {tx % 2**32 for tx, _ in new.events.values()}  # xmin has 32 bits, tx has 64
        alone = {table for (table, _), xmin in new.rows.items() if xmin not in recorded}
        assert alone <= BOOKKEEPING, "rows that were written without an event in their transaction"


@pytest.mark.parametrize("side", ["keys", "records"])
def test_nothing_happens_when_no_event_can_be_written(life: Life, flow: Flow, side: str) -> None:
    if not (flow.keys if side == "keys" else flow.records):
        return
    act = flow.begin(life)
    database = life.vault.keys if side == "keys" else life.vault.records
    before = State.of(database)

    with no_audit(database), pytest.raises((UnavailableError, UnavailableInside)):
        act()

    after = State.of(database)
    assert (after.data, after.events) == (before.data, before.events)


@pytest.mark.parametrize("side", ["keys", "records"])
def test_service_goes_on_when_events_can_be_written_again(life: Life, side: str) -> None:
    who = life.somebody()
    database = life.vault.keys if side == "keys" else life.vault.records
    with no_audit(database), pytest.raises(UnavailableError):
        who.sign_in()
    with who.sign_in() as session:
        assert session.records.get(who.note).fields == {"title": NAME}


def test_an_unlock_stands_in_both_trails_under_one_id(life: Life) -> None:
    """So that whoever has both can tell a session that no unlock stands behind."""
    who = life.somebody()
    named = []
    for database, kind in (
        (life.vault.keys, KeysEvent.UNLOCKED),
        (life.vault.records, RecordsEvent.SESSION_OPENED),
        (life.vault.records, RecordsEvent.RECORD_CREATED),
    ):
        with database.superuser() as conn:
            query = "SELECT DISTINCT unlock_id FROM audit_events WHERE user_id = %(u)s AND kind = %(k)s"
            named += conn.execute(query, {"u": who.user, "k": int(kind)}).fetchall()
    assert len(named) == 3
    assert len(set(named)) == 1
    assert named[0] != (None,)


def test_genesis_is_recorded_with_what_it_made(born: Born) -> None:
    state = State.of(born.keys)
    for kind, tables in (
        (KeysEvent.MANIFEST_SIGNED, {"manifests"}),
        (KeysEvent.SHARES_STORED, {"shares", "pin_generations"}),
    ):
        (tx,) = {tx for tx, event in state.events.values() if event == int(kind)}
        assert {xmin for (table, _), xmin in state.rows.items() if table in tables} == {tx % 2**32}


@contextlib.contextmanager
def no_audit(database: TestDatabase) -> Iterator[None]:
    """As if the trail's table could not be written."""
    users_side = "user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id, n"
    columns = {
        "vault_kms": "user_id, event_id, kind, at, app_id, unlock_id, epoch, login_index, digest",
        "vault_recovery": "user_id, event_id, kind, at, digest, case_id, officer_id",
        "vault_api": users_side,
        "vault_worker_records": f"{users_side}, digest",
    }
    roles = {"keys": ("vault_kms", "vault_recovery"), "records": ("vault_api", "vault_worker_records")}

    def say(statement: str) -> None:
        with database.superuser() as conn:
            for role in roles[database.side]:
                conn.execute(statement.format(columns=columns[role], role=role).encode())

    say("REVOKE INSERT ({columns}) ON audit_events FROM {role}")
    try:
        yield
    finally:
        say("GRANT INSERT ({columns}) ON audit_events TO {role}")
