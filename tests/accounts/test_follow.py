"""What officers did on the keys side reaches the records side: once, in order, whatever was lost between."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb
from structlog.testing import capture_logs

from tests.accounts.followed import Followed, Subject, followed
from tests.accounts.state import lives
from tests.promises.inside import rows_of
from tests.rig.leaves import plant
from tests.rig.postgres import TestServer
from tests.rig.vault import PASSWORD, Vault, vault_of_its_own
from vault_service.accounts.across import begin_intent, end_older_sessions
from vault_service.accounts.erase import erase
from vault_service.accounts.follow import follow_keys
from vault_service.accounts.sign_in import sign_in
from vault_service.domain.errors import DatabaseUnavailableError, LoginRefusedError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import NOBODY
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.message_base import Answer, Request
from vault_service.kms.protocol.recovery_messages import Changes, ChangesSince
from vault_service.storage.records.follow import Followed as Cursor
from vault_service.storage.records.follow import move_followed

_A = TypeVar("_A", bound=Answer)


@pytest.fixture(scope="module")
def log(scratch: Path, postgres: TestServer) -> Iterator[Followed]:
    """A vault of this module's own, since its keys log is sealed."""
    with (
        vault_of_its_own(scratch, postgres) as vault,
        followed(vault) as log,
    ):
        yield log


@pytest.fixture
def ana(log: Followed) -> Subject:
    return log.person()


def named(kind: RecordsEvent, event: object) -> tuple[str, str]:
    return str(int(kind)), str(event)


def test_sessions_of_before_a_regain_end_and_the_subject_sees_who_was_given_access(
    log: Followed, ana: Subject
) -> None:
    event = ana.officers(KeysEvent.ACCESS_REGAINED, digest=b"\xca" * 32)
    ana.raise_epoch()

    log.follow()

    assert not lives(log.api, ana.token)
    assert rows_of(log.vault.records, "sessions", ana.user) == []
    assert ana.trail()[-1] == named(RecordsEvent.ACCESS_REGAINED, event)


def test_nothing_is_followed_before_it_is_sealed(log: Followed, ana: Subject) -> None:
    """What is not in the log yet may stand in another order in the end."""
    log.seal()
    ana.officers(KeysEvent.ACCESS_REGAINED)
    ana.raise_epoch()

    follow_keys(log.worker)

    assert lives(log.api, ana.token)


def test_a_session_of_the_new_password_goes_on(log: Followed, ana: Subject) -> None:
    """The first login after a regain may be faster than the worker."""
    ana.officers(KeysEvent.ACCESS_REGAINED)  # at the epoch of this very session

    log.follow()

    assert lives(log.api, ana.token)
    assert "access_regained" in ana.sees()


def test_rows_of_somebody_whom_officers_erased_are_deleted(log: Followed, ana: Subject) -> None:
    event = ana.officers(KeysEvent.ERASED_BY_OFFICERS)
    ana.destroy_wraps()

    log.follow()

    for table in ("users", "sessions", "records"):
        assert rows_of(log.vault.records, table, ana.user) == []
    assert named(RecordsEvent.ERASED_BY_OFFICERS, event) in ana.trail()


def test_nothing_is_deleted_while_the_wraps_are_there(log: Followed, ana: Subject) -> None:
    """A keys database in which it did not happen, or an event that somebody has forged."""
    ana.officers(KeysEvent.ERASED_BY_OFFICERS)

    log.follow()

    assert lives(log.api, ana.token)


def test_a_sign_in_that_was_under_way_does_not_outlive_an_erasure_by_officers(
    log: Followed, ana: Subject
) -> None:
    class Slow(KmsClient):
        """The key service opens the DEK just before the officers' erasure."""

        def call(self, request: Request, answer: type[_A]) -> _A:
            opened = super().call(request, answer)
            ana.officers(KeysEvent.ERASED_BY_OFFICERS)
            ana.destroy_wraps()
            log.follow()
            return opened

    late = replace(log.api, kms=Slow(log.vault.socket("api")))

    with pytest.raises(LoginRefusedError):
        sign_in(late, log.vault.app_key, ana.login, PASSWORD)
    assert rows_of(log.vault.records, "users", ana.user) == []


