"""An officer's public part, as it is handed in: what a manifest names, signed with the key that it names.

The signature shows that whoever made the card holds the key and pins this vault's chain, and that nobody
put another share key into it on the way. Who that is, it does not show: officers compare the fingerprint.

Version 1 is a key file's, version 2 a passkey's: its signature is an assertion, so it also shows at which
site the passkey signs. A spare passkey's card also carries the word of one that its officer has already.
"""

from typing import Annotated, Literal, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from vault_service.crypto.ed25519 import verify_ed25519
from vault_service.crypto.hpke import ENC_BYTES
from vault_service.crypto.officer_change import is_own_site
from vault_service.crypto.officer_signature import verify_signature
from vault_service.crypto.share_key import is_for_passkey
from vault_service.crypto.webauthn import MAX_ASSERTION
from vault_service.crypto.xwing import PUBLIC_BYTES
from vault_service.domain.contexts import context, text
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Authenticator, Hex, Officer, Passkey, Role
from vault_service.domain.manifest_difference import key_fingerprint

_ED25519_HEX = 64
_SIGNATURE_HEX = 128
MOST_BYTES = 8192  # of a card
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


_ALTERED = "it was altered: its own key did not sign it"


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
    """A key file's card: JSON, nothing in it is secret."""

    v: Literal[1]
    name: Name
    officer_id: UUID
    authenticator_id: UUID
    signing_key: Annotated[Hex, Meta(min_length=_ED25519_HEX, max_length=_ED25519_HEX)]
    share_key: Annotated[Hex, Meta(min_length=2 * PUBLIC_BYTES, max_length=2 * PUBLIC_BYTES)]
    manifest_fingerprint: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]  # none before genesis
    signature: Annotated[Hex, Meta(min_length=_SIGNATURE_HEX, max_length=_SIGNATURE_HEX)]

    def encode(self) -> bytes:
        """For a file that people may look at."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def officer(self, roles: tuple[Role, ...], user_ids: tuple[UUID, ...] = ()) -> Officer:
        """How a manifest would name this person."""
        authenticator = Authenticator(self.authenticator_id, "key-file", self.signing_key)
        return Officer(self.officer_id, self.name, roles, (authenticator,), self.share_key, user_ids)


class Beside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The word of a passkey that the officer has: another is to stand beside it, for the same share key."""

    authenticator_id: UUID
    signature: Annotated[Hex, Meta(max_length=2 * MAX_ASSERTION)]  # an assertion over spare_message


class PasskeyCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A passkey's card: likewise."""

    v: Literal[2]
    name: Name
    officer_id: UUID
    authenticator: Authenticator
    share_key: Annotated[Hex, Meta(min_length=2 * ENC_BYTES, max_length=2 * ENC_BYTES)]
    manifest_fingerprint: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    signature: Annotated[Hex, Meta(max_length=2 * MAX_ASSERTION)]  # the assertion, encoded
    # Unset: it is somebody new's, or takes the place of all that the officer signs with.
    beside: Beside | msgspec.UnsetType = msgspec.UNSET

    def encode(self) -> bytes:
        """For a file that people may look at."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def officer(self, roles: tuple[Role, ...], user_ids: tuple[UUID, ...] = ()) -> Officer:
        """How a manifest would name this person."""
        return Officer(self.officer_id, self.name, roles, (self.authenticator,), self.share_key, user_ids)


Card = OfficerCard | PasskeyCard


def make_card(key: Signer, *, fingerprint: str) -> OfficerCard:
    """`fingerprint`: of the chain that the key file pins, hex; empty before genesis."""
    named = key.public(())
    card = OfficerCard(
        1, named.name, named.officer_id, key.authenticator, named.authenticators[0].public_key,
        named.share_key, fingerprint, "00" * 64,
    )  # fmt: skip
    return msgspec.structs.replace(card, signature=key.signing.sign(_signed(card)).hex())


def unsigned_card(
    name: str,
    officer_id: UUID,
    authenticator: Authenticator,
    share_key: bytes,
    *,
    fingerprint: str,
    beside: Beside | None = None,
) -> PasskeyCard:
    """A passkey's card before its passkey has signed it. Hex but for `share_key`, a point of 65 bytes.
    `beside`: of a spare one.

    Raises InvalidInputError for what could be no officer's.
    """
    plain = PasskeyCard(
        2, name, officer_id, authenticator, share_key.hex(), fingerprint, "", beside or msgspec.UNSET
    )
    try:
        card = msgspec.json.decode(msgspec.json.encode(plain), type=PasskeyCard)
    except msgspec.DecodeError:
        raise InvalidInputError("officer's card", "a member of it is not as it must be") from None
    _check_passkey(card)
    return card


def card_message(card: PasskeyCard) -> bytes:
    """What the passkey signs: everything in the card but the signature."""
    auth, passkey = card.authenticator, _passkey(card)
    beside = [] if not isinstance(card.beside, Beside) else [bytes.fromhex(card.beside.signature)]
    return context(
        b"passkey-card", text(card.name), card.officer_id.bytes, auth.authenticator_id.bytes,
        bytes.fromhex(auth.public_key), bytes.fromhex(card.share_key), bytes.fromhex(passkey.credential_id),
        text(passkey.rp_id), text(passkey.origin), bytes.fromhex(passkey.wrapped_share_key),
        bytes.fromhex(card.manifest_fingerprint), *beside,
    )  # fmt: skip


def spare_message(fingerprint: str, officer: UUID, spare: UUID, public_key: bytes) -> bytes:
    """What a passkey that the officer has signs, so that another may stand beside it.

    `spare`: that one's authenticator id, which is good for one card. `public_key`: that one's, 65 bytes;
    without it a superuser of the database could put the word into a card of his own passkey.
    """
    return context(b"spare-passkey", bytes.fromhex(fingerprint), officer.bytes, spare.bytes, public_key)


def stands_beside(card: PasskeyCard, officer: Officer) -> bool:
    """Whether one of the officer's passkeys has given its word for this spare one, as it would have to."""
    if not isinstance(card.beside, Beside) or card.share_key != officer.share_key:
        return False
    by = card.beside.authenticator_id
    present = next((each for each in officer.authenticators if each.authenticator_id == by), None)
    if present is None:
        return False
    spare, public_key = card.authenticator.authenticator_id, bytes.fromhex(card.authenticator.public_key)
    message = spare_message(card.manifest_fingerprint, officer.officer_id, spare, public_key)
    try:
        verify_signature(present, bytes.fromhex(card.beside.signature), message)
    except InvalidSignature:
        return False
    return True


