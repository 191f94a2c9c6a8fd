"""A passkey's signature counts for one message, on the console's own page, by the officer in person."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fido2.utils import websafe_encode

from tests.rig.passkeys import FLAG, PRESENT_AND_VERIFIED, SoftPasskey
from vault_service.crypto.officer_signature import verify_signature
from vault_service.crypto.webauthn import MAX_ASSERTION, Assertion, challenge_of, verify_assertion
from vault_service.domain.case import approval_message
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator, Passkey

ORIGIN = "https://console.example.org"
OWN = SoftPasskey(ORIGIN, "console.example.org")
OFFICER, AUTHENTICATOR, DIGEST = new_uuid(), new_uuid(), bytes(range(32))
NAMED = OWN.authenticator(AUTHENTICATOR, OFFICER, "ab" * 32)
MESSAGE = approval_message(DIGEST, "approve", OFFICER, AUTHENTICATOR)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SP 800-186, 3.2.1.3)


def place() -> Passkey:
    assert isinstance(NAMED.passkey, Passkey)
    return NAMED.passkey


def refused(signature: bytes, message: bytes = MESSAGE, by: Authenticator = NAMED) -> None:
    with pytest.raises(InvalidSignature):
        verify_signature(by, signature, message)


def test_what_the_passkey_signs_on_its_own_page_stands() -> None:
    verify_signature(NAMED, OWN.sign_message(MESSAGE), MESSAGE)
    verify_signature(
        NAMED, OWN.sign_message(MESSAGE, cross_origin=None), MESSAGE
    )  # older browsers leave it out


@pytest.mark.parametrize(
    "how",
    [
        {"type": "webauthn.create"}, {"type": "payment.get"}, {"type": None},
        {"origin": "https://evil.example"}, {"origin": "https://console.example.org.evil.example"},
        {"origin": "http://console.example.org"}, {"origin": "https://console.example.org:444"},
        {"origin": "https://console.example.org/"}, {"origin": "https://CONSOLE.example.org"},
        {"origin": "null"}, {"rp_id": "example.org"}, {"rp_id": "evil.example"},
        {"flags": FLAG.UP}, {"flags": FLAG.UV}, {"flags": FLAG(0)},
        {"flags": FLAG.UP | FLAG.UV | FLAG.BS},  # backed up, and never to be: no authenticator says both
        {"cross_origin": True}, {"cross_origin": 0}, {"cross_origin": "false"},
        {"topOrigin": "https://evil.example"}, {"topOrigin": ORIGIN}, {"topOrigin": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_it_signs_anywhere_else_or_in_another_way_does_not(how: dict[str, Any]) -> None:
    """A page that lies about its name, a frame in another site, a registration, nobody at the device."""
    refused(OWN.sign_message(MESSAGE, **how))


@pytest.mark.parametrize(
    "other",
    [
        approval_message(DIGEST[::-1], "approve", OFFICER, AUTHENTICATOR),
        approval_message(DIGEST, "veto", OFFICER, AUTHENTICATOR),
        approval_message(DIGEST, "approve", new_uuid(), AUTHENTICATOR),
        approval_message(DIGEST, "approve", OFFICER, new_uuid()),
        b"",
    ],
    ids=["another case", "another decision", "another officer", "another authenticator", "nothing"],
)
def test_it_stands_for_its_own_message_and_for_no_other(other: bytes) -> None:
    refused(OWN.sign_message(MESSAGE), other)
    refused(OWN.sign_message(other))


def test_another_passkey_of_the_same_site_does_not_sign_in_its_place() -> None:
    refused(SoftPasskey(ORIGIN, OWN.rp_id).sign_message(MESSAGE))
    refused(SoftPasskey(ORIGIN, OWN.rp_id, credential_id=OWN.credential_id).sign_message(MESSAGE))


@pytest.mark.parametrize(
    "challenge",
    [
        MESSAGE, challenge_of(MESSAGE)[:-1], challenge_of(MESSAGE) + b"\0", b"",
        hashlib.sha256(challenge_of(MESSAGE)).digest(),
    ],
    ids=["the message", "cut", "longer", "nothing", "hashed twice"],
)  # fmt: skip
def test_the_challenge_is_exactly_the_hash(challenge: bytes) -> None:
    refused(OWN.sign(challenge).encode())


def _client(**changes: object) -> bytes:
    plain = json.loads(OWN.client_data(challenge_of(MESSAGE), "webauthn.get"))
    return json.dumps(plain | changes).encode()


@pytest.mark.parametrize(
    "client",
    [
        b"", b"null", b"[]", b'"webauthn.get"', b"\xff", b"{", b"[" * 100_000,
        _client(challenge=websafe_encode(challenge_of(MESSAGE)) + "="),
        _client(challenge=challenge_of(MESSAGE).hex()),
        _client(challenge=[websafe_encode(challenge_of(MESSAGE))]),
        _client(origin=[ORIGIN]),
        _client(origin={"": ORIGIN}),
        _client()[:-1] + b', "origin": "https://evil.example"}',
        b'{"origin": "https://evil.example", ' + _client()[1:],
        b"\xef\xbb\xbf" + _client(),
    ],
    ids=range(15),
)  # fmt: skip
def test_client_data_that_two_readers_might_read_differently_is_refused(client: bytes) -> None:
    data = OWN.sign(challenge_of(MESSAGE)).authenticator_data
    with pytest.raises(InvalidSignature):
        verify_assertion(place(), OWN.public_key, OWN.signed(data, client), MESSAGE)


@pytest.mark.parametrize("size", [0, 31, 32, 33, 36])
def test_authenticator_data_that_was_cut_off_is_refused(size: int) -> None:
    client = OWN.client_data(challenge_of(MESSAGE), "webauthn.get")
    data = OWN.sign(challenge_of(MESSAGE)).authenticator_data[:size]
    refused(OWN.signed(data, client).encode())


@pytest.mark.parametrize(
    "alter",
    [
        lambda blob: b"", lambda blob: blob[:-1], lambda blob: blob + b"\0", lambda blob: blob + bytes(4),
        lambda blob: b"\0" + blob, lambda blob: blob[4:], lambda blob: blob + blob,
        lambda blob: blob.replace(b"assertion/1", b"assertion/2"), lambda blob: bytes(64),
        lambda blob: b"\xff\xff\xff\xff" + blob[4:], lambda blob: blob + bytes(MAX_ASSERTION),
    ],
    ids=range(11),
)  # fmt: skip
def test_only_the_one_encoding_of_an_assertion_is_one(alter: Callable[[bytes], bytes]) -> None:
    refused(alter(OWN.sign_message(MESSAGE)))


def test_a_length_that_promises_more_than_there_is_makes_no_second_encoding() -> None:
    found = OWN.sign(challenge_of(MESSAGE))
    blob, size = found.encode(), len(found.signature)
    longer = blob[: -size - 4] + (size + 5).to_bytes(4, "big") + found.signature
    verify_signature(NAMED, blob, MESSAGE)
    refused(longer)


def test_an_assertion_is_never_longer_than_every_judge_takes() -> None:
    """Else a judge that stores it, and one that bounds it, would differ."""
    refused(OWN.sign_message(MESSAGE, padding="x" * MAX_ASSERTION))


@pytest.mark.parametrize("part", ["authenticator_data", "client_data_json", "signature"])
def test_no_bit_of_it_can_be_changed(part: str) -> None:
    found = OWN.sign(challenge_of(MESSAGE))
    parts = {name: getattr(found, name) for name in ("authenticator_data", "client_data_json", "signature")}
    for at in range(len(parts[part])):
        altered = bytearray(parts[part])
        altered[at] ^= 1
        refused(Assertion(**(parts | {part: bytes(altered)})).encode())


def test_a_counter_that_is_changed_afterwards_breaks_the_signature() -> None:
    found = OWN.sign(challenge_of(MESSAGE), count=7)
    assert found.sign_count == 7
    higher = found.authenticator_data[:33] + (8).to_bytes(4, "big")
    refused(Assertion(higher, found.client_data_json, found.signature).encode())


def test_the_twin_of_a_signature_says_nothing_else_than_the_signature() -> None:
    """(r, n - s) is as good as (r, s) in ECDSA, and anybody can make it: so no signature may count by itself,
    only the person and the message do (crypto/approvals.py counts persons)."""
    found = OWN.sign(challenge_of(MESSAGE))
    r, s = decode_dss_signature(found.signature)
    twin = Assertion(
        found.authenticator_data, found.client_data_json, encode_dss_signature(r, ORDER - s)
    ).encode()

    verify_signature(NAMED, twin, MESSAGE)
    refused(twin, approval_message(DIGEST, "veto", OFFICER, AUTHENTICATOR))


def test_a_key_file_s_signature_is_none_in_a_passkey_s_place_nor_the_reverse() -> None:
    key = Ed25519PrivateKey.generate()
    file = Authenticator(AUTHENTICATOR, "key-file", key.public_key().public_bytes_raw().hex())
    verify_signature(file, key.sign(MESSAGE), MESSAGE)

    refused(key.sign(MESSAGE))
    refused(OWN.sign_message(MESSAGE), by=file)
    refused(key.sign(MESSAGE), by=Authenticator(AUTHENTICATOR, "passkey", file.public_key, place()))
    refused(OWN.sign_message(MESSAGE), by=Authenticator(AUTHENTICATOR, "key-file", NAMED.public_key, place()))
    refused(OWN.sign_message(MESSAGE), by=Authenticator(AUTHENTICATOR, "passkey", NAMED.public_key))


@pytest.mark.parametrize(
    "point",
    ["", "04" + "00" * 64, NAMED.public_key[:-2], "02" + NAMED.public_key[2:66], NAMED.public_key[2:]],
    ids=["nothing", "not on the curve", "cut", "compressed", "without its form"],
)
def test_a_key_that_is_no_whole_point_of_the_curve_signs_nothing(point: str) -> None:
    refused(OWN.sign_message(MESSAGE), by=Authenticator(AUTHENTICATOR, "passkey", point, place()))


def test_more_flags_than_are_needed_do_no_harm() -> None:
    """A passkey that is synced between devices says so: backup eligible, backed up."""
    verify_signature(
        NAMED, OWN.sign_message(MESSAGE, flags=PRESENT_AND_VERIFIED | FLAG.BE | FLAG.BS), MESSAGE
    )