def test_looking_up_is_shown_to_whom_it_is_about_and_to_nobody_else(log: Followed, ana: Subject) -> None:
    event = ana.officers(KeysEvent.USER_LOOKED_UP)
    nobodys = plant(log.vault.keys, KeysEvent.USER_LOOKED_UP, NOBODY)

    log.follow()

    assert named(RecordsEvent.OFFICER_LOOKED_UP, event) in ana.trail()
    assert ana.sees().count("officer_looked_up") == 1
    with log.vault.records.superuser() as conn:
        assert conn.execute("SELECT FROM audit_events WHERE event_id = %s", (nobodys,)).fetchall() == []


def test_a_disclosure_shows_once_the_policy_lets_it(log: Followed, ana: Subject) -> None:
    rule = msgspec.structs.replace(log.worker.policies.recovery.disclosure, show_after_s=3600.0)
    recovery = msgspec.structs.replace(log.worker.policies.recovery, disclosure=rule)
    policies = msgspec.structs.replace(log.worker.policies, recovery=recovery)
    held = replace(log.worker, policies=policies)
    event = ana.officers(KeysEvent.DATA_DISCLOSED, digest=b"\xd1" * 32)

    log.follow(held)
    assert "data_disclosed" not in ana.sees()

    an_hour_later = replace(held, now=lambda: log.worker.now() + timedelta(seconds=3601))
    for _ in range(2):
        log.follow(an_hour_later)
        log.put_cursor(1, 0)
    assert ana.trail().count(named(RecordsEvent.DATA_DISCLOSED, event)) == 1
    assert ana.sees().count("data_disclosed") == 1
    assert rows_of(log.vault.records, "officer_actions", ana.user) == []


@pytest.mark.parametrize(
    ("generation", "next_index"),
    [(1, 0), (1, 10_000_000), (7, 3)],
    ids=["a restored records database", "a shorter keys log", "another keys log"],
)
def test_from_wherever_it_begins_everything_is_there_once(
    log: Followed, ana: Subject, generation: int, next_index: int
) -> None:
    log.follow()
    event = ana.officers(KeysEvent.ACCESS_REGAINED)
    ana.raise_epoch()
    log.put_cursor(generation, next_index)

    log.follow()
    end = log.cursor()
    log.follow()

    assert ana.trail().count(named(RecordsEvent.ACCESS_REGAINED, event)) == 1
    assert not lives(log.api, ana.token)
    assert log.cursor() == end
    assert end[0] == 1


def test_a_log_is_followed_page_by_page(log: Followed) -> None:
    class Narrow(KmsClient):
        """Asks for two at a time."""

        def call(self, request: Request, answer: type[_A]) -> _A:
            assert isinstance(request, ChangesSince)
            return super().call(msgspec.structs.replace(request, limit=2), answer)

    people = [log.person() for _ in range(3)]
    events = [who.officers(KeysEvent.USER_LOOKED_UP) for who in people for _ in range(2)]
    with_pages = replace(log.worker, kms=Narrow(log.vault.socket("worker_records")))

    log.follow(with_pages)

    copied = [event for who in people for _, event in who.trail()]
    assert {str(event) for event in events} <= set(copied)


def test_a_kind_of_a_newer_key_service_holds_up_nothing(log: Followed, ana: Subject) -> None:
    class Newer(KmsClient):
        def call(self, request: Request, answer: type[_A]) -> _A:
            found = super().call(request, answer)
            assert isinstance(found, Changes)
            odd = [
                msgspec.structs.replace(each, kind="moved_to_the_moon") if each.event_id == strange else each
                for each in found.changes
            ]
            return msgspec.structs.replace(found, changes=tuple(odd))

    strange = ana.officers(KeysEvent.USER_LOOKED_UP)
    known = ana.officers(KeysEvent.USER_LOOKED_UP)

    with capture_logs() as logs:
        log.follow(replace(log.worker, kms=Newer(log.vault.socket("worker_records"))))

    assert [event for _, event in ana.trail()].count(str(known)) == 1
    assert [each["kind"] for each in logs if each["event"] == "follow.unknown_kind"] == ["moved_to_the_moon"]


