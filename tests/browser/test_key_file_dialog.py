"""static/key_file.js, where the passkey derives nothing: a file is asked for, and may be withheld."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Browser, Page, expect

from tests.browser.keys import point_of
from tests.browser.rehearsal import OK, Rehearsal
from vault_service.crypto.hpke import seal_to

FORM = '<form method="post" action="/act" data-signed{}><button>Do it</button></form>'
OWN, CEREMONY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
SHARE = {
    "ceremony_id": "a ceremony", "pin_gen": 1, "sealed": seal_to(point_of(OWN), b"held", b"words").hex(),
    "open_info": b"held".hex(), "ephemeral_pk": point_of(CEREMONY).hex(), "release_info": b"to".hex(),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[tuple[Rehearsal, str]]:
    rehearsal = Rehearsal.in_(chromium)
    yield rehearsal, rehearsal.make_passkey()
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(made: tuple[Rehearsal, str]) -> Rehearsal:
    made[0].show(FORM.format(" data-key-file"))
    return made[0]


@pytest.fixture
def page(rehearsal: Rehearsal) -> Page:
    rehearsal.page.get_by_role("button", name="Do it").click()
    expect(rehearsal.page.get_by_role("dialog")).to_be_visible()
    return rehearsal.page


def asked(made: tuple[Rehearsal, str], **other: Any) -> dict[str, Any]:
    return {
        "intent_id": "i1", "challenge": "ab" * 32, "rp_id": "localhost", "credential_id": made[1],
        "says": "Touch it.", "shares": [SHARE], "prf_input": "", "wrapped_share_key": "",
        "share_key": point_of(OWN).hex(), "wrap_info": "", **other,
    }  # fmt: skip


def choose(page: Page, file: Path, content: bytes = b"{}") -> None:
    file.write_bytes(content)
    page.get_by_label("Key file", exact=True).set_input_files(file)
    page.get_by_label("Its passphrase").fill("nine geese walk home")


def cancelled(rehearsal: Rehearsal) -> None:
    """In words, with nothing sent, and the form is ready again."""
    alert = rehearsal.page.locator('form[data-signed] [role="alert"]')
    expect(alert).to_contain_text("Nothing was signed")
    expect(alert).to_be_focused()
    expect(rehearsal.page.get_by_role("dialog")).to_be_hidden()
    expect(rehearsal.page.locator("form[data-signed]")).not_to_have_attribute("aria-busy", "true")
    assert rehearsal.sent == []


@pytest.mark.parametrize("how", ["Cancel", "Escape", "close"])
def test_however_the_dialog_is_closed_nothing_is_sent_and_the_passphrase_stays_nowhere(
    rehearsal: Rehearsal, page: Page, how: str
) -> None:
    """A browser may close it without asking first: the form would wait for ever."""
    page.get_by_label("Its passphrase").fill("nine geese walk home")

    if how == "Cancel":
        page.get_by_role("button", name="Cancel").click()
    elif how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.evaluate("document.querySelector('dialog').close()")

    cancelled(rehearsal)
    assert page.locator("#key-file-passphrase").input_value() == ""


def test_a_file_that_is_gone_by_then_is_told_and_the_dialog_is_not_stuck(
    rehearsal: Rehearsal, page: Page, tmp_path: Path
) -> None:
    """A stick that was pulled out."""
    choose(page, tmp_path / "key.json")
    (tmp_path / "key.json").unlink()

    page.get_by_role("button", name="Open it").click()

    expect(page.locator('form[data-signed] [role="alert"]')).to_contain_text("The browser could not do that")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert rehearsal.sent == []


def test_an_officer_may_sign_without_the_file_and_then_releases_nothing(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    rehearsal.answers += [(OK, asked(made)), (OK, {"location": "/next"})]

    page.get_by_role("button", name="Go on without releasing my share").click()
    page.wait_for_url("**/next")

    assert rehearsal.sent[1][1]["released"] == []


def test_a_file_that_turns_out_to_be_needed_is_asked_for_and_the_challenge_renewed(
    made: tuple[Rehearsal, str], tmp_path: Path
) -> None:
    """A ceremony has begun since the page was shown; choosing a file may outlast a challenge."""
    rehearsal = made[0]
    page = rehearsal.show(FORM.format(""))
    rehearsal.answers += [(OK, asked(made)), (OK, asked(made, intent_id="i2"))]
    page.get_by_role("button", name="Do it").click()
    choose(page, tmp_path / "key.json", json.dumps({"v": 2}).encode())

    page.get_by_role("button", name="Open it").click()

    expect(page.locator('form[data-signed] [role="alert"]')).to_contain_text("This is not the key file")
    assert [path for path, _ in rehearsal.sent] == ["/act", "/act"]  # and nothing was signed
