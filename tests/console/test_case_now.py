"""What the page of a case asks again and again: whether it shows what there is."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import pytest

from tests.console.casework import approve
from tests.console.desk import Answer, Browser, Desk
from vault_service.crypto.approvals import Judgement
from vault_service.crypto.approvals import judge as really_judge
from vault_service.domain.case import Case
from vault_service.domain.ids import CaseId
from vault_service.recovery.case_version import case_version
from vault_service.storage.keys.case_rows import rows_of_case

SCRIPT = {"Sec-Fetch-Mode": "cors", "Accept": "application/json"}


@pytest.fixture
def dora(desk: Desk) -> Browser:
    """Of each test's own: one of them lets time pass."""
    return desk.signed_in("dora")


def ask(browser: Browser, case: UUID) -> Answer:
    return browser.get(f"/cases/{case}/now", **SCRIPT)


def now(browser: Browser, case: UUID) -> str:
    answer = ask(browser, case)
    assert answer.status_code == 200
    shows: str = answer.json["shows"]
    return shows


def on_the_page(browser: Browser, case: UUID) -> str:
    found = re.search(
        rf'data-case="{case}" data-shows="([0-9a-f]{{64}})"', browser.get(f"/cases/{case}").text
    )
    assert found is not None
    return found[1]


HAPPENS: dict[str, Callable[[Desk, Browser, UUID], object]] = {
    "another officer approves": lambda desk, _, case: desk.office.sign(case, "ana"),
    "another officer rejects": lambda desk, _, case: desk.office.veto(case, "ana"),
    "one approves": lambda desk, dora, case: approve(dora, desk.people["dora"], case),
    "it is cancelled": lambda desk, _, case: desk.sql(
        "UPDATE cases SET state = 'cancelled' WHERE case_id = %(case)s", case=case
    ),
}


@pytest.mark.parametrize("happens", HAPPENS)
def test_an_open_page_learns_that_there_is_something_else_to_be_shown(
    desk: Desk, dora: Browser, happens: str
) -> None:
    case = desk.office.open("key-ceremony")
    before = on_the_page(dora, case)
    assert now(dora, case) == before == now(dora, case)

    HAPPENS[happens](desk, dora, case)

    assert now(dora, case) != before


def test_a_ceremony_that_waits_is_seen_and_what_has_ended_is_not_asked_about(
    desk: Desk, dora: Browser
) -> None:
    case = desk.office.open("key-ceremony")
    before = on_the_page(dora, case)
    with desk.office.in_this_process():
        desk.office.await_gathering(case)
        assert now(dora, case) != before
    desk.office.veto(case, "bob")

    page = dora.get(f"/cases/{case}").text

    assert "data-case" not in page
    assert "case.js" not in re.sub(r"\.[0-9a-f]+\.js", ".js", page)


