"""A passkey in software, with the part of a browser that speaks to it: WebAuthn, PRF, WebCrypto.

`sign` takes what an attacker would change, too. Its counter goes up by one each time, unless told otherwise.
"""

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from vault_service.crypto.hpke import open_with, seal_to
from vault_service.crypto.seal import hkdf
from vault_service.crypto.share_key import prf_input, wrap_info
from vault_service.crypto.webauthn import Assertion, challenge_of
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator, Officer, Passkey, Role

ORIGIN = "http://localhost:8443"
FLAG = AuthenticatorData.FLAG
PRESENT_AND_VERIFIED = FLAG.UP | FLAG.UV
_NONCE = 12


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Its public half, 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def pkcs8_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """As WebCrypto exports it, and CDP's WebAuthn.addCredential takes it."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def wrap_share_key(key: ec.EllipticCurvePrivateKey, secret: bytes, info: bytes) -> bytes:
    """What the browser makes of PRF's output: nonce, ciphertext, tag."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(hkdf(secret, info)).encrypt(nonce, pkcs8_of(key), info)


def open_share_key(wrapped: bytes, secret: bytes, info: bytes) -> ec.EllipticCurvePrivateKey:
    """The reverse; raises InvalidTag."""
    plain = AESGCM(hkdf(secret, info)).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], info)
    key = load_der_private_key(plain, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@dataclass(frozen=True)
class Created:
    """What navigator.credentials.create() gave."""

    credential_id: bytes
    public_key: bytes  # P-256, 65 bytes
    attestation_object: bytes
    client_data_json: bytes


@dataclass
class SoftPasskey:
    """One credential of one site."""

    origin: str = ORIGIN
    rp_id: str = "localhost"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    prf_secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    share_private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )
    count: int = 0

    @property
    def public_key(self) -> bytes:
        return point_of(self.key)

    @property
    def share_key(self) -> bytes:
        return point_of(self.share_private)

    def create(self, challenge: bytes, *, flags: FLAG = PRESENT_AND_VERIFIED) -> Created:
        """Registration, attestation "none"."""
        key = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]  # fido2
        credential = AttestedCredentialData.create(bytes(16), self.credential_id, key)
        data = AuthenticatorData.create(self._rp_id_hash(self.rp_id), flags | FLAG.AT, self.count, credential)
        attestation = AttestationObject.create("none", data, {})
        client = self.client_data(challenge, "webauthn.create")
        return Created(self.credential_id, self.public_key, bytes(attestation), client)

    def sign(
        self,
        challenge: bytes,
        *,
        type: str = "webauthn.get",  # noqa: A002  # WebAuthn's word
        origin: str | None = None,
        rp_id: str | None = None,
        flags: FLAG = PRESENT_AND_VERIFIED,
        count: int | None = None,
        cross_origin: bool | None = False,
        **other: object,
    ) -> Assertion:
        """navigator.credentials.get(); `other`: further members of clientDataJSON."""
        if count is None:
            self.count = count = self.count + 1
        data = AuthenticatorData.create(self._rp_id_hash(rp_id or self.rp_id), flags, count)
        client = self.client_data(challenge, type, origin=origin, cross_origin=cross_origin, **other)
        return self.signed(bytes(data), client)

    def sign_message(self, message: bytes, **how: object) -> bytes:
        """The encoded assertion over a message of ours: what stands where a key file's signature would."""
        return self.sign(challenge_of(message), **how).encode()  # type: ignore[arg-type]  # as `sign` takes them

    def signed(self, authenticator_data: bytes, client_data_json: bytes) -> Assertion:
        """Any bytes, signed."""
        content = authenticator_data + hashlib.sha256(client_data_json).digest()
        signature = self.key.sign(content, ec.ECDSA(SHA256()))
        return Assertion(authenticator_data, client_data_json, signature)

    def client_data(
        self,
        challenge: bytes,
        type: str,  # noqa: A002  # WebAuthn's word
        *,
        origin: str | None = None,
        cross_origin: bool | None = False,
        **other: object,
    ) -> bytes:
        """As a browser serialises it (section 5.8.1.1)."""
        members: dict[str, object] = {
            "type": type, "challenge": websafe_encode(challenge), "origin": origin or self.origin,
        }  # fmt: skip
        if cross_origin is not None:
            members["crossOrigin"] = cross_origin
        return json.dumps(members | other, separators=(",", ":")).encode()

    def prf(self, given: bytes) -> bytes:
        """Level 3, section 10.1.4: the salt has a prefix of its own, then hmac-secret of CTAP 2.1."""
        salt = hashlib.sha256(b"WebAuthn PRF\x00" + given).digest()
        return hmac.digest(self.prf_secret, salt, "sha256")

    # --- an officer's

    def authenticator(
        self, authenticator_id: UUID, officer_id: UUID, fingerprint: str, *, prf: bool = True
    ) -> Authenticator:
        """As the manifest names it; `fingerprint`: of the vault, hex."""
        wrapped = b""
        if prf:
            secret = self.prf(prf_input(bytes.fromhex(fingerprint), officer_id))
            info = wrap_info(bytes.fromhex(fingerprint), officer_id, authenticator_id, self.share_key)
            wrapped = wrap_share_key(self.share_private, secret, info)
        passkey = Passkey(self.credential_id.hex(), self.rp_id, self.origin, wrapped.hex())
        return Authenticator(authenticator_id, "passkey", self.public_key.hex(), passkey)

    def officer(
        self, name: str, roles: tuple[Role, ...], fingerprint: str, *, officer_id: UUID | None = None
    ) -> Officer:
        """As the manifest would name whoever holds it."""
        officer_id = officer_id or new_uuid()
        authenticator = self.authenticator(new_uuid(), officer_id, fingerprint)
        return Officer(officer_id, name, roles, (authenticator,), self.share_key.hex())

    def unwrapped(self, officer: Officer, fingerprint: str) -> ec.EllipticCurvePrivateKey:
        """The share key as the browser opens it from what the manifest has."""
        (authenticator,) = officer.authenticators
        assert isinstance(authenticator.passkey, Passkey)
        secret = self.prf(prf_input(bytes.fromhex(fingerprint), officer.officer_id))
        info = wrap_info(
            bytes.fromhex(fingerprint), officer.officer_id, authenticator.authenticator_id,
            bytes.fromhex(officer.share_key),
        )  # fmt: skip
        return open_share_key(bytes.fromhex(authenticator.passkey.wrapped_share_key), secret, info)

    @staticmethod
    def _rp_id_hash(rp_id: str) -> bytes:
        return hashlib.sha256(rp_id.encode()).digest()


def open_sealed(key: ec.EllipticCurvePrivateKey, info: bytes, sealed: bytes) -> bytes:
    """HPKE with a share key. Raises SealBrokenError."""

    def multiply(peer: bytes, /) -> bytes:
        return key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer))

    return open_with(multiply, point_of(key), info, sealed)


def seal_again(
    key: ec.EllipticCurvePrivateKey, sealed: bytes, open_info: bytes, to: bytes, release_info: bytes
) -> bytes:
    """What share.js does: open one's share, seal it to the ceremony."""
    return seal_to(to, release_info, open_sealed(key, open_info, sealed))
