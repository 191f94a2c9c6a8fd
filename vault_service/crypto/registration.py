"""What a browser gives when a passkey is made (W3C Web Authentication, Level 3, section 7.1).

No attestation is asked for: which make of authenticator somebody uses is theirs to choose, and who they are
is established by people. What counts is that the key is ES256, its owner verified, made on the console's own
page for this one challenge.
"""

from dataclasses import dataclass
from typing import cast

import structlog
from cryptography.exceptions import InvalidSignature
from fido2.cose import ES256
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestationObject,
    AuthenticatorAttestationResponse,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    RegistrationResponse,
)

from vault_service.crypto.hpke import load_public_key
from vault_service.crypto.webauthn import backup_is_plausible, client_data_of
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.web_errors import PasskeyRefusedError

_log = structlog.get_logger("passkeys")
ES256_ALGORITHM = -7  # COSE (RFC 9053, section 2.1)
_MOST_CREDENTIAL_ID = 1023  # bytes, section 4
_MOST_SENT = 16 * 1024  # bytes of each part


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What the manifest would say of it."""

    credential_id: bytes
    public_key: bytes  # P-256, uncompressed point


def register(
    *, rp_id: str, origin: str, challenge: bytes, attestation_object: bytes, client_data_json: bytes
) -> NewPasskey:
    """Raises PasskeyRefusedError, in words for the person who enrols."""
    server = Fido2Server(
        PublicKeyCredentialRpEntity(name=rp_id, id=rp_id),
        AttestationConveyancePreference.NONE,
        verify_origin=lambda given: given == origin,
    )
    try:
        client = client_data_of(client_data_json)
        if client.get("crossOrigin", False) is not False or "topOrigin" in client:
            raise PasskeyRefusedError("it was made in a frame of another page")
        response = AuthenticatorAttestationResponse(
            client_data=CollectedClientData(client_data_json),
            attestation_object=AttestationObject(attestation_object),
        )
        credential = response.attestation_object.auth_data.credential_data
        if credential is None or max(len(attestation_object), len(client_data_json)) > _MOST_SENT:
            raise PasskeyRefusedError("what the browser sent is no new passkey")
        if not backup_is_plausible(response.attestation_object.auth_data.flags):
            raise PasskeyRefusedError("what the passkey says of itself cannot be")
        state = {"challenge": websafe_encode(challenge), "user_verification": "required"}
        made = RegistrationResponse(raw_id=credential.credential_id, response=response)
        server.register_complete(state, made)  # pyright: ignore[reportUnknownMemberType]  # its state has no type
        if credential.public_key[3] != ES256_ALGORITHM or not isinstance(credential.public_key, ES256):
            raise PasskeyRefusedError("it signs in a way that the vault does not know; use another kind")
        if not 1 <= len(credential.credential_id) <= _MOST_CREDENTIAL_ID:
            raise PasskeyRefusedError("its name is of a length that no passkey's has")
        x, y = cast("tuple[bytes, bytes]", (credential.public_key[-2], credential.public_key[-3]))
        point = b"\x04" + bytes(x) + bytes(y)
        load_public_key(point)
        return NewPasskey(bytes(credential.credential_id), point)
    except PasskeyRefusedError:
        raise
    except (  # its parsers say so in several ways
        ValueError, IndexError, KeyError, TypeError, AttributeError, EOFError, RecursionError, AssertionError,
        InvalidSignature, SealBrokenError,
    ) as error:  # fmt: skip
        _log.info("passkey.not_registered", error=type(error).__name__)
        raise PasskeyRefusedError(
            "it was not made on this page just now, or without a check that it is you: "
            "use a passkey that asks for your fingerprint, your face or a PIN"
        ) from None
