"""The list of cases goes on from page to page: none is skipped, and none is shown twice."""

import re

import pytest

from tests.console.desk import Browser, Desk
from vault_service.domain.case import Scope

_ROW = re.compile(r'<th role="rowheader" scope="row"><(?:a href="/cases/|span class="id">)([0-9a-f-]{36})')
_OLDER = re.compile(r'href="(/cases\?[^"]+)" rel="next"')


def _pages(browser: Browser, address: str) -> list[list[str]]:
    found: list[list[str]] = []
    while address:
        page = browser.get(address).text
        found.append(_ROW.findall(page))
        older = _OLDER.search(page)
        address = older[1].replace("&amp;", "&") if older else ""
    return found


@pytest.mark.parametrize("which", ["", "?show=all"])
def test_a_long_list_is_read_page_by_page(
    desk: Desk, dora: Browser, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = [str(desk.office.open("drill", scope=Scope(sample=1))) for _ in range(5)]
    desk.office.veto(desk.office.open("drill", scope=Scope(sample=1)), "bob")
    at_once = _pages(dora, f"/cases{which}")[0]
    monkeypatch.setattr("vault_service.recovery.cases.A_PAGE", 2)

    pages = _pages(dora, f"/cases{which}")

    assert {len(page) for page in pages[:-1]} == {2}
    assert [case for page in pages for case in page][: len(at_once)] == at_once
    assert [case for case in at_once if case in opened] == opened[::-1]  # newest first


def test_cases_of_one_moment_are_told_apart(
    desk: Desk, dora: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between them a page may end. (Rows that were altered are listed all the same.)"""
    cases = [desk.office.open("drill", scope=Scope(sample=1)) for _ in range(3)]
    before = desk.sql("SELECT opened_at, case_id FROM cases WHERE case_id = ANY (%(cases)s)", cases=cases)
    desk.sql("UPDATE cases SET opened_at = now() WHERE case_id = ANY (%(cases)s)", cases=cases)
    monkeypatch.setattr("vault_service.recovery.cases.A_PAGE", 1)

    pages = _pages(dora, "/cases")

    assert [case for page in pages for case in page][:3] == sorted(map(str, cases))
    for at, case in before:
        desk.sql("UPDATE cases SET opened_at = %(at)s WHERE case_id = %(case)s", at=at, case=case)


@pytest.mark.parametrize(
    "cursor", ["x", "2026-11-27_", "2026-11-27T10:00:00_01a20bd4-b9cf-720c-91f9-0159d46a5734"]
)
def test_a_place_that_no_page_gave_is_refused(dora: Browser, cursor: str) -> None:
    assert dora.get("/cases?page=" + cursor).status_code == 400