def test_it_judges_no_signature(desk: Desk, dora: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page that is open asks every three seconds."""
    case = desk.office.open("key-ceremony")
    desk.office.sign(case, "ana")
    judged: list[UUID] = []

    def judge(case: Case, *how: Any) -> Judgement:
        judged.append(case.case_id)
        return really_judge(case, *how)

    monkeypatch.setattr("vault_service.recovery.cases.judge", judge)
    before = on_the_page(dora, case)
    assert judged

    judged.clear()

    assert now(dora, case) == before
    assert judged == []


def test_what_no_page_shows_changes_nothing(desk: Desk, dora: Browser) -> None:
    """How long it was seen to wait, and what is handed to a ceremony for another case or by somebody else."""
    case, other = desk.office.open("key-ceremony"), desk.office.open("key-ceremony")
    before = on_the_page(dora, case)
    desk.sql("UPDATE cases SET waited_s = waited_s + 5 WHERE case_id = %(case)s", case=case)
    desk.office.sign(other, "ana")

    assert now(dora, case) == before


def test_a_share_is_seen_on_the_page_of_whoever_released_it(desk: Desk, dora: Browser) -> None:
    """Nobody else's page says so: they would be told of a change that they cannot find."""
    case = desk.office.open("key-ceremony")
    with desk.office.in_this_process():
        desk.office.await_gathering(case)
        desk.office.sign(case, "ana")
        before = now(dora, case)
        desk.office.release("ana")
        assert now(dora, case) == before

        session = desk.services.sessions.who(dora.cookie or "")
        assert session is not None
        desk.sql(
            """INSERT INTO releases SELECT ceremony_id, gen_random_uuid(), %(dora)s, pin_gen, sealed, at
               FROM releases ORDER BY at DESC LIMIT 1""",
            dora=session.officer,
        )
        assert now(dora, case) != before
        desk.office.veto(case, "bob")


EDITS: dict[str, LiteralString] = {
    "what is signed": "UPDATE cases SET body = %(other)s WHERE case_id = %(case)s",
    "when it ends": "UPDATE cases SET expires_at = expires_at + interval '1 day' WHERE case_id = %(case)s",
    "what it left": "UPDATE cases SET result = sha256(%(other)s) WHERE case_id = %(case)s",
    "a signature": "UPDATE approvals SET signature = %(other)s WHERE case_id = %(case)s",
    "who signed": "UPDATE approvals SET officer_id = gen_random_uuid() WHERE case_id = %(case)s",
    "a decision that goes": "DELETE FROM approvals WHERE case_id = %(case)s",
    "the manifest that it proposes": "INSERT INTO proposed_manifests VALUES (%(case)s, %(other)s)",
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_somebody_changes_without_a_right_to_is_seen(desk: Desk, edit: str) -> None:
    """The page is loaded anew then, and judges."""
    case, at = desk.office.open("key-ceremony"), desk.services.recovery.now()
    desk.office.sign(case, "ana")
    with desk.office.vault.keys.superuser() as conn, conn.transaction(force_rollback=True):
        conn.execute("ALTER TABLE approvals DISABLE TRIGGER append_only")
        before = rows_of_case(conn, CaseId(case), at)
        assert rows_of_case(conn, CaseId(case), at) == before
        conn.execute(EDITS[edit], {"case": case, "other": b"other"})
        assert rows_of_case(conn, CaseId(case), at) != before


def test_another_change_of_officers_that_comes_first_is_seen(desk: Desk, dora: Browser) -> None:
    """Who may decide, and what a change would change, is by the newest manifest."""
    session = desk.services.sessions.who(dora.cookie or "")
    assert session is not None
    case, acting = CaseId(desk.office.open("key-ceremony")), desk.services.officer(session)
    newer = replace(acting, trusted=replace(acting.trusted, hashes=(*acting.trusted.hashes, "ab" * 32)))
    recovery = desk.services.recovery

    assert case_version(recovery, acting, case) == now(dora, case)
    assert case_version(recovery, newer, case) != now(dora, case)


def test_time_that_passes_is_seen(desk: Desk, dora: Browser) -> None:
    case, recovery = desk.office.open("key-ceremony"), desk.services.recovery
    before, later = on_the_page(dora, case), recovery.now() + timedelta(days=365)
    object.__setattr__(recovery, "now", lambda: later)
    try:
        expired = now(dora, case)
    finally:
        object.__setattr__(recovery, "now", type(recovery).__dataclass_fields__["now"].default)

    assert expired != before


def test_asking_keeps_nobody_signed_in_and_tells_a_stranger_nothing(desk: Desk) -> None:
    browser, case = desk.signed_in("dora"), desk.office.open("key-ceremony")
    for _ in range(2):
        desk.clock.now += desk.services.sessions.idle_s * 0.6
        answer = ask(browser, case)

    assert answer.status_code == 401
    assert "shows" not in answer.text


def test_a_row_that_was_altered_is_something_else_to_be_shown(desk: Desk, dora: Browser) -> None:
    altered = desk.office.open("key-ceremony")
    before = on_the_page(dora, altered)
    desk.sql("ALTER TABLE cases DISABLE TRIGGER USER")
    desk.sql("UPDATE cases SET kind = 'drill' WHERE case_id = %(case)s", case=altered)
    desk.sql("ALTER TABLE cases ENABLE TRIGGER USER")
    after = now(dora, altered)
    desk.sql("UPDATE cases SET state = 'expired' WHERE case_id = %(case)s", case=altered)

    assert after != before
