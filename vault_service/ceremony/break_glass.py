"""What the break-glass words give: the escrow token's security officer PIN, and a key that signs."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault_service.ceremony.shares import pin_of
from vault_service.crypto.seal import hkdf
from vault_service.domain.contexts import context, text

_SO_PIN_BYTES = 16


def so_pin_of(secret: bytes, token_serial: str) -> str:
    """26 characters. `secret`: 16 bytes, combined from the sheets."""
    return pin_of(hkdf(secret, context(b"break-glass-so-pin", text(token_serial)), _SO_PIN_BYTES))


def signing_key_of(secret: bytes, token_serial: str) -> Ed25519PrivateKey:
    """The key whose public half the manifest names."""
    seed = hkdf(secret, context(b"break-glass-signing", text(token_serial)))
    return Ed25519PrivateKey.from_private_bytes(seed)
