"""Officers who sign in chromium: their passkeys are made in it, and a true officer change names them.

Playwright cannot put a passkey into chromium that derives keys (CDP's addCredential makes none for PRF), so
each officer keeps the one page in which the passkey was made.
"""

import json
import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Authenticator, new_context
from tests.browser.served import Console
from tests.rig.passkeys import pkcs8_of, point_of, wrap_share_key
from tests.rig.vault import PASSPHRASE
from vault_service.crypto.share_key import prf_input, wrap_info
from vault_service.crypto.webauthn import Assertion, challenge_of
from vault_service.domain.clock import utc_now
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator as Named
from vault_service.domain.manifest import Passkey, Role
from vault_service.recovery.officer_card import PasskeyCard, card_message, signed_card, unsigned_card
from vault_service.recovery.officers import add, propose
from vault_service.recovery.propose import open_change

ROLES: tuple[Role, ...] = ("requester", "approver", "discloser", "auditor")
ITERATIONS = 1_000_000  # PBKDF2-SHA256 of a share key's file
_NOWHERE = "/nothing-here"  # an answer of the console that needs no officer
_CREATE = """
async ({rpId, handle, name, input}) => {
    const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const hex = (found) => Array.from(new Uint8Array(found), (b) => b.toString(16).padStart(2, "0")).join("");
    const made = await navigator.credentials.create({publicKey: {
        rp: {id: rpId, name: "vault_service"}, user: {id: bytes(handle), name, displayName: name},
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: [{type: "public-key", alg: -7}],
        authenticatorSelection: {residentKey: "required", userVerification: "required"},
        extensions: {prf: {eval: {first: bytes(input)}}},
    }});
    const first = made.getClientExtensionResults().prf?.results?.first;
    return {id: hex(made.rawId), key: hex(made.response.getPublicKey()), secret: first ? hex(first) : ""};
}"""
_GET = """
async ({rpId, id, challenge}) => {
    const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    const hex = (found) => Array.from(new Uint8Array(found), (b) => b.toString(16).padStart(2, "0")).join("");
    const {response} = await navigator.credentials.get({publicKey: {
        rpId, challenge: bytes(challenge), allowCredentials: [{type: "public-key", id: bytes(id)}],
        userVerification: "required",
    }});
    return [response.authenticatorData, response.clientDataJSON, response.signature].map(hex);
}"""


@dataclass
class Officer:
    """Somebody at a browser of their own."""

    name: str
    officer_id: UUID
    authenticator_id: UUID
    page: Page
    authenticator: Authenticator
    console: Console
    key_file: bytes = b""  # the share key under PASSPHRASE, where the passkey derives none

    def sign_in(self) -> Page:
        """By a session out of nowhere; the sign-in page has tests of its own."""
        self.page.context.clear_cookies()
        self.console.sign_in(self.page.context, self.officer_id, self.authenticator_id)
        self.page.goto(self.console.url)
        return self.page

    def sign_out(self) -> Page:
        """The browser forgets who it is; the passkey stays."""
        self.page.context.clear_cookies()
        self.page.goto(f"{self.console.url}{_NOWHERE}")
        return self.page


def make_officer(console: Console, browser: Browser, name: str, *, prf: bool) -> tuple[Officer, PasskeyCard]:
    """Somebody with a new passkey, and the card that it signed; no manifest names them yet."""
    page = new_context(browser).new_page()
    authenticator = Authenticator.of(page, prf=prf)
    page.goto(f"{console.url}{_NOWHERE}")
    officer_id, authenticator_id = new_uuid(), new_uuid()
    fingerprint = console.vault.fingerprint
    wanted = {
        "rpId": console.services.rp_id,
        "handle": authenticator_id.hex,
        "name": name,
        "input": prf_input(bytes.fromhex(fingerprint), officer_id).hex(),
    }
    made = page.evaluate(_CREATE, wanted)
    assert bool(made["secret"]) is prf
    share_key = ec.generate_private_key(ec.SECP256R1())
    point = point_of(share_key)
    info = wrap_info(bytes.fromhex(fingerprint), officer_id, authenticator_id, point)
    wrapped = wrap_share_key(share_key, bytes.fromhex(made["secret"]), info) if prf else b""
    passkey = Passkey(made["id"], console.services.rp_id, console.url, wrapped.hex())
    named = Named(authenticator_id, "passkey", _point(made["key"]).hex(), passkey)
    card = unsigned_card(name, officer_id, named, point, fingerprint=fingerprint)
    challenge = challenge_of(card_message(card)).hex()
    signed = page.evaluate(_GET, {"rpId": passkey.rp_id, "id": made["id"], "challenge": challenge})
    card = signed_card(card, Assertion(*map(bytes.fromhex, signed)).encode())
    officer = Officer(name, officer_id, authenticator_id, page, authenticator, console)
    if not prf:
        officer.key_file = key_file(share_key, officer, info)
    return officer, card


def key_file(share_key: ec.EllipticCurvePrivateKey, officer: Officer, info: bytes) -> bytes:
    """What an officer keeps whose passkey derives nothing."""
    salt, nonce = os.urandom(16), os.urandom(12)
    key = PBKDF2HMAC(SHA256(), 32, salt, ITERATIONS).derive(PASSPHRASE.encode())
    content: dict[str, Any] = {
        "v": 1,
        "officer_id": str(officer.officer_id),
        "authenticator_id": str(officer.authenticator_id),
        "salt": salt.hex(),
        "iterations": ITERATIONS,
        "wrapped": (nonce + AESGCM(key).encrypt(nonce, pkcs8_of(share_key), info)).hex(),
    }
    return json.dumps(content).encode()


def name_in_manifest(console: Console, *cards: PasskeyCard, roles: tuple[Role, ...] = ROLES) -> None:
    """By a case that the officers of genesis decide with their key files, and a ceremony."""
    office = console.office
    acting = office.acting("cleo")
    proposal = propose(acting.manifest, [add(card, roles) for card in cards], utc_now())
    case = open_change(office.recovery, acting, proposal, "they work in the browser").case_id
    office.serve(case, "ana", "bob")


def _point(spki: str) -> bytes:
    key = load_der_public_key(bytes.fromhex(spki))
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
