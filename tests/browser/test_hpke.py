"""static/hpke.js in chromium: RFC 9180's vectors, and the same messages as crypto/hpke.py."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from playwright.sync_api import Browser, Error, Page

from tests.browser.keys import multiplier, pkcs8_of, point_of
from tests.browser.scripts import run, script_page
from tests.vectors.load import load
from vault_service.crypto.hpke import _decap, _key_schedule, open_with, seal_to

VECTORS = load("hpke")
INFO = b"where it belongs"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
POINT = point_of(PRIVATE)
OPEN = "return hex(await m.openWith(await pair(v.key), bytes(v.point), bytes(v.info), bytes(v.blob)))"


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Page:
    return script_page(chromium)


def _vector_key(vector: dict[str, str]) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(vector["skRm"], 16), ec.SECP256R1())


def _opened(page: Page, **values: object) -> bytes:
    given = {"key": pkcs8_of(PRIVATE), "point": POINT, "info": INFO} | values
    return bytes.fromhex(run(page, "hpke.js", OPEN, **given))


def test_decapsulation_gives_the_rfc_s_shared_secret(page: Page) -> None:
    vector = VECTORS["rfc9180_a3"]

    shared = run(
        page, "hpke.js", "return hex(await m.decapsulate(await pair(v.key), bytes(v.point), bytes(v.enc)))",
        key=pkcs8_of(_vector_key(vector)), point=vector["pkRm"], enc=vector["enc"],
    )  # fmt: skip

    assert shared == vector["shared_secret"]


def test_key_and_nonce_are_those_that_the_published_messages_were_made_with(page: Page) -> None:
    """tests/crypto/test_hpke.py shows that crypto/hpke.py's are; the browser opens what they seal."""
    vector = VECTORS["accumulated"]
    private, enc, info = _vector_key(vector), bytes.fromhex(vector["enc"]), bytes.fromhex(vector["info"])
    key, nonce = _key_schedule(_decap(multiplier(private)(enc), enc, point_of(private)), info)
    blob = enc + AESGCM(key).encrypt(nonce, b"first message", b"")

    opened = _opened(page, key=pkcs8_of(private), point=point_of(private), info=info, blob=blob)

    assert opened == b"first message"


@pytest.mark.parametrize("message", [b"", b"x", bytes(range(256)) * 3])
def test_the_browser_opens_what_we_seal_and_we_open_what_it_seals(page: Page, message: bytes) -> None:
    sealed = run(
        page, "hpke.js", "return hex(await m.sealTo(bytes(v.point), bytes(v.info), bytes(v.message)))",
        point=POINT, info=INFO, message=message,
    )  # fmt: skip

    assert _opened(page, blob=seal_to(POINT, INFO, message)) == message
    assert open_with(multiplier(PRIVATE), POINT, INFO, bytes.fromhex(sealed)) == message


def test_what_is_changed_anywhere_or_meant_for_another_place_does_not_open(page: Page) -> None:
    blob = seal_to(POINT, INFO, b"a share")
    other = point_of(ec.generate_private_key(ec.SECP256R1()))
    altered = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in (0, 1, 64, 65, len(blob) - 1)]
    wrong = [*({"blob": each} for each in (*altered, blob[:80], b"", other + blob[65:]))]

    for values in (*wrong, {"blob": blob, "info": b"elsewhere"}, {"blob": blob, "point": other}):
        with pytest.raises(Error):
            _opened(page, **values)


def test_nothing_is_sealed_to_what_is_no_point_of_the_curve(page: Page) -> None:
    off_the_curve = POINT[:-1] + bytes([POINT[-1] ^ 1])

    for point in (off_the_curve, b"\x04" + bytes(64), POINT[:33], b""):
        with pytest.raises(Error):
            run(page, "hpke.js", "await m.sealTo(bytes(v.point), bytes(), bytes())", point=point)
