"""An officer finds any event among very many, in pages that miss none and cost little."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from tests.audit.planted import BEGIN, BUSY, CASE, CROWD, OFFICER, counting, plant, plant_crowd
from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from vault_service.audit.search import PAGE, Answer, Question, look_at, search
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import ASKED_TOO_EARLY
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.domain.logs import LogName
from vault_service.storage.audit.search import BUDGET, Filter, Place, find_events
from vault_service.storage.pool import Database

FEW = 40 * (PAGE + 1)  # rows that a page may read; a hundredth of what a walk through millions would


STRANGE = ("infinity", "-infinity", "4000-01-01 00:00:00 BC", "20000-01-01Z", "2026-09-05T05:05:05.25Z")


def _cursor(at: str) -> str:
    return base64.urlsafe_b64encode(f"{'0' * 64}k{at}".encode()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Logs:
    """Both, and the auditors' ways into them."""

    keys: TestDatabase
    records: TestDatabase
    databases: dict[LogName, Database]


@pytest.fixture(scope="module")
def logs(postgres: TestServer) -> Iterator[Logs]:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        for db in (keys, records):
            plant_crowd(db)
        with keys.superuser() as conn:
            conn.execute(
                """INSERT INTO audit_events (user_id, event_id, kind, at)
                   SELECT %s, ('0192' || lpad(to_hex(n), 28, '0'))::uuid, %s, %s + n * interval '1 ms'
                   FROM generate_series(1, %s) n""",
                [BUSY, int(K.UNLOCKED), BEGIN, BUDGET + 5000],
            )
            conn.execute("ANALYZE")
        opened: dict[LogName, Database] = {
            "keys": keys.open("vault_auditor_keys", size=1),
            "records": records.open("vault_auditor_records", size=1),
        }
        plant(keys, "2026-01-01T02:00Z", K.CASE_APPROVED, event=new_uuid(), case=CASE, officer=OFFICER)
        yield Logs(keys, records, opened)
        for pool in opened.values():
            pool.close()


@pytest.mark.parametrize("log", ["keys", "records"])
@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(kinds=(int(K.CASE_APPROVED),)),
        Filter(kinds=(int(K.UNLOCKED), int(K.OFFICER_REFUSED), int(R.RECORD_READ))),
        Filter(since="2026-01-01T03:00Z", until="2026-01-01T03:10Z"),
        Filter(since="2020-01-01T00:00Z", until="2020-02-01T00:00Z"),
        Filter(user=UUID(int=1)),
        Filter(user=BUSY),
        Filter(case=CASE),
        Filter(officer=OFFICER, kinds=(int(K.CASE_VETOED),)),
    ],
    ids=["nothing", "a rare kind", "three kinds", "ten minutes", "no such time", "nobody known",
         "somebody busy", "a case", "an officer"],
)  # fmt: skip
def test_a_page_reads_a_few_rows_of_the_log(logs: Logs, log: LogName, wanted: Filter) -> None:
    with counting(logs.databases[log]) as (conn, read):
        find_events(conn, log, wanted, Place(), PAGE + 1)

    assert read[0] < FEW < CROWD


def test_of_somebody_busy_only_so_many_are_looked_at_for_a_page(logs: Logs) -> None:
    with counting(logs.databases["keys"]) as (conn, read):
        find_events(conn, "keys", Filter(user=BUSY, kinds=(int(K.LOGIN_CHANGED),)), Place(), PAGE + 1)

    assert read[0] < 2 * BUDGET + FEW  # to filter them, and to find where the next page begins


def test_what_lies_beyond_is_on_the_next_page_and_the_other_log_waits_for_it(logs: Logs) -> None:
    """Nothing is passed over in silence, and nothing is told twice."""
    old = [UUID("01910000-0000-0000-0000-000000000000"), UUID("01900000-0000-0000-0000-000000000000")]
    plant(logs.keys, "2025-12-31T12:00Z", K.LOGIN_CHANGED, event=old[1])
    plant(logs.records, "2025-12-31T12:01Z", R.LOGIN_CHANGED, event=old[0])
    question = Question(user=BUSY, kinds=(K.LOGIN_CHANGED, R.LOGIN_CHANGED))

    first = search(logs.databases, question)

    assert (first.events, first.incomplete) == ((), True)
    assert _all_pages(logs.databases, question) == old


def _all_pages(databases: dict[LogName, Database], question: Question) -> list[UUID]:
    found: list[UUID] = []
    answer: Answer | None = None
    while answer is None or answer.next is not None:
        answer = search(databases, question, "" if answer is None else answer.next or "")
        found += [each.event for each in answer.events]
        assert len(found) < 20 * PAGE, "it goes round"
    return found


@pytest.fixture(scope="module")
def small(postgres: TestServer) -> Iterator[Logs]:
    """With events whose times and ids somebody with power over the database chose, and 120 at one moment."""
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        for db, kind in ((keys, K.UNLOCKED), (records, R.SESSION_OPENED)):
            for at in STRANGE:
                plant(db, at, kind, event=new_uuid())
            for number in range(60):
                plant(db, "2026-03-03Z", kind, event=UUID(int=number), user=UUID(int=number + 100))
                plant(db, "2026-03-03Z", kind, event=UUID(int=2**128 - 1), user=UUID(int=number + 500))
        plant(keys, "2026-04-04Z", K.CASE_APPROVED, event=new_uuid(), case=CASE, officer=OFFICER)
        plant(keys, "2026-02-02Z", K.CASE_VETOED, event=new_uuid(), case=CASE, officer=OFFICER)
        opened: dict[LogName, Database] = {
            "keys": keys.open("vault_auditor_keys", size=1),
            "records": records.open("vault_auditor_records", size=1),
        }
        yield Logs(keys, records, opened)
        for pool in opened.values():
            pool.close()


