"""An officer's signature, whichever authenticator made it: a key file (Ed25519) or a passkey (WebAuthn)."""

from cryptography.exceptions import InvalidSignature

from vault_service.crypto.ed25519 import verify_ed25519
from vault_service.crypto.webauthn import Assertion, verify_assertion
from vault_service.domain.manifest import Authenticator, Passkey


def verify_signature(authenticator: Authenticator, signature: bytes, message: bytes) -> None:
    """Whether this authenticator signed this message. Raises cryptography's InvalidSignature."""
    try:
        public_key = bytes.fromhex(authenticator.public_key)
        if authenticator.kind == "key-file":
            verify_ed25519(public_key, signature, message)
            return
    except ValueError:
        raise InvalidSignature from None
    if not isinstance(authenticator.passkey, Passkey):
        raise InvalidSignature
    verify_assertion(authenticator.passkey, public_key, Assertion.decode(signature), message)
