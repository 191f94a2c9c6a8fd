"""Shares of a secret: SLIP-39 words, each sealed to the officer who is to hold it."""

from collections.abc import Sequence
from uuid import UUID

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics

from vault_service.crypto.xwing import open_sealed_to, seal_to
from vault_service.domain.contexts import context, text, u64
from vault_service.domain.errors import VaultError
from vault_service.domain.manifest import MIN_QUORUM, Officer

ESCROW_PIN = "escrow-pin"
BREAK_GLASS = "break-glass"
SECRET_BYTES = 16  # 128 bits: twenty words a share


class SharesRefusedError(VaultError):
    """These shares do not give the secret."""

    code = "shares.refused"
    remedy = "Use exactly the threshold of shares, all of one set, and check each word."


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


def _place(purpose: str, token_serial: str, generation: int, officer: UUID) -> bytes:
    return context(b"share", text(purpose), text(token_serial), u64(generation), officer.bytes)


def seal_share(officer: Officer, words: str, *, purpose: str, token_serial: str, generation: int) -> bytes:
    """Only this officer's key opens it, only for this purpose, token and generation."""
    info = _place(purpose, token_serial, generation, officer.officer_id)
    return seal_to(bytes.fromhex(officer.share_key), info, words.encode("ascii"))


def open_share(
    seed: bytes, sealed: bytes, *, officer: UUID, purpose: str, token_serial: str, generation: int
) -> str:
    """The words of one share, with the officer's own key. Raises SealBrokenError."""
    return open_sealed_to(seed, _place(purpose, token_serial, generation, officer), sealed).decode("ascii")
