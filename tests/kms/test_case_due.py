"""A waiting period is over when two clocks and the ticks say so: moving one of them shortens nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from tests.kms.casework import CaseFile, ceremony_in, open_disclosure
from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import Vault
from vault_service.domain.case import case_time, from_case_time
from vault_service.domain.events import ASKED_TOO_EARLY, KeysEvent
from vault_service.domain.recovery_errors import CaseClosedError, NotDueError
from vault_service.kms.limits.sealing_watch import SealedReport
from vault_service.kms.service import KeyService
from vault_service.recovery.waiting import Waiting
from vault_service.storage.keys.executing import let_cases_wait

WAIT = timedelta(hours=1)


@pytest.fixture(scope="module")
def person(vault: Vault) -> Person:
    return enrol(vault, kms_of(vault))


@pytest.fixture
def file(vault: Vault, shared_service: KeyService, person: Person) -> Iterator[CaseFile]:
    """Opened an hour ago, approved, with an hour to wait; no measure says yet that it passed."""
    opened = shared_service.now() - WAIT
    file = open_disclosure(
        vault, shared_service, person, opened_at=case_time(opened), not_before=case_time(opened + WAIT)
    )
    file.approve("ana", "bob")
    file.service = replace(shared_service, now=lambda: opened + WAIT / 2)
    cosigned(file, opened)
    yield file
    cosigned(file, None)


def due(file: CaseFile) -> datetime:
    return from_case_time(file.case.not_before)


def cosigned(file: CaseFile, at: datetime | None) -> None:
    """As a report of the keys worker leaves it."""
    seconds = None if at is None else int(at.timestamp())
    file.service.sealing.reported("keys", SealedReport(0, 0, 0.0, True, seconds))


def kms_clock(file: CaseFile, at: datetime) -> None:
    file.service = replace(file.service, now=lambda: at)


def ticks(file: CaseFile, seconds: float) -> None:
    file.write("waited_s = %(seconds)s", seconds=seconds)


def last_digest(file: CaseFile) -> bytes:
    with file.vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT digest FROM audit_events WHERE case_id = %s ORDER BY event_id DESC LIMIT 1",
            [file.case.case_id],
        ).fetchone()
    assert row is not None
    assert isinstance(row[0], bytes)
    return row[0]


def opens(file: CaseFile) -> bool:
    """Both calls judge alike."""
    events = file.events.count(KeysEvent.CEREMONY_REFUSED)
    try:
        ceremony_in(file.service).open(file.case.case_id)
    except NotDueError:
        assert file.events.count(KeysEvent.CEREMONY_REFUSED) == events + 1
        assert last_digest(file) == ASKED_TOO_EARLY
        return False
    return True


def test_it_is_due_when_every_measure_says_so(file: CaseFile) -> None:
    kms_clock(file, due(file))
    ticks(file, WAIT.total_seconds())
    cosigned(file, due(file) + timedelta(seconds=1))

    assert opens(file)


@pytest.mark.parametrize("moved", ["kms clock", "cosigner's clock", "ticks"])
def test_one_measure_alone_shortens_nothing(file: CaseFile, moved: str) -> None:
    """Such as a clock that somebody set forward by a year, or a column that a superuser raised."""
    if moved == "kms clock":
        kms_clock(file, due(file) + timedelta(days=1))
    elif moved == "cosigner's clock":
        cosigned(file, due(file) + timedelta(days=365))
    else:
        ticks(file, 1e9)

    assert not opens(file)


@pytest.mark.parametrize("missing", ["kms clock", "cosigner's clock", "ticks"])
def test_nor_do_any_two_of_them(file: CaseFile, missing: str) -> None:
    if missing != "kms clock":
        kms_clock(file, due(file) + timedelta(hours=1))
    if missing != "cosigner's clock":
        cosigned(file, due(file) + timedelta(days=365))
    if missing != "ticks":
        ticks(file, 1e9)

    assert not opens(file)


def test_nobody_having_cosigned_yet_is_not_due(file: CaseFile) -> None:
    kms_clock(file, due(file))
    ticks(file, 1e9)
    cosigned(file, None)

    assert not opens(file)


def test_where_no_cosignature_is_demanded_ticks_and_clock_remain(file: CaseFile) -> None:
    kms_clock(file, due(file))
    cosigned(file, None)
    file.service = replace(file.service, witnesses=())

    assert not opens(file)
    ticks(file, WAIT.total_seconds())
    assert opens(file)


def test_a_case_that_waits_longer_than_the_policy_demands_keeps_its_own_wait(file: CaseFile) -> None:
    """The rig's policy lets nobody wait: whoever lowers the file shortens no case that is open."""
    assert file.service.policies.recovery.waiting_of("disclosure") == 0

    assert not opens(file)


