"""The key that an officer's shares are sealed to: a key file's (X-Wing) or a passkey's (P-256).

A passkey signs and cannot decrypt, but many derive a secret that no other site gets (W3C Web Authentication,
Level 3, section 10.1.4: the PRF extension). The officer's browser makes a P-256 key pair and wraps its
private half with AES-256-GCM under HKDF-SHA256 of that secret; what is wrapped stands in the manifest. Where
there is no PRF, it is wrapped under a passphrase, in a file that the officer keeps.

The browser does all of that, by WebCrypto; here is what both sides must agree on.
"""

import hashlib
from uuid import UUID

from vault_service.crypto import hpke, xwing
from vault_service.domain.contexts import context
from vault_service.domain.errors import SealBrokenError

MOST_SEALED = hpke.ENC_BYTES + 16 + 512  # bytes; twenty words of SLIP-39 are some 150


def prf_input(fingerprint: bytes, officer: UUID) -> bytes:
    """What the passkey is asked to derive from, 32 bytes; `fingerprint`: of the first manifest, 32 bytes."""
    return hashlib.sha256(context(b"share-key-prf", fingerprint, officer.bytes)).digest()


def wrap_info(fingerprint: bytes, officer: UUID, authenticator: UUID, share_key: bytes) -> bytes:
    """HKDF's info and AES-GCM's additional data; `share_key`: the public half, 65 bytes.

    So what is wrapped opens as this officer's key alone: put into another officer's place it is none.
    """
    return context(b"share-key-wrap", fingerprint, officer.bytes, authenticator.bytes, share_key)


def is_for_passkey(share_key: str) -> bool:
    """Whether it is a point of P-256. Hex."""
    try:
        hpke.load_public_key(bytes.fromhex(share_key))
    except (SealBrokenError, ValueError):
        return False
    return True


def takes_shares(share_key: str) -> bool:
    """Whether a share can be sealed to it. Hex."""
    if len(share_key) != 2 * xwing.PUBLIC_BYTES:
        return is_for_passkey(share_key)
    try:  # one that takes none would stop each ceremony where it replaces the PIN
        return xwing.is_public_key(bytes.fromhex(share_key))
    except ValueError:
        return False


def seal_to_officer(share_key: str, info: bytes, plaintext: bytes) -> bytes:
    """HPKE with the suite of the officer's key. Hex. Raises SealBrokenError on a bad key."""
    key = bytes.fromhex(share_key)
    if len(key) == hpke.ENC_BYTES:
        return hpke.seal_to(key, info, plaintext)
    return xwing.seal_to(key, info, plaintext)


def may_be_sealed(blob: bytes) -> bool:
    """Whether it has the size of a share that is sealed to a point of P-256."""
    return hpke.ENC_BYTES + 16 < len(blob) <= MOST_SEALED
