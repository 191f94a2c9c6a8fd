"""Whoever is invited enrols a passkey in a browser; officers with passkeys sign in with theirs."""

import json
from pathlib import Path
from uuid import UUID

from playwright.sync_api import Page, expect

from tests.browser.chromium import COLOURS, Authenticator, axe, overflow, shots
from tests.browser.officers import Officer
from tests.browser.served import Console
from vault_service.domain.manifest import Passkey
from vault_service.recovery.enrolments import Enrolled, waiting
from vault_service.recovery.invitations import invitation_link, invite, prepare_invitation
from vault_service.recovery.trust import trusted_chain

LATER = """
const said = PublicKeyCredential.prototype.getClientExtensionResults;
PublicKeyCredential.prototype.getClientExtensionResults = function () {
    const isNew = this.response instanceof AuthenticatorAttestationResponse;
    return isNew ? { prf: { enabled: true } } : said.call(this);
};"""
PASSPHRASE = "nine geese walk home at dusk"


def link(console: Console, name: str) -> str:
    acting = console.office.acting("ana")
    whom = prepare_invitation(console.parts, acting, name)
    return invitation_link(console.url, invite(console.parts, acting, whom, good_for_s=600).token)


def card(console: Console, name: str) -> Enrolled:
    return next(
        each for each in waiting(console.parts, trusted_chain(console.parts)) if each.card.name == name
    )


def save(page: Page, file: Path) -> None:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save my key file").click()
    saved.value.save_as(file)


def look(page: Page, name: str) -> None:
    """At every width and in both schemes: nothing to scroll sideways for, nothing that axe finds."""
    for width, scheme in shots(page, name):
        assert overflow(page) == 0
        if scheme == "dark":
            assert axe(page, rules=COLOURS) == []
        elif width == 360:
            assert axe(page) == []


def test_a_newcomer_follows_the_link_and_reads_a_fingerprint_to_the_officers(
    console: Console, page: Page
) -> None:
    Authenticator.of(page)
    page.goto(link(console, "gil"))
    expect(page.get_by_text("gil", exact=True)).to_be_visible()
    assert page.evaluate("location.href") == f"{console.url}/enrol"  # the token is in no history
    page.get_by_role("button", name="Deutsch").click()
    expect(page.get_by_text("gil", exact=True)).to_be_visible()  # and not lost either
    page.get_by_role("button", name="English").click()
    expect(page.get_by_text("gil", exact=True)).to_be_visible()

    look(page, "enrol")
    page.get_by_role("button", name="Make my passkey").click()

    expect(page.get_by_role("heading", name="Your passkey is enrolled")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    look(page, "enrolled")
    gil = card(console, "gil")
    expect(page.get_by_text(gil.fingerprint)).to_be_visible()
    passkey = gil.card.authenticator.passkey
    assert isinstance(passkey, Passkey)
    assert len(passkey.wrapped_share_key) == 2 * 166


def test_a_passkey_that_derives_only_when_it_signs_is_used_once_more(console: Console, page: Page) -> None:
    """As most security keys do: when one is made, it only says that it can (Level 3, section 10.1.4)."""
    Authenticator.of(page)
    page.add_init_script(LATER)
    page.goto(link(console, "kit"))
    page.get_by_role("button", name="Make my passkey").click()

    expect(page.get_by_role("heading", name="Your passkey is enrolled")).to_be_visible()
    passkey = card(console, "kit").card.authenticator.passkey
    assert isinstance(passkey, Passkey)
    assert len(passkey.wrapped_share_key) == 2 * 166


def test_a_passkey_that_derives_no_key_comes_with_a_file_that_is_opened_once_to_be_sure(
    console: Console, page: Page, tmp_path: Path
) -> None:
    Authenticator.of(page, prf=False)
    page.goto(link(console, "hedy"))
    page.get_by_role("button", name="Make my passkey").click()
    expect(page.get_by_role("heading", name="Keep a key file too")).to_be_focused()

    page.get_by_label("A passphrase for the file").fill(PASSPHRASE)
    page.get_by_label("The same again").fill(PASSPHRASE)
    look(page, "enrol-file")
    file = tmp_path / "key.json"
    save(page, file)
    page.get_by_label("Key file", exact=True).set_input_files(file)
    expect(page.get_by_role("button", name="Go on without")).to_be_hidden()
    page.get_by_label("Its passphrase").fill("another passphrase")
    look(page, "enrol-check-file")
    page.get_by_role("button", name="Open it").click()
    expect(page.get_by_role("alert")).to_contain_text("does not open with that passphrase")
    expect(page.get_by_role("alert")).to_be_focused()

    save(page, file)
    page.get_by_label("Key file", exact=True).set_input_files(file)
    page.get_by_label("Its passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Open it").click()

    expect(page.get_by_role("heading", name="Your passkey is enrolled")).to_be_visible()
    hedy = card(console, "hedy").card
    assert isinstance(hedy.authenticator.passkey, Passkey)
    assert hedy.authenticator.passkey.wrapped_share_key == ""
    kept = json.loads(file.read_text())
    assert (kept["iterations"], UUID(kept["officer_id"])) == (1_000_000, hedy.officer_id)


def test_a_link_that_is_cut_short_or_used_says_what_to_do(console: Console, page: Page) -> None:
    page.goto(f"{console.url}/enrol")
    expect(page.get_by_text("This address is not whole")).to_be_visible()

    page.goto(link(console, "ida")[:-1])  # only the fragment is another: the page stays

    expect(page.get_by_role("alert")).to_contain_text("Ask the officer who invited you")
    expect(page.get_by_text("This address is not whole")).to_be_hidden()


def test_an_officer_signs_in_invites_somebody_and_signs_out(officers: dict[str, Officer]) -> None:
    page = officers["dora"].sign_out()
    page.goto(f"{officers['dora'].console.url}/invite")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    look(page, "sign-in")
    page.get_by_role("button", name="Sign in with your passkey").click()
    page.wait_for_url(f"{officers['dora'].console.url}/invite")  # what was asked for before

    look(page, "invite")
    page.get_by_label("Name").fill("jo")
    page.get_by_role("button", name="Invite").first.click()
    expect(page.get_by_text("The invitation is made").first).to_be_focused()
    assert "/enrol#" in page.locator('[data-told="link"]').first.inner_text()
    look(page, "invited")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_passkey_that_checks_nobody_is_refused_in_words(console: Console, page: Page) -> None:
    """Nobody's who is needed later: after some failures chromium's authenticator stays locked."""
    authenticator = Authenticator.of(page)
    page.goto(link(console, "lia"))
    page.get_by_role("button", name="Make my passkey").click()
    expect(page.get_by_role("heading", name="Your passkey is enrolled")).to_be_visible()
    page.goto(f"{console.url}/sign-in")
    authenticator.verify_the_user(False)

    page.get_by_role("button", name="Sign in with your passkey").click()

    expect(page.get_by_role("alert")).to_contain_text("Nothing was signed")
    expect(page.get_by_role("alert")).to_be_focused()
    look(page, "sign-in-refused")
