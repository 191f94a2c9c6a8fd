"""Cosignatures (C2SP tlog-cosignature): at this time, this was the log's largest checkpoint that I saw."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import COSIGNATURE, Signature, VerifierKey

MAX_TIME = 2**63 - 1
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64


def cosigned_message(body: str, time: int) -> bytes:
    """What is signed: a header, the time in POSIX seconds, and the checkpoint's whole text.

    Raises NoteError for a time that the format does not hold.
    """
    if not 0 <= time <= MAX_TIME:
        raise NoteError("a cosignature's time lies between 0 and 2**63 - 1")
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def cosign(private_key: Ed25519PrivateKey, name: str, body: str, time: int) -> Signature:
    """A cosignature under this name; the caller has verified that the checkpoint is an append.

    `body` is the note's text with its last newline, `time` POSIX seconds. Raises NoteError.
    """
    key = VerifierKey(name, COSIGNATURE, private_key.public_key().public_bytes_raw())
    signed = private_key.sign(cosigned_message(body, time))
    return Signature(name, key.key_id, time.to_bytes(_TIME_BYTES, "big") + signed)


def cosigned_at(key: VerifierKey, body: str, signature: Signature) -> int:
    """The time (POSIX seconds) at which this key cosigned this text. Raises NoteError."""
    if (key.key_type, key.name, key.key_id) != (COSIGNATURE, signature.name, signature.key_id):
        raise NoteError(f"the signature is not a cosignature by {key.name}")
    if len(signature.blob) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise NoteError(f"the cosignature by {key.name} has not {_TIME_BYTES + _SIGNATURE_BYTES} bytes")
    time = int.from_bytes(signature.blob[:_TIME_BYTES], "big")
    message = cosigned_message(body, time)
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature.blob[_TIME_BYTES:], message)
    except InvalidSignature:
        raise NoteError(f"the cosignature by {key.name} is not of this text") from None
    return time