@contextmanager
def stuck(vault: Vault, ana: Subject) -> Iterator[None]:
    """Deleting this person's sessions takes too long."""
    with vault.records.superuser() as conn:
        conn.execute(
            """CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'as if its time were over' USING ERRCODE = 'query_canceled'; END $$"""
        )
        trigger = "CREATE TRIGGER stuck BEFORE DELETE ON sessions FOR EACH ROW WHEN (OLD.user_id = {}) "
        conn.execute(sql.SQL(trigger + "EXECUTE FUNCTION stuck()").format(sql.Literal(ana.user)))
        try:
            yield
        finally:
            conn.execute("DROP FUNCTION stuck CASCADE")


def test_whom_it_cannot_follow_holds_up_nobody_else_and_is_tried_again(log: Followed, ana: Subject) -> None:
    bob = log.person()
    log.follow()
    before = log.cursor()
    for who in (ana, bob):
        who.officers(KeysEvent.ACCESS_REGAINED)
        who.raise_epoch()

    with stuck(log.vault, ana), capture_logs() as logs, pytest.raises(DatabaseUnavailableError):
        log.follow()

    assert rows_of(log.vault.records, "sessions", bob.user) == []
    assert log.cursor() == before, "else nobody would come back to it"
    assert [each["code"] for each in logs if each["event"] == "follow.failed"]
    log.follow()
    assert rows_of(log.vault.records, "sessions", ana.user) == []
    assert [kind for kind, _ in bob.trail()].count(str(int(RecordsEvent.ACCESS_REGAINED))) == 1


def test_two_workers_do_not_put_the_cursor_back(log: Followed, ana: Subject) -> None:
    del ana
    log.follow()
    generation, at = log.cursor()

    with log.worker.db.connection() as conn:
        assert not move_followed(conn, Cursor(generation, at - 1), Cursor(generation, 0))

    assert log.cursor() == (generation, at)


def test_rows_of_an_erased_account_that_a_restored_backup_brought_back_go_again(
    log: Followed, ana: Subject
) -> None:
    kept = {table: rows_of(log.vault.records, table, ana.user) for table in ("users", "sessions")}
    erase(log.api, ana.token, PASSWORD)
    with log.vault.records.superuser() as conn:
        for table, rows in kept.items():
            for row in rows:
                statement = sql.SQL("INSERT INTO {0} SELECT * FROM jsonb_populate_record(NULL::{0}, %s)")
                conn.execute(statement.format(sql.Identifier(table)), [Jsonb(row.columns)])
    assert lives(log.api, ana.token), "the session's secret opens what the backup holds"
    log.put_cursor(1, 0)

    log.follow()

    assert not lives(log.api, ana.token)
    assert rows_of(log.vault.records, "users", ana.user) == []


def test_sessions_that_know_a_data_key_of_before_only_end_wherever_they_come_from(
    log: Followed, ana: Subject
) -> None:
    """A restored records database brings them back: what they wrote would be under a key that is gone."""
    event = ana.officers(KeysEvent.DATA_KEY_ADDED)
    ana.raise_epoch()

    for _ in range(2):
        log.follow()
        log.put_cursor(1, 0)

    assert not lives(log.api, ana.token)
    assert ana.trail().count(named(RecordsEvent.DATA_KEY_CHANGED, event)) == 1
    assert len([kind for kind, _ in ana.trail() if kind == str(int(RecordsEvent.DATA_KEY_CHANGED))]) == 1


def test_a_change_of_the_data_key_that_is_under_way_is_told_once(log: Followed, ana: Subject) -> None:
    intent = begin_intent(log.api, ana.user, "data-key", 1)
    ana.officers(KeysEvent.DATA_KEY_ADDED)
    ana.raise_epoch()

    log.follow()
    assert not lives(log.api, ana.token)
    end_older_sessions(log.api, intent, 2)

    assert [kind for kind, _ in ana.trail()].count(str(int(RecordsEvent.DATA_KEY_CHANGED))) == 1


def test_an_erasure_that_is_under_way_is_left_to_itself(log: Followed, ana: Subject) -> None:
    begin_intent(log.api, ana.user, "erase", 1)
    ana.officers(KeysEvent.USER_ERASED)
    ana.destroy_wraps()

    log.follow()

    assert rows_of(log.vault.records, "users", ana.user) != []
