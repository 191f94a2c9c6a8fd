"""Shares of a secret: SLIP-39 words, each sealed to the officer who is to hold it."""

import base64
import hmac
from collections.abc import Sequence
from uuid import UUID

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics

from vault_service.crypto.seal import hkdf
from vault_service.crypto.share_key import seal_to_officer, takes_shares
from vault_service.crypto.xwing import open_sealed_to
from vault_service.domain.contexts import context, text, u64
from vault_service.domain.errors import VaultError
from vault_service.domain.manifest import MIN_QUORUM, Manifest, Officer

ESCROW_PIN = "escrow-pin"
SECRET_BYTES = 16  # 128 bits: twenty words a share


class SharesRefusedError(VaultError):
    """These shares do not give the secret."""

    code = "shares.refused"
    remedy = "Use exactly the threshold of shares, all of one set, and check each word."


def pin_of(secret: bytes) -> str:
    """The escrow token's PIN: base32 of the secret without padding, 26 characters of 16 bytes."""
    return base64.b32encode(secret).rstrip(b"=").decode("ascii")


def pin_check_of(secret: bytes, token_serial: str, generation: int) -> bytes:
    """32 bytes, stored openly: with them a combined secret is judged before the token sees a PIN."""
    return hkdf(secret, context(b"pin-check", text(token_serial), u64(generation)))


def check_secret(secret: bytes, pin_check: bytes, token_serial: str, generation: int) -> None:
    """Raises SharesRefusedError unless it is this generation's, in constant time."""
    if not hmac.compare_digest(pin_check_of(secret, token_serial, generation), pin_check):
        raise SharesRefusedError(f"the shares give a secret that is not PIN generation {generation}'s")


def holders(officers: Sequence[Officer]) -> tuple[Officer, ...]:
    """Who gets a share of the PIN: those who may decide a case, and have a key to receive it with."""
    return tuple(
        officer
        for officer in officers
        if {"approver", "discloser"} & set(officer.roles) and takes_shares(officer.share_key)
    )


def sealed_set(secret: bytes, manifest: Manifest, generation: int) -> dict[UUID, bytes]:
    """A new set of the PIN's shares: officer -> sealed share, as many needed as the base quorum.

    Raises SharesRefusedError when one person could open it, or fewer hold one than are needed.
    """
    people = holders(manifest.officers)
    words = split(secret, threshold=manifest.quorum.base, people=len(people))
    return {
        officer.officer_id: seal_share(
            officer, share, purpose=ESCROW_PIN, token_serial=manifest.tokens.escrow, generation=generation
        )
        for officer, share in zip(people, words, strict=True)
    }


def split(secret: bytes, *, threshold: int, people: int) -> tuple[str, ...]:
    """Words for each of `people`, any `threshold` of whom can combine them (SLIP-39, one group).

    Never fewer than two: a set that one person can open is no dual control.
    """
    if not MIN_QUORUM <= threshold <= people:
        raise SharesRefusedError(f"a threshold of {threshold} of {people} is not dual control")
    return tuple(generate_mnemonics(1, [(threshold, people)], secret)[0])


def combine(shares: Sequence[str]) -> bytes:
    """The secret. Raises SharesRefusedError on too few, mixed, doubled or mistyped shares."""
    try:
        secret: bytes = combine_mnemonics([" ".join(share.lower().split()) for share in shares])
    except MnemonicError:  # its text quotes words of the shares
        raise SharesRefusedError(
            "too few or too many shares, of different sets, or a word is wrong"
        ) from None
    return secret


def share_info(purpose: str, token_serial: str, generation: int, officer: UUID) -> bytes:
    """HPKE info of a sealed share: whose it is, of which secret."""
    return context(b"share", text(purpose), text(token_serial), u64(generation), officer.bytes)


def seal_share(officer: Officer, words: str, *, purpose: str, token_serial: str, generation: int) -> bytes:
    """Only this officer's key opens it, only for this purpose, token and generation."""
    info = share_info(purpose, token_serial, generation, officer.officer_id)
    return seal_to_officer(officer.share_key, info, words.encode("ascii"))


def open_share(
    seed: bytes, sealed: bytes, *, officer: UUID, purpose: str, token_serial: str, generation: int
) -> str:
    """The words of one share, with a key file's seed. Raises SealBrokenError.

    What is sealed to a passkey's share key opens in the officer's browser only.
    """
    info = share_info(purpose, token_serial, generation, officer)
    return open_sealed_to(seed, info, sealed).decode("ascii")
