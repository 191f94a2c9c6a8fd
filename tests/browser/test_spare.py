"""An officer enrols a spare passkey in a browser: the one that they have opens the share key for it."""

import base64

from playwright.sync_api import Page, expect

from tests.browser.chromium import axe, overflow
from tests.browser.officers import Officer
from tests.console.desk import enrolled_at
from tests.rig.passkeys import open_share_key, point_of
from vault_service.crypto.share_key import prf_input, wrap_info
from vault_service.domain.manifest import Passkey
from vault_service.recovery.enrolments import find_enrolled
from vault_service.recovery.invitations import invitation_link, invite, prepare_invitation

_DERIVE = """async ({id, input}) => {
    const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
    const got = await navigator.credentials.get({ publicKey: {
        challenge: new Uint8Array(32), rpId: location.hostname, userVerification: "required",
        allowCredentials: [{ type: "public-key", id: bytes(id) }],
        extensions: { prf: { eval: { first: bytes(input) } } } } });
    return [...new Uint8Array(got.getClientExtensionResults().prf.results.first)]
}"""

# As a person does: each time the device is touched that is asked for, and the spare one for a new passkey.
_TAKING_EACH = """() => {
    const { credentials } = navigator;
    const [create, get] = ["create", "get"].map((name) => credentials[name].bind(credentials));
    credentials.create = async (how) => { await take([]); return create(how); };
    credentials.get = async (how) => {
        await take([...how.publicKey.allowCredentials[0].id]);
        return get(how);
    };
}"""


def _link(officer: Officer) -> str:
    parts, acting = officer.console.parts, officer.console.office.acting("ana")
    whom = prepare_invitation(parts, acting, "", officer.officer_id)
    return invitation_link(officer.console.url, invite(parts, acting, whom, good_for_s=600).token)


def _choose(page: Page, what: str) -> None:
    page.get_by_label(what).check()
    page.get_by_role("button", name="Make my passkey").click()


def test_the_spare_one_locks_the_share_key_there_is(dora: Officer) -> None:
    page, console = dora.sign_out(), dora.console
    page.goto(_link(dora))
    page.get_by_role("button", name="Make my passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Say whether you keep the passkey")
    assert axe(page) == []
    _choose(page, "I keep it")
    expect(page.get_by_role("alert")).to_contain_text("has your other passkey")  # there is no other device

    second = dora.authenticator.another()
    present = {base64.b64decode(each["credentialId"]) for each in dora.authenticator.credentials()}

    def take(credential: list[int]) -> None:
        dora.authenticator.answer_by_itself(bytes(credential) in present)
        second.answer_by_itself(bytes(credential) not in present)

    page.expose_function("take", take)
    page.evaluate(_TAKING_EACH)
    _choose(page, "I keep it")
    expect(page.get_by_role("heading", name="Your passkey is enrolled")).to_be_visible()
    assert overflow(page) == 0

    enrolled = enrolled_at(page.url)
    found = find_enrolled(console.parts, console.office.acting("ana").trusted, enrolled)
    spare = found.card.authenticator
    assert found.is_spare
    assert isinstance(spare.passkey, Passkey)
    fingerprint, share_key = bytes.fromhex(console.vault.fingerprint), bytes.fromhex(found.card.share_key)
    derived = {"id": spare.passkey.credential_id, "input": prf_input(fingerprint, dora.officer_id).hex()}
    secret = bytes(page.evaluate(_DERIVE, derived))
    info = wrap_info(fingerprint, dora.officer_id, spare.authenticator_id, share_key)
    assert point_of(open_share_key(bytes.fromhex(spare.passkey.wrapped_share_key), secret, info)) == share_key
    second.take_away()
    dora.authenticator.answer_by_itself(True)
