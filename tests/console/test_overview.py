"""The overview pages, as an officer's browser gets them from a real vault."""

import dataclasses
import re
from collections.abc import Iterator

import pyrage
import pytest

from tests.console.desk import Browser, Desk, enrolled_at
from tests.rig.passkeys import SoftPasskey
from vault_service.console.app import create_app
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.events import KeysEvent
from vault_service.policy.authority import Authority
from vault_service.recovery.open_case import Wanted, open_case

PAGES = ("/", "/officers", "/rotations", "/alerts", "/activity", "/activity?days=30", "/health")
DISCLOSED = {
    "scope": Scope(collections=(CollectionScope("contact"),)),
    "recipient": str(pyrage.x25519.Identity.generate().to_public()),
}


@pytest.fixture(scope="module")
def whole(desk: Desk) -> Iterator[Desk]:
    """With a way to both logs, as production has it."""
    vault = desk.office.vault
    keys = vault.keys.open("vault_auditor_keys", size=1)
    records = vault.records.open("vault_auditor_records", size=1)
    periods = desk.office.policies.rotation.cryptoperiod_days
    services = dataclasses.replace(desk.services, audit_keys=keys, audit_records=records, periods=periods)
    services.alerts.good_for_s = -1  # each page finds out anew
    services.alerts.wait_s = 60.0  # on a busy machine too
    yield dataclasses.replace(desk, services=services, app=create_app(services))
    keys.close()
    records.close()


@pytest.fixture(scope="module")
def dora(whole: Desk) -> Browser:
    return whole.signed_in("dora")


@pytest.fixture
def no_cases(desk: Desk) -> None:
    desk.sql("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown(dora: Browser, path: str) -> None:
    assert dora.get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_one_without_signing_in(desk: Desk, path: str) -> None:
    response = desk.browser().get(path)

    assert (response.status_code, (response.location or "").partition("?")[0]) == (303, "/sign-in")


@pytest.mark.parametrize("path", PAGES)
def test_each_says_what_cannot_be_seen_where_no_log_can_be_read(desk: Desk, path: str) -> None:
    """A console without the auditors' roles shows less, and no page fails for it."""
    assert desk.signed_in("dora").get(path).status_code == 200


def test_what_waits_for_me_is_not_what_waits_for_others(whole: Desk, dora: Browser, no_cases: None) -> None:
    """Dora is an approver and no discloser."""
    office = whole.office
    hers = office.open("drill", by="ana", scope=Scope(sample=1))
    theirs = office.open("disclosure", by="ana", user=office.somebody().user, **DISCLOSED)

    mine, others = parts_of(dora.get("/").text)

    assert str(hers) in mine
    assert str(hers) not in others
    assert str(theirs) in others
    assert str(theirs) not in mine


def parts_of(page: str) -> tuple[str, str]:
    """What stands under "waits for you", and under "waits for others"."""
    mine, rest = page.partition('id="others"')[::2]
    return mine.partition('id="mine"')[2], rest.partition('id="running"')[0]


def test_an_altered_case_is_told_first_and_with_what_to_do(
    whole: Desk, dora: Browser, no_cases: None
) -> None:
    case = whole.office.open("drill", by="ana", scope=Scope(sample=1))
    whole.sql("UPDATE cases SET body = body || ' ' WHERE case_id = %(id)s", id=case)

    page = dora.get("/").text

    assert "A case was altered" in page
    assert "Approve nothing" in page
    assert page.index("A case was altered") < page.index('id="mine"')


def test_a_reason_that_is_markup_is_only_text(whole: Desk, dora: Browser, no_cases: None) -> None:
    hostile = '<img src=x onerror="alert(1)">{{ 7*7 }}'
    office = whole.office
    open_case(office.recovery, office.acting("ana"), Wanted("drill", hostile, scope=Scope(sample=1)))

    page = dora.get("/").text

    assert "<img" not in page
    assert "&lt;img src=x onerror=" in page
    assert "{{ 7*7 }}" in page


def dora_where(whole: Desk, rule: str, other: str) -> Browser:
    """Signed in to a console whose policy has another rule."""
    policies = whole.office.vault.home / "policies"
    before = (policies / "officers.cedar").read_text()
    assert rule in before
    authority = Authority(before.replace(rule, other), (policies / "officers.cedarschema").read_text())
    recovery = dataclasses.replace(whole.services.recovery, authority=authority)
    app = create_app(dataclasses.replace(whole.services, recovery=recovery))
    browser = dataclasses.replace(whole, app=app).browser()
    browser.sign_in(whole.people["dora"])
    return browser


def test_who_may_not_audit_is_not_led_there_and_sees_no_numbers_of_users(whole: Desk) -> None:
    everybody = whole.signed_in("dora").get("/activity").text
    assert 'href="/audit"' in everybody
    assert "Log-ins of users" in everybody

    page = dora_where(whole, '["auditor", "approver", "discloser"]', '["auditor"]').get("/activity").text

    assert 'href="/audit"' not in page
    assert "Cases opened" in page
    assert "Log-ins of users" not in page
    assert "Records read in bulk" not in page


def test_an_address_that_there_is_not_is_told_to_officers_not_to_programmers(whole: Desk) -> None:
    page = whole.signed_in("dora").get("/nothing-here").text

    assert "Look at the address once more" in page
    assert "/docs" not in page


def test_an_officer_whom_no_rule_lets_look_is_refused_and_that_is_recorded(
    whole: Desk,
) -> None:
    """The rules permit it to every officer; a vault may narrow them."""
    rule = 'permit (principal, action == Action::"list", resource)'
    browser = dora_where(whole, rule, rule + 'when { principal.roles.contains("auditor") }')

    with whole.leaves(KeysEvent.OFFICER_REFUSED):
        response = browser.get("/officers")

    assert response.status_code == 403


def test_a_page_that_asks_again_and_again_keeps_nobody_signed_in(whole: Desk) -> None:
    """A screen that is left alone with a running rotation on it."""
    browser = whole.signed_in("dora")
    idle = whole.services.rule.idle_s
    for _ in range(3):
        whole.clock.now += idle * 0.4
        last = browser.get("/live", **{"Sec-Fetch-Mode": "cors", "Accept": "application/json"})

    assert last.status_code == 401


def test_the_address_of_activity_takes_a_number_of_days_only(whole: Desk) -> None:
    browser = whole.signed_in("dora")
    for wrong in ("0", "91", "x", "7;drop", ""):
        assert browser.get(f"/activity?days={wrong}").status_code == 400


def newcomers(browser: Browser) -> int:
    """How many wait, by what the page of alerts says; other tests of this vault leave some too."""
    said = re.search(r"(\d+) newcomers? waits? to be made (an officer|officers)", browser.get("/alerts").text)
    return int(said[1]) if said else 0


def test_who_has_enrolled_is_told_until_the_manifest_names_them(whole: Desk) -> None:
    browser = whole.signed_in("dora")
    before = newcomers(browser)

    enrolled = enrolled_at(whole.enrol(whole.invitation("gil"), SoftPasskey()).json["location"])
    assert newcomers(browser) == before + 1

    whole.carry_out(enrolled, ("auditor",))
    assert newcomers(browser) == before