def test_a_policy_that_became_stricter_holds_for_open_cases_too(file: CaseFile) -> None:
    kms_clock(file, due(file))
    ticks(file, WAIT.total_seconds())
    cosigned(file, due(file) + timedelta(seconds=1))
    policies = file.service.policies
    waits = msgspec.structs.replace(policies.recovery.waiting_s, disclosure=2 * WAIT.total_seconds())
    stricter = msgspec.structs.replace(policies.recovery, waiting_s=waits)
    file.service = replace(file.service, policies=msgspec.structs.replace(policies, recovery=stricter))

    assert not opens(file)


def test_peel_judges_it_again(file: CaseFile) -> None:
    kms_clock(file, due(file))
    ticks(file, WAIT.total_seconds())
    cosigned(file, due(file) + timedelta(seconds=1))
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    ticks(file, 0)

    with pytest.raises(NotDueError):
        ceremony.peel(file.case.case_id)
    assert file.events[-1] is KeysEvent.PEEL_REFUSED


def test_an_expired_case_is_over_also_when_nobody_wrote_it_down(file: CaseFile) -> None:
    kms_clock(file, from_case_time(file.case.expires_at))
    ticks(file, WAIT.total_seconds())
    cosigned(file, from_case_time(file.case.expires_at))

    with pytest.raises(CaseClosedError, match="expired"):
        ceremony_in(file.service).open(file.case.case_id)
    assert file.state == "open"


# --- the ticks


def waited(file: CaseFile) -> float:
    with file.vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT waited_s FROM cases WHERE case_id = %(case)s", {"case": file.case.case_id}
        ).fetchone()
    assert row is not None
    return float(str(row[0]))


def test_the_worker_adds_what_passed_and_after_a_pause_a_minute_at_most(vault: Vault, file: CaseFile) -> None:
    times = iter([100.0, 101.5, 5000.0, 5000.0, 4000.0])
    db = vault.keys.open("vault_worker_keys", size=1)
    try:
        waiting = Waiting(db, file.service.policies.recovery, clock=lambda: next(times))
        waiting.tick()
        assert waited(file) == 0.0  # nobody saw the time before pass
        waiting.tick()
        assert waited(file) == pytest.approx(1.5)
        for _ in range(3):  # a pause, no time at all, a clock that went back
            waiting.tick()
        assert waited(file) == pytest.approx(61.5)
    finally:
        db.close()


def test_two_workers_do_not_make_the_time_run_faster_than_the_database_s_own(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    now = shared_service.now()
    file = open_disclosure(
        vault, shared_service, person, opened_at=case_time(now), not_before=case_time(now + WAIT)
    )
    db = vault.keys.open("vault_worker_keys", size=1)
    try:
        with db.connection() as conn:
            for _ in range(100):
                let_cases_wait(conn, 30.0, 0.0)
    finally:
        db.close()

    assert waited(file) < WAIT.total_seconds() / 2


def test_what_is_decided_or_has_waited_long_enough_is_written_no_more(vault: Vault, file: CaseFile) -> None:
    db = vault.keys.open("vault_worker_keys", size=1)
    try:
        ticks(file, WAIT.total_seconds())
        with db.connection() as conn:
            let_cases_wait(conn, 1.0, 0.0)
        assert waited(file) == WAIT.total_seconds()
        ticks(file, 0)
        file.write("state = 'cancelled'")
        with db.connection() as conn:
            let_cases_wait(conn, 1.0, 0.0)
        assert waited(file) == 0.0
    finally:
        db.close()
