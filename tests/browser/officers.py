"""Officers at their browsers: a virtual passkey in a context of its own, named by the manifest.

They are enrolled without the pages for it, which have tests of their own: the browser makes the passkey and
derives from it, and an officer change names what it made.
"""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import load_der_public_key
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Authenticator as Virtual
from tests.browser.chromium import new_context
from tests.browser.served import Console
from tests.ceremony.rotations import changed
from tests.rig.passkeys import point_of, wrap_share_key
from vault_service.crypto.share_key import prf_input, wrap_info
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator, Manifest, Officer, Passkey
from vault_service.recovery.officers import Change

FEW = 1000  # PBKDF2 iterations of a test's key file
PASSPHRASE = "five geese under the bridge"
_CREATE = """async ([rp, user, salt]) => {
    const made = await navigator.credentials.create({ publicKey: {
        rp: { id: rp, name: "vault" }, challenge: new Uint8Array(32),
        user: { id: new Uint8Array(user), name: "officer", displayName: "officer" },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        extensions: { prf: { eval: { first: new Uint8Array(salt) } } },
    } });
    const list = (buffer) => Array.from(new Uint8Array(buffer ?? []));
    return [made.rawId, made.response.getPublicKey(),
            made.getClientExtensionResults().prf?.results?.first].map(list);
}"""


@dataclass
class AtBrowser:
    """One officer with a browser of their own."""

    name: str
    console: Console
    page: Page
    virtual: Virtual
    officer_id: UUID
    authenticator: Authenticator
    share_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_file: str = field(default="", repr=False)  # where the passkey derives nothing

    def sign_in(self) -> Page:
        """Without the page for it."""
        self.console.sign_in(self.page.context, self.officer_id, self.authenticator.authenticator_id)
        return self.page

    def go(self, path: str) -> Page:
        self.page.goto(self.console.url + path)
        return self.page

    def alert(self) -> str:
        """What the page says went wrong."""
        alert = self.page.locator('[role="alert"]:not(:empty)').first
        alert.wait_for()
        return alert.inner_text()


def officer_at_browser(
    browser: Browser, console: Console, officer: Officer, *, prf: bool = True
) -> AtBrowser:
    """Make the passkey; `officer`: as the manifest names them now."""
    page = new_context(browser).new_page()
    virtual = Virtual.of(page, prf=prf)
    page.goto(f"{console.url}/sign-in")
    fingerprint = bytes.fromhex(console.vault.fingerprint)
    salt = prf_input(fingerprint, officer.officer_id)
    credential, spki, derived = map(
        bytes, page.evaluate(_CREATE, ["localhost", list(officer.officer_id.bytes), list(salt)])
    )
    assert bool(derived) == prf
    public = load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    share_key, authenticator_id = ec.generate_private_key(ec.SECP256R1()), new_uuid()
    info = wrap_info(fingerprint, officer.officer_id, authenticator_id, point_of(share_key))
    wrapped = wrap_share_key(share_key, derived, info) if prf else b""
    passkey = Passkey(credential.hex(), "localhost", console.url, wrapped.hex())
    numbers = public.public_numbers()
    point = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    authenticator = Authenticator(authenticator_id, "passkey", point.hex(), passkey)
    file = "" if prf else _key_file(share_key, info, officer.officer_id, authenticator_id)
    return AtBrowser(
        officer.name, console, page, virtual, officer.officer_id, authenticator, share_key, file
    )  # fmt: skip


def _key_file(share_key: ec.EllipticCurvePrivateKey, info: bytes, officer: UUID, authenticator: UUID) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from tests.rig.passkeys import pkcs8_of

    salt, nonce = os.urandom(16), os.urandom(12)
    key = PBKDF2HMAC(SHA256(), 32, salt, FEW).derive(PASSPHRASE.encode())
    wrapped = nonce + AESGCM(key).encrypt(nonce, pkcs8_of(share_key), info)
    return json.dumps(
        {
            "v": 1, "officer_id": str(officer), "authenticator_id": str(authenticator),
            "salt": salt.hex(), "iterations": FEW, "wrapped": wrapped.hex(),
        }
    )  # fmt: skip


def named(people: Sequence[AtBrowser]) -> Change:
    """Their passkeys in the place of their key files."""

    def change(manifest: Manifest) -> Manifest:
        by_id = {each.officer_id: each for each in people}
        officers = tuple(
            msgspec.structs.replace(
                officer,
                authenticators=(by_id[officer.officer_id].authenticator,),
                share_key=point_of(by_id[officer.officer_id].share_key).hex(),
            )
            if officer.officer_id in by_id
            else officer
            for officer in manifest.officers
        )
        return msgspec.structs.replace(manifest, officers=officers)

    return change


def enrolled(browser: Browser, console: Console, prf: dict[str, bool]) -> dict[str, AtBrowser]:
    """Officers of these names work by passkey from now on; `prf`: whether each one's derives a key."""
    manifest = console.office.acting("cleo").manifest
    people = {
        officer.name: officer_at_browser(browser, console, officer, prf=prf[officer.name])
        for officer in manifest.officers
        if officer.name in prf
    }
    changed(console.office, named(tuple(people.values())))
    return people


def encoded(content: bytes) -> str:
    """As CDP writes bytes."""
    return base64.b64encode(content).decode("ascii")


Anything = Any