def signed_card(card: PasskeyCard, signature: bytes) -> PasskeyCard:
    """With the passkey's encoded assertion over card_message. Raises InvalidInputError when it is not."""
    signed = msgspec.structs.replace(card, signature=signature.hex())
    return _verified(signed)


def read_card(content: bytes, *, fingerprint: str) -> Card:
    """Raises InvalidInputError for what is no card, was altered, or is for another vault."""
    try:
        version = msgspec.json.decode(content, type=_Versioned).v
        if version == 2:
            card: Card = _verified(msgspec.json.decode(content, type=PasskeyCard))
        else:
            card = msgspec.json.decode(content, type=OfficerCard)
            verify_ed25519(bytes.fromhex(card.signing_key), bytes.fromhex(card.signature), _signed(card))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError(
            "officer's file", "neither the FILE.public.json of vaultctl officer keygen nor a passkey's card"
        ) from None
    except (InvalidSignature, ValueError):
        raise InvalidInputError("officer's file", _ALTERED) from None
    if card.manifest_fingerprint != fingerprint:
        raise InvalidInputError(
            "officer's file", "made for another vault, or before there was one: it pins another fingerprint"
        )
    return card


def fingerprint_of(card: Card) -> str:
    """What the newcomer reads to the officers, and they compare."""
    return key_fingerprint(card.officer(()))


class _Versioned(msgspec.Struct):
    v: int


def _verified(card: PasskeyCard) -> PasskeyCard:
    _check_passkey(card)
    try:
        verify_signature(card.authenticator, bytes.fromhex(card.signature), card_message(card))
    except InvalidSignature:
        raise InvalidInputError("officer's file", _ALTERED) from None
    return card


def _check_passkey(card: PasskeyCard) -> None:
    if not is_own_site(_passkey(card)):
        raise InvalidInputError("officer's file", "its passkey is of another site than it signs at")
    if not is_for_passkey(card.share_key) or not is_for_passkey(card.authenticator.public_key):
        raise InvalidInputError("officer's file", "one of its keys is no point of P-256")


def _passkey(card: PasskeyCard) -> Passkey:
    if card.authenticator.kind != "passkey" or not isinstance(card.authenticator.passkey, Passkey):
        raise InvalidInputError("officer's file", "it does not say where its passkey signs")
    return card.authenticator.passkey


def _signed(card: OfficerCard) -> bytes:
    return context(
        b"officer-card", text(card.name), card.officer_id.bytes, card.authenticator_id.bytes,
        bytes.fromhex(card.signing_key), bytes.fromhex(card.share_key),
        bytes.fromhex(card.manifest_fingerprint),
    )  # fmt: skip
