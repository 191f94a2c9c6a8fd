"""An officer's public part, as it is handed in: what a manifest names, signed with the key that it names.

The signature shows that whoever made the card holds the key and pins this vault's chain, and that nobody
put another share key into it on the way. Who that is, it does not show: officers compare the fingerprint.
"""

from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta

from vault_service.crypto.xwing import PUBLIC_BYTES
from vault_service.domain.contexts import context, text
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Authenticator, Hex, Officer, Role

_ED25519_HEX = 64
_SIGNATURE_HEX = 128


class Signer(Protocol):
    """An officer's key file, opened."""

    @property
    def officer(self) -> UUID:
        """Whose it is."""
        ...

    @property
    def authenticator(self) -> UUID:
        """Which of the officer's keys."""
        ...

    @property
    def signing(self) -> Ed25519PrivateKey:
        """Its private half."""
        ...

    def public(self, roles: tuple[Role, ...]) -> Officer:
        """How a manifest names this officer."""
        ...


class OfficerCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: JSON, nothing in it is secret."""

    v: Literal[1]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    officer_id: UUID
    authenticator_id: UUID
    signing_key: Annotated[Hex, Meta(min_length=_ED25519_HEX, max_length=_ED25519_HEX)]
    share_key: Annotated[Hex, Meta(min_length=2 * PUBLIC_BYTES, max_length=2 * PUBLIC_BYTES)]
    manifest_fingerprint: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")]  # none before genesis
    signature: Annotated[Hex, Meta(min_length=_SIGNATURE_HEX, max_length=_SIGNATURE_HEX)]

    def encode(self) -> bytes:
        """For a file that people may look at."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def officer(self, roles: tuple[Role, ...], user_ids: tuple[UUID, ...] = ()) -> Officer:
        """How a manifest would name this person."""
        authenticator = Authenticator(self.authenticator_id, "key-file", self.signing_key)
        return Officer(self.officer_id, self.name, roles, (authenticator,), self.share_key, user_ids)


def make_card(key: Signer, *, fingerprint: str) -> OfficerCard:
    """`fingerprint`: of the chain that the key file pins, hex; empty before genesis."""
    named = key.public(())
    card = OfficerCard(
        1, named.name, named.officer_id, key.authenticator, named.authenticators[0].public_key,
        named.share_key, fingerprint, "00" * 64,
    )  # fmt: skip
    return msgspec.structs.replace(card, signature=key.signing.sign(_signed(card)).hex())


def read_card(content: bytes, *, fingerprint: str) -> OfficerCard:
    """Raises InvalidInputError for what is no card, was altered, or is for another vault."""
    try:
        card = msgspec.json.decode(content, type=OfficerCard)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(card.signing_key))
        key.verify(bytes.fromhex(card.signature), _signed(card))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError("officer's file", "not what vaultctl officer keygen writes") from None
    except (InvalidSignature, ValueError):
        raise InvalidInputError("officer's file", "it was altered: its own key did not sign it") from None
    if card.manifest_fingerprint != fingerprint:
        raise InvalidInputError(
            "officer's file", "made for another vault, or before there was one: it pins another fingerprint"
        )
    return card


def _signed(card: OfficerCard) -> bytes:
    return context(
        b"officer-card", text(card.name), card.officer_id.bytes, card.authenticator_id.bytes,
        bytes.fromhex(card.signing_key), bytes.fromhex(card.share_key),
        bytes.fromhex(card.manifest_fingerprint),
    )  # fmt: skip
