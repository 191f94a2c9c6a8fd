"""Five hundred hostile strings in every field of the console that officers read, in a real browser."""

from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

from playwright.sync_api import Page
from pyrage import x25519

from tests.browser.hostile_in_bulk import grave, markup_of, watch
from tests.browser.officers import Officer
from tests.browser.served import Console
from tests.web.hostile import A_HANDFUL, HOSTILE
from vault_service.console.app import create_app
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.ids import CaseId
from vault_service.recovery.cases import read_case
from vault_service.recovery.decide import veto
from vault_service.recovery.invitations import invite, prepare_invitation
from vault_service.recovery.open_case import Wanted, open_case

_TYPED = ("user", "case", "since", "until")  # the others are lists to choose from
_NAMES = [each[:60] for each in A_HANDFUL if each.isprintable()]
_PAGES = ("/", "/cases", "/officers", "/invite", "/alerts", "/rotations", "/activity", "/health")


def hostile_disclosure(console: Console) -> UUID:
    """Its scope has a field for each string; so has its reason, as far as a reason goes."""
    names = tuple(dict.fromkeys(each[:128] for each in HOSTILE if each.isprintable() and each.strip()))
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    scope = Scope(
        tuple(CollectionScope(f"{at}<script>alert(1)</script>", half) for at, half in enumerate(halves))
    )
    wanted = Wanted(
        "disclosure", " ".join(A_HANDFUL)[:500], user=console.office.somebody().user, scope=scope,
        recipient=str(x25519.Identity.generate().to_public()),
    )  # fmt: skip
    return open_case(console.parts, console.office.acting("ana"), wanted).case_id


def test_hostile_cases_reasons_and_names_run_nowhere(console: Console, dora: Officer) -> None:
    acting = console.office.acting("ana")
    for name in _NAMES:
        invite(console.parts, acting, prepare_invitation(console.parts, acting, name), good_for_s=3600)
    case = hostile_disclosure(console)
    rejected = console.office.open("drill")
    bob = console.office.acting("bob")
    veto(
        console.parts, bob, read_case(console.parts, bob.trusted, CaseId(rejected)), " ".join(A_HANDFUL)[:500]
    )
    dialogs = watch(dora.page)

    nowhere = [f"/nowhere/{urlencode({'': word})}" for word in A_HANDFUL[:2]]
    for path in (*_PAGES, f"/cases/{case}", f"/cases/{rejected}", "/audit?ask=1", *nowhere):
        dora.page.goto(f"{console.url}{path}")
        assert grave(dora.page) == [], path
    for each in (case, rejected):
        dora.page.goto(f"{console.url}/cases/{each}")
        assert A_HANDFUL[1] in dora.page.locator("main").inner_text()  # it was there to run
    assert dialogs == []


def test_whatever_is_typed_into_a_filter_comes_back_as_text(
    console: Console, dora: Officer, new_page: Callable[..., Page]
) -> None:
    """The browser's parser sees the same elements and attributes as with a harmless word."""
    value, _ = console.services.sessions.begin(dora.officer_id, dora.authenticator_id)
    http = create_app(console.services).test_client()
    http.set_cookie(console.services.sessions.cookie, value, secure=True)

    def main_of(path: str, **sent: str) -> str:
        page = http.get(path, query_string=sent).text
        return page[page.index("<main") : page.rindex("</main>")]

    def audit(words: tuple[str, ...]) -> str:
        return main_of(
            "/audit",
            ask="1",
            side=words[0],
            kind=words[0],
            officer=words[0],
            **dict(zip(_TYPED, words, strict=True)),
        )

    words = [each.strip()[:100] or "-" for each in HOSTILE]
    fours = [tuple(words[at : at + 4]) for at in range(0, len(words) - 3, 4)]
    hostile = (
        [audit(each) for each in fours],
        [main_of("/cases/new/erasure", user=each[:36]) for each in A_HANDFUL],  # the same macro
        [main_of("/invite", officer=each) for each in A_HANDFUL],
    )
    harmless = audit(("x",) * 4), main_of("/cases/new/erasure", user="x"), main_of("/invite", officer="x")

    empty = new_page()
    for of_one_page, of_none in zip(hostile, harmless, strict=True):
        assert set(markup_of(empty, of_one_page)) == set(markup_of(empty, [of_none]))