def _count(db: TestDatabase) -> int:
    with db.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM audit_events").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_pages_show_every_event_of_both_logs_once(small: Logs) -> None:
    shown = _all_pages(small.databases, Question())

    assert len(shown) == _count(small.keys) + _count(small.records) > 5 * PAGE


def test_what_both_logs_have_of_somebody_is_shown_from_both_once(small: Logs) -> None:
    """A regain has one id in both; where a page ends between the two, neither is lost nor told again."""
    user, count = UUID(int=4711), PAGE + 1
    plant(small.keys, "2022-02-03Z", K.UNLOCKED, event=UUID(int=count + 1), user=user)
    for number in range(count):
        for db, kind in ((small.keys, K.ACCESS_REGAINED), (small.records, R.ACCESS_REGAINED)):
            plant(db, "2022-02-02Z", kind, event=UUID(int=number + 1), user=user)

    for question in (
        Question(user=user),
        Question(until=BEGIN.replace(year=2023), since=BEGIN.replace(year=2022)),
    ):
        assert len(_all_pages(small.databases, question)) == 2 * count + 1


def test_they_are_ordered_as_the_databases_order_them(small: Logs) -> None:
    """Two orders would lose events where one page ends."""
    first = search(small.databases, Question())

    assert [each.at_text[:8] for each in first.events[:5]] == ["infinity"] * 2 + ["20000-01"] * 2 + [
        "2026-09-"
    ]


def test_newest_come_first_whichever_log_they_stand_in(small: Logs) -> None:
    answer = search(
        small.databases, Question(since=BEGIN.replace(month=3, day=4), until=BEGIN.replace(year=2027))
    )

    assert [each.log for each in answer.events] == ["records", "keys", "keys"]
    assert [each.kind for each in answer.events] == ["session_opened", "unlocked", "case_approved"]


def test_an_event_that_was_given_no_time_of_this_world_is_shown_all_the_same(small: Logs) -> None:
    first = search(small.databases, Question(logs=("keys",))).events[0]

    assert (first.at, first.at_text) == (None, "infinity")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (lambda: Question(user=UUID(int=101)), 2),
        (lambda: Question(user=UUID(int=101), logs=("records",)), 1),
        (lambda: Question(kinds=(R.SESSION_OPENED,), user=UUID(int=101)), 1),
        (lambda: Question(kinds=(K.CASE_VETOED,)), 1),
        (lambda: Question(case=CASE), 2),
        (lambda: Question(case=CASE, officer=UUID(int=3)), 0),
        (lambda: Question(officer=OFFICER, kinds=(K.CASE_VETOED,)), 1),
        (lambda: Question(officer=OFFICER, since=BEGIN.replace(month=4)), 1),
        (
            lambda: Question(user=BUSY, until=BEGIN.replace(year=2000)),
            4,
        ),  # before Christ, and never, in both logs
    ],
)
def test_what_is_asked_for_is_found_and_nothing_else(
    small: Logs, question: Callable[[], Question], expected: int
) -> None:
    assert len(search(small.databases, question()).events) == expected


def test_the_same_event_of_both_logs_is_seen_beside_the_other(small: Logs) -> None:
    event = new_uuid()
    plant(small.keys, "2023-04-04Z", K.ACCESS_REGAINED, event=event, user=OFFICER)
    plant(small.records, "2023-04-04Z", R.ACCESS_REGAINED, event=event, user=OFFICER)

    assert [each.log for each in look_at(small.databases, OFFICER, event)] == ["keys", "records"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "A" * 300, "é", "MDAw", "AAAA\n", _cursor("now"), _cursor("99999-02-31 00:00:00+00"), _cursor("")],
)
def test_a_page_that_nobody_gave_is_refused(small: Logs, cursor: str) -> None:
    with pytest.raises(InvalidInputError):
        search(small.databases, Question(), cursor)


def test_nobody_is_not_somebody_to_look_for() -> None:
    """Millions of refused sign-ins stand under the id of nobody."""
    with pytest.raises(InvalidInputError):
        Question(user=NOBODY)


def test_what_was_asked_has_a_digest_of_its_own() -> None:
    asked = [Question(), Question(user=BUSY), Question(case=BUSY), Question(officer=BUSY),
             Question(kinds=(K.UNLOCKED,)), Question(kinds=(R.USER_ACTIVATED,)), Question(since=BEGIN),
             Question(until=BEGIN), Question(logs=("keys",))]  # fmt: skip

    assert len({each.digest() for each in asked}) == len(asked)


def test_a_ceremony_that_asked_a_second_too_early_calls_nobody_and_each_other_refusal_does(
    logs: Logs,
) -> None:
    """The first stands after every waiting period. Nobody may overlook wrong break-glass words for it."""
    grave = {
        plant(logs.keys, "2026-01-02T02:00Z", K.CEREMONY_REFUSED, event=new_uuid(), case=CASE, **said): called
        for called, said in (
            (False, {"digest": ASKED_TOO_EARLY}),
            (True, {"digest": b"c" * 32}),
            (True, {"officer": OFFICER}),
            (True, {}),
        )
    }  # fmt: skip

    found = search(logs.databases, Question(kinds=(K.CEREMONY_REFUSED,), case=CASE)).events

    assert all(each.failed for each in found)
    assert {each.event: each.grave for each in found} == grave
