"""static/share.js in chromium: from the officer's key to the ceremony's, and no further."""

import json
import os
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import load_der_private_key
from playwright.sync_api import Browser, Error, Page

from tests.browser.keys import multiplier, pkcs8_of, point_of
from tests.browser.scripts import run, script_page
from vault_service.crypto.hpke import open_with, seal_to
from vault_service.crypto.seal import hkdf

SHARE_KEY, CEREMONY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
PRF, WRAP_INFO, OPEN_INFO, RELEASE_INFO = secrets.token_bytes(32), b"wrap", b"held", b"release"
WORDS = b"academic acid acrobat"
FEW = 1000  # iterations
PASSPHRASE = "Grüße aus dem Tresor"
RELEASE = """
    const prompt = async () => v.file === null ? null : { content: v.file, passphrase: v.passphrase };
    return await m.releaseShares(v.asked, v.prf === null ? null : bytes(v.prf), prompt)"""


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Page:
    return script_page(chromium)


def _wrapped(key: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, pkcs8_of(SHARE_KEY), WRAP_INFO)


def _key_file(**other: Any) -> str:
    salt = os.urandom(16)
    key = PBKDF2HMAC(SHA256(), 32, salt, FEW).derive(PASSPHRASE.encode())
    file = {"v": 1, "salt": salt.hex(), "iterations": FEW, "wrapped": _wrapped(key).hex()}
    return json.dumps({**file, **other})


def _share(**other: Any) -> dict[str, Any]:
    sealed = seal_to(point_of(SHARE_KEY), OPEN_INFO, WORDS)
    return {
        "ceremony_id": "a ceremony", "pin_gen": 1, "sealed": sealed.hex(), "open_info": OPEN_INFO.hex(),
        "ephemeral_pk": point_of(CEREMONY).hex(), "release_info": RELEASE_INFO.hex(), **other,
    }  # fmt: skip


def _released(page: Page, *shares: dict[str, Any], **other: Any) -> list[dict[str, Any]]:
    asked = {
        "shares": list(shares), "wrapped_share_key": _wrapped(hkdf(PRF, WRAP_INFO)).hex(),
        "wrap_info": WRAP_INFO.hex(), "share_key": point_of(SHARE_KEY).hex(), **other.pop("asked", {}),
    }  # fmt: skip
    given = {"prf": PRF.hex(), "file": None, "passphrase": PASSPHRASE} | other
    released: list[dict[str, Any]] = run(page, "share.js", RELEASE, asked=asked, **given)
    return released


def _opens(released: dict[str, Any]) -> bytes:
    sealed = bytes.fromhex(released["sealed"])
    return open_with(multiplier(CEREMONY), point_of(CEREMONY), RELEASE_INFO, sealed)


def test_a_share_that_the_passkey_opens_is_sealed_to_the_ceremony(page: Page) -> None:
    (released,) = _released(page, _share())

    assert _opens(released) == WORDS
    assert {key: released[key] for key in released if key != "sealed"} == {
        "ceremony_id": "a ceremony", "pin_gen": 1,
    }  # fmt: skip


def test_of_several_shares_for_one_place_the_one_that_opens_is_released_once(page: Page) -> None:
    """Whoever writes to the table can put rubbish in a share's place."""
    rubbish = _share(sealed=seal_to(point_of(CEREMONY), OPEN_INFO, b"rubbish").hex())

    released = _released(page, rubbish, _share(), _share(), _share(pin_gen=2), _share(pin_gen=3, sealed=""))

    assert [(each["pin_gen"], _opens(each)) for each in released] == [(1, WORDS), (2, WORDS)]


def test_nothing_is_released_where_nothing_is_asked_for(page: Page) -> None:
    assert _released(page, prf=None) == []


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"prf": None}, "nothingDerived"),
        ({"prf": bytes(32).hex()}, "otherPasskey"),
        ({"asked": {"wrap_info": b"other".hex()}}, "otherPasskey"),
    ],
)
def test_another_passkey_or_place_opens_no_share_key(page: Page, other: Any, says: str) -> None:
    with pytest.raises(Error, match=says):
        _released(page, _share(), **other)


def test_without_prf_the_officer_s_file_and_passphrase_open_the_share(page: Page) -> None:
    """However the passphrase is composed: its normal form counts."""
    decomposed = "Gru\u0308ße aus dem Tresor"

    (released,) = _released(
        page, _share(), asked={"wrapped_share_key": ""}, prf=None, file=_key_file(), passphrase=decomposed
    )

    assert _opens(released) == WORDS


def test_an_officer_who_gives_no_file_releases_nothing(page: Page) -> None:
    assert _released(page, _share(), asked={"wrapped_share_key": ""}, prf=None) == []


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"passphrase": "another one"}, "otherFile"),
        ({"file": _key_file(iterations=2_000_000_000)}, "alteredFile"),
        ({"file": _key_file(iterations="many")}, "noKeyFile"),
        ({"file": "an age key"}, "noKeyFile"),
        ({"file": "null"}, "noKeyFile"),
    ],
)
def test_a_wrong_file_or_passphrase_is_told_apart(page: Page, other: Any, says: str) -> None:
    given = {"file": _key_file(), "passphrase": PASSPHRASE} | other

    with pytest.raises(Error, match=says):
        _released(page, _share(), asked={"wrapped_share_key": ""}, prf=None, **given)


def test_no_script_can_read_a_share_key_once_it_is_unwrapped(page: Page) -> None:
    told = run(
        page, "share.js",
        """const wrapping = await m.keyOfPasskey(bytes(v.prf), bytes(v.info));
           const key = await m.unwrapShareKey(bytes(v.wrapped), wrapping, bytes(v.info));
           const refused = await crypto.subtle.exportKey("pkcs8", key).catch((error) => error.name);
           return [key.extractable, key.usages, refused]""",
        prf=PRF, info=WRAP_INFO, wrapped=_wrapped(hkdf(PRF, WRAP_INFO)),
    )  # fmt: skip

    assert told == [False, ["deriveBits"], "InvalidAccessError"]


def test_what_the_browser_wraps_is_the_key_in_the_form_that_the_manifest_takes(page: Page) -> None:
    wrapped = run(
        page, "share.js",
        """const wrapping = await m.keyOfPasskey(bytes(v.prf), bytes(v.info));
           return hex(await m.wrapShareKey(await pair(v.key), wrapping, bytes(v.info)))""",
        prf=PRF, info=WRAP_INFO, key=pkcs8_of(SHARE_KEY),
    )  # fmt: skip

    blob = bytes.fromhex(wrapped)
    opened = AESGCM(hkdf(PRF, WRAP_INFO)).decrypt(blob[:12], blob[12:], WRAP_INFO)
    private = load_der_private_key(opened, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.private_numbers() == SHARE_KEY.private_numbers()
    assert len(blob) == 166
