"""P10: no event, no action. A trail that hangs gets 503 for whatever it would record, on either side.

The time-outs that make it two seconds stand in storage/roles.py, where a test adds them up.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.promises.every_call import (
    NAME,
    REFUSALS,
    ROUTES,
    SILENT,
    Asked,
    ask_all,
    call_all,
    people_for,
    people_of,
    prepare_all,
)
from tests.promises.recovery_calls import KMS_CALLS, KMS_SILENT
from tests.promises.state import State
from tests.promises.test_p10_parts_that_go_away import assert_unavailable, back_by_itself
from tests.rig.postgres import TestDatabase
from tests.rig.vault import Vault
from vault_service.api.routes import ROUTES as DECLARED
from vault_service.domain.errors import OutcomeUnknownError, UnavailableError
from vault_service.kms.protocol.messages import REQUESTS
from vault_service.storage.roles import SIDES, Side

pytestmark = pytest.mark.slow


@contextmanager
def trail_hangs(database: TestDatabase) -> Iterator[None]:
    """Somebody holds the table, and neither lets go nor ends."""
    with database.superuser() as other, other.transaction():
        other.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        yield


def database_of(vault: Vault, side: Side) -> TestDatabase:
    return vault.keys if side == "keys" else vault.records


def recorded_in(side: Side) -> dict[str, Asked]:
    return {name: each for name, each in (ROUTES | REFUSALS).items() if side in each.trails}


def test_every_route_and_every_call_of_the_key_service_is_tried() -> None:
    """A new one without its event would be missed otherwise."""
    assert ROUTES.keys() | SILENT == {each.name for each in DECLARED}
    assert not ROUTES.keys() & SILENT
    assert KMS_CALLS.keys() | KMS_SILENT.keys() == REQUESTS.keys()


@pytest.mark.parametrize("side", ["keys", "records"])
def test_while_a_trail_hangs_all_that_it_would_record_is_refused_and_nothing_is_done(
    served: Vault, side: Side
) -> None:
    asked = recorded_in(side)
    people = people_for(served, asked)
    before = {each: State.of(database_of(served, each)) for each in SIDES}

    with trail_hangs(database_of(served, side)):
        answers = ask_all(asked, people)

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(asked, 503)
    for answer in answers.values():
        assert_unavailable(answer)
        assert NAME not in answer.text
    for each in SIDES:
        assert State.of(database_of(served, each)).data == before[each].data
    assert State.of(database_of(served, side)).events == before[side].events


def test_while_the_keys_trail_hangs_open_sessions_go_on(served: Vault) -> None:
    """What is recorded on the records side only."""
    asked = {name: each for name, each in ROUTES.items() if each.trails == {"records"}}
    people = people_for(served, asked)

    with trail_hangs(served.keys):
        answers = ask_all(asked, people)

    assert [name for name, answer in answers.items() if not answer.is_success] == []


@pytest.mark.parametrize("side", ["keys", "records"])
def test_when_a_trail_hangs_no_longer_service_goes_on_by_itself(served: Vault, side: Side) -> None:
    (who,) = people_of(served, 1)
    with trail_hangs(database_of(served, side)):
        assert_unavailable(ROUTES["sign_in"].send(who))
        assert_unavailable(ROUTES["ready"].send(who))

    for name in ("ready", "sign_in", "read_record", "create_record", "change_password"):
        back_by_itself(lambda name=name: ROUTES[name].send(who))  # type: ignore[misc]


def test_while_its_trail_hangs_the_key_service_refuses_every_call(own_vault: Vault) -> None:
    """Each caller's, and none is left with an outcome that is not known: nothing was committed."""
    own_vault.start_forked_api()
    people = people_of(own_vault, len(KMS_CALLS))
    prepare_all(KMS_CALLS, people)
    prepare_all(KMS_SILENT, people)
    before = State.of(own_vault.keys)

    with trail_hangs(own_vault.keys):
        refused = call_all(KMS_CALLS, people)
        silent = call_all(KMS_SILENT, people)

    assert {name: isinstance(error, UnavailableError) for name, error in refused.items()} == dict.fromkeys(
        KMS_CALLS, True
    )
    assert not any(isinstance(error, OutcomeUnknownError) for error in refused.values())
    assert silent == dict.fromkeys(KMS_SILENT)
    after = State.of(own_vault.keys)
    assert (after.data, after.events) == (before.data, before.events)

    again = call_all(KMS_CALLS, people, at_once=1)  # the app is revoked last
    assert [error for error in again.values() if error is not None] == []
