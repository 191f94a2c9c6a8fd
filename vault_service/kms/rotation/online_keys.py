"""The kinds of keys in the online token: what they are called there, how one is made, which one it is."""

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.domain.contexts import context
from vault_service.domain.errors import TokenKeyError
from vault_service.domain.manifest import Keys, PublicKeyGeneration, SecretKeyGeneration
from vault_service.domain.rotation import KeyKind, OnlineKind, manifest_member
from vault_service.kms.cases.ceremony_notes import note_label
from vault_service.kms.manifest import manifest_label
from vault_service.kms.sealing.sign_checkpoint import audit_label
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.wrapping.keyring import case_label, login_index_label, pepper_label

Generation = PublicKeyGeneration | SecretKeyGeneration

_LABELS: Mapping[OnlineKind, Callable[[int], str]] = {
    "pepper": pepper_label,
    "login-index": login_index_label,
    "case": case_label,
    "note": note_label,
    "audit-signing": audit_label,
    "manifest": manifest_label,
}
_SECRET: frozenset[OnlineKind] = frozenset({"pepper", "login-index", "case"})
"""HMAC keys; the others are Ed25519 pairs."""


def label_of(kind: OnlineKind, gen: int) -> str:
    """The token's name for a generation."""
    return _LABELS[kind](gen)


def generations(keys: Keys, kind: KeyKind) -> tuple[Generation, ...]:
    """All generations of a kind, as a manifest lists them."""
    found: tuple[Generation, ...] = getattr(keys, manifest_member(kind))
    return found


def with_generations(keys: Keys, kind: KeyKind, changed: tuple[Generation, ...]) -> Keys:
    """The same keys but for one kind's."""
    members: dict[str, Any] = {manifest_member(kind): changed}
    return msgspec.structs.replace(keys, **members)


def fingerprint(key: Generation) -> str:
    """SHA-256 of the public key or of the check value, in hex: what an operator compares and types."""
    value = key.public_key if isinstance(key, PublicKeyGeneration) else key.check
    return hashlib.sha256(bytes.fromhex(value)).hexdigest()


def make_generation(token: OnlineToken, kind: OnlineKind, gen: int) -> Generation:
    """A new key in the token, prepared. Raises ConfigurationError when its label is taken."""
    label = label_of(kind, gen)
    if kind in _SECRET:
        token.create_hmac_key(label)
        return SecretKeyGeneration(gen, "prepared", token.key_check_value(label).hex())
    return PublicKeyGeneration(gen, "prepared", token.create_signing_key(label).hex())


def demand_in_token(token: OnlineToken, kind: OnlineKind, key: Generation) -> None:
    """Whether the token holds this very key and can use it: a real operation each.

    The public half of a pair says nothing of the private one beside it, which may be missing or swapped.
    Raises TokenKeyError, TokenUnavailableError.
    """
    label = label_of(kind, key.gen)
    if isinstance(key, SecretKeyGeneration):
        if token.key_check_value(label).hex() != key.check:
            raise TokenKeyError(f"key {label} of the online token (another than the manifest names)")
        return
    # Of a form that is neither a manifest, a note nor a checkpoint, and new each time.
    message = context(b"key-probe", os.urandom(32))
    try:
        signature = token.sign(label, message)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key)).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise TokenKeyError(f"key {label} of the online token (another than the manifest names)") from None
