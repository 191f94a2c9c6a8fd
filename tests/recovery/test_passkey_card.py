"""A passkey's card: signed on the console's own page, with everything that a manifest takes."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.crypto.test_officer_change import NEWEST
from tests.recovery.test_officers import NOW
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator, Passkey, parse_manifest
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.recovery.officer_card import (
    MOST_BYTES,
    Beside,
    PasskeyCard,
    card_message,
    fingerprint_of,
    read_card,
    signed_card,
    unsigned_card,
)
from vault_service.recovery.officers import add, propose, re_key

FINGERPRINT = "ab" * 32
ORIGIN = "https://console.example.org"
OWN = SoftPasskey(ORIGIN, "console.example.org")
OFFICER = new_uuid()
NAMED = OWN.authenticator(new_uuid(), OFFICER, FINGERPRINT)
OTHER = SoftPasskey(ORIGIN, "console.example.org")


def unsigned(authenticator: Authenticator = NAMED, share_key: bytes = OWN.share_key) -> PasskeyCard:
    return unsigned_card("dora", OFFICER, authenticator, share_key, fingerprint=FINGERPRINT)


def card(by: SoftPasskey = OWN, **how: Any) -> PasskeyCard:
    return signed_card(unsigned(), by.sign_message(card_message(unsigned()), **how))


def with_passkey(**changes: object) -> Authenticator:
    assert isinstance(NAMED.passkey, Passkey)
    return msgspec.structs.replace(NAMED, passkey=msgspec.structs.replace(NAMED.passkey, **changes))


def test_it_becomes_a_proposal_like_a_key_file_s() -> None:
    made = card()
    found = read_card(made.encode(), fingerprint=FINGERPRINT)
    assert found == made

    proposal = propose(NEWEST, [add(found, ("approver", "discloser"))], NOW)
    officer = parse_manifest(proposal.body).officers[-1]
    assert (officer.name, officer.authenticators, officer.share_key) == (
        "dora",
        (NAMED,),
        OWN.share_key.hex(),
    )
    assert key_fingerprint(officer) == fingerprint_of(found)
    assert fingerprint_of(found) in proposal.lines[0]


def test_the_longest_card_has_room_where_cards_wait() -> None:
    """1,023 bytes of credential id (WebAuthn, section 4) and the longest name."""
    long = SoftPasskey(ORIGIN, "console.example.org", credential_id=bytes(1023))
    authenticator = long.authenticator(new_uuid(), OFFICER, FINGERPRINT)
    plain = unsigned_card("ň" * 64, OFFICER, authenticator, long.share_key, fingerprint=FINGERPRINT)
    assert len(signed_card(plain, long.sign_message(card_message(plain))).encode()) <= MOST_BYTES


ALTERED: dict[str, Callable[[PasskeyCard], PasskeyCard]] = {
    "the name": lambda card: msgspec.structs.replace(card, name="bob"),
    "the officer": lambda card: msgspec.structs.replace(card, officer_id=UUID(int=1)),
    "the vault": lambda card: msgspec.structs.replace(card, manifest_fingerprint="cd" * 32),
    "the share key": lambda card: msgspec.structs.replace(card, share_key=OTHER.share_key.hex()),
    "the authenticator's id": lambda card: msgspec.structs.replace(
        card, authenticator=msgspec.structs.replace(card.authenticator, authenticator_id=UUID(int=1))
    ),
    "the passkey": lambda card: msgspec.structs.replace(
        card, authenticator=OTHER.authenticator(NAMED.authenticator_id, OFFICER, FINGERPRINT)
    ),
    "the site": lambda card: msgspec.structs.replace(
        card, authenticator=with_passkey(origin="https://evil.example", rp_id="evil.example")
    ),
    "the credential": lambda card: msgspec.structs.replace(
        card, authenticator=with_passkey(credential_id=OTHER.credential_id.hex())
    ),
    "the wrapped share key": lambda card: msgspec.structs.replace(
        card, authenticator=with_passkey(wrapped_share_key="00" * 166)
    ),
    "the signature": lambda card: msgspec.structs.replace(card, signature=OWN.sign_message(b"").hex()),
    "no signature": lambda card: msgspec.structs.replace(card, signature=""),
}  # fmt: skip


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_a_card_that_was_changed_on_its_way_is_refused(alter: Callable[[PasskeyCard], PasskeyCard]) -> None:
    altered = alter(card())
    with pytest.raises(InvalidInputError):
        read_card(altered.encode(), fingerprint=altered.manifest_fingerprint)


@pytest.mark.parametrize(
    "how",
    [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"type": "webauthn.create"}],
    ids=str,
)
def test_a_card_that_was_signed_on_another_page_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="did not sign it"):
        card(**how)
    with pytest.raises(InvalidInputError, match="did not sign it"):
        card(by=OTHER)


@pytest.mark.parametrize(
    "plain",
    [
        lambda: unsigned(share_key=bytes(65)),
        lambda: unsigned(share_key=OWN.share_key[:33]),
        lambda: unsigned(Authenticator(new_uuid(), "key-file", "11" * 32)),
        lambda: unsigned(msgspec.structs.replace(NAMED, public_key="11" * 32)),
        lambda: unsigned(with_passkey(rp_id="example.org")),
        lambda: unsigned(with_passkey(origin="https://evil.example")),
        lambda: unsigned(with_passkey(origin="javascript://x")),
        lambda: unsigned_card("", OFFICER, NAMED, OWN.share_key, fingerprint=FINGERPRINT),
        lambda: unsigned_card("do\x1bra", OFFICER, NAMED, OWN.share_key, fingerprint=FINGERPRINT),
        lambda: unsigned_card("dora", OFFICER, NAMED, OWN.share_key, fingerprint=""),
    ],
    ids=range(10),
)
def test_what_could_be_no_officer_s_is_not_even_signed(plain: Callable[[], PasskeyCard]) -> None:
    with pytest.raises(InvalidInputError):
        plain()


def test_a_card_for_another_vault_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="another vault"):
        read_card(card().encode(), fingerprint="cd" * 32)


def test_a_card_of_a_version_that_nobody_knows_is_none() -> None:
    content = card().encode().replace(b'"v": 2', b'"v": 3')
    with pytest.raises(InvalidInputError, match="neither"):
        read_card(content, fingerprint=FINGERPRINT)


def test_an_officer_is_re_keyed_only_with_a_card_of_their_own() -> None:
    with pytest.raises(InvalidInputError, match="for a new person"):
        propose(NEWEST, [re_key(card())], NOW)


def test_a_spare_passkey_s_card_takes_nobody_s_place() -> None:
    """By its file: what was lost may have opened the share key, which the spare one's card keeps."""
    spare = msgspec.structs.replace(card(), beside=Beside(new_uuid(), "ab"))

    with pytest.raises(InvalidInputError, match="beside"):
        propose(NEWEST, [re_key(spare)], NOW)
