"""A passkey's signature over one message of ours (W3C Web Authentication, Level 3).

The challenge is SHA-256 of the message, so an assertion stands for this message and nothing else. Judged
anew each time it matters, by whoever has the manifest: the key service, the ceremony, each officer's client.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.utils import websafe_encode
from fido2.webauthn import AuthenticatorData

from vault_service.crypto.hpke import load_public_key
from vault_service.domain.contexts import length_prefixed
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.manifest import Passkey

_FORM = b"vault_service/assertion/1"
MAX_ASSERTION = 2048  # bytes, encoded; clientDataJSON has some 130, authenticator data 37


@dataclass(frozen=True, slots=True)
class Assertion:
    """What navigator.credentials.get() gave (section 5.2.2, AuthenticatorAssertionResponse)."""

    authenticator_data: bytes
    client_data_json: bytes
    signature: bytes  # ECDSA, DER

    def encode(self) -> bytes:
        """As it stands where a key file's signature would."""
        return b"".join(
            map(length_prefixed, (_FORM, self.authenticator_data, self.client_data_json, self.signature))
        )

    @classmethod
    def decode(cls, blob: bytes) -> "Assertion":
        """The reverse; raises InvalidSignature for anything else."""
        parts: list[bytes] = []
        rest = blob
        while rest and len(parts) < 4 and len(blob) <= MAX_ASSERTION:
            size, rest = int.from_bytes(rest[:4], "big"), rest[4:]
            parts.append(rest[:size])
            rest = rest[size:]
        if len(parts) != 4:
            raise InvalidSignature
        found = cls(*parts[1:])
        if (
            found.encode() != blob
        ):  # another form, a length that promises more than there is, something behind it
            raise InvalidSignature
        return found

    @property
    def sign_count(self) -> int:
        """How often the passkey says that it has signed; 0: it does not count (section 6.1.1)."""
        return _authenticator_data(self.authenticator_data).counter


def challenge_of(message: bytes) -> bytes:
    """What the browser is asked to have signed: 32 bytes."""
    return hashlib.sha256(message).digest()


def verify_assertion(passkey: Passkey, public_key: bytes, assertion: Assertion, message: bytes) -> None:
    """Whether this passkey signed this message on the console's own page, its owner verified (section 7.2).

    Raises InvalidSignature: the wrong type, challenge or origin, a frame of another site, another relying
    party, no user present or none verified, flags that contradict each other, another key.
    """
    client = client_data_of(assertion.client_data_json)
    data = _authenticator_data(assertion.authenticator_data)
    stands = (
        client.get("type") == "webauthn.get",
        client.get("challenge") == websafe_encode(challenge_of(message)),
        client.get("origin") == passkey.origin,
        client.get("crossOrigin", False) is False,
        "topOrigin" not in client,
        hmac.compare_digest(data.rp_id_hash, hashlib.sha256(passkey.rp_id.encode()).digest()),
        bool(data.flags & AuthenticatorData.FLAG.UP),
        bool(data.flags & AuthenticatorData.FLAG.UV),
        backup_is_plausible(data.flags),
    )
    if not all(stands):
        raise InvalidSignature
    try:
        key = load_public_key(public_key)
    except SealBrokenError:
        raise InvalidSignature from None
    signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data_json).digest()
    key.verify(assertion.signature, signed, ec.ECDSA(SHA256()))


def client_data_of(content: bytes) -> dict[str, object]:
    """Members of clientDataJSON (section 5.8.1); a member that stands twice is refused."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise InvalidSignature
        return members

    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise InvalidSignature from None
    if not isinstance(found, dict):
        raise InvalidSignature
    return cast("dict[str, object]", found)


def backup_is_plausible(flags: AuthenticatorData.FLAG) -> bool:
    """What is backed up can be: an authenticator never says otherwise (sections 6.1.3, 7.1 and 7.2)."""
    return not flags & AuthenticatorData.FLAG.BS or bool(flags & AuthenticatorData.FLAG.BE)


def _authenticator_data(content: bytes) -> AuthenticatorData:
    try:
        return AuthenticatorData(content)
    except (ValueError, IndexError, KeyError, TypeError, EOFError):  # its parser says so in several ways
        raise InvalidSignature from None
