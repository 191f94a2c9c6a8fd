"""What the words on the break-glass sheets give, and how they are read from them.

The words are SLIP-39 shares of 16 random bytes, which exist nowhere else. From these follow, for the
escrow token that the manifest names, its security officer PIN and the Ed25519 key that may endorse a
manifest of other officers (crypto/manifest_chain.py).
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from shamir_mnemonic import MnemonicError, Share
from shamir_mnemonic.wordlist import WORDLIST

from vault_service.ceremony.shares import SharesRefusedError, combine, pin_of
from vault_service.ceremony.sheets import SheetsAbandonedError, Terminal
from vault_service.crypto.seal import hkdf
from vault_service.domain.contexts import context, text

_WORDS = 20  # a share of 128 bits: SLIP-39, section "Format of the share mnemonic"
_KNOWN = frozenset(WORDLIST)
_TRIES = 5  # of one sheet


def so_pin_of(secret: bytes, token_serial: str) -> str:
    """The escrow token's security officer PIN, 26 characters."""
    return pin_of(hkdf(secret, context(b"break-glass-so-pin", text(token_serial)), 16))


def signing_key_of(secret: bytes, token_serial: str) -> Ed25519PrivateKey:
    """The key that endorses a manifest in the officers' place."""
    return Ed25519PrivateKey.from_private_bytes(
        hkdf(secret, context(b"break-glass-signing", text(token_serial)))
    )


def public_key_of(secret: bytes, token_serial: str) -> str:
    """Its public half as a manifest names it, hex."""
    return signing_key_of(secret, token_serial).public_key().public_bytes_raw().hex()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The words of one sheet, which are a share."""

    words: str = field(repr=False)
    set_id: int
    number: int
    threshold: int


def read_sheet(typed: str) -> Sheet:
    """Letters may be upper case, and there may be more spaces or lines than needed.

    Raises SharesRefusedError, which names places and never a word.
    """
    words = typed.lower().split()
    if unknown := [str(place) for place, word in enumerate(words, 1) if word not in _KNOWN]:
        raise SharesRefusedError(f"not a word of the list: word {', '.join(unknown)} of this sheet")
    if len(words) != _WORDS:
        raise SharesRefusedError(f"a sheet has {_WORDS} words, and {len(words)} were typed")
    try:
        share = Share.from_mnemonic(" ".join(words))
    except MnemonicError:  # its text quotes words
        raise SharesRefusedError(
            "the sheet's checksum is wrong: a word is another one, or two have changed places"
        ) from None
    return Sheet(" ".join(words), share.identifier, share.index, share.member_threshold)


def secret_of_sheets(terminal: Terminal) -> bytes:
    """Have as many sheets typed as are needed; the screen is cleared after each.

    Raises SheetsAbandonedError, SharesRefusedError.
    """
    sheets: list[Sheet] = []
    try:
        while not sheets or len(sheets) < sheets[0].threshold:
            sheets.append(_typed(terminal, sheets))
    except (EOFError, KeyboardInterrupt):
        raise SheetsAbandonedError("not all sheets were typed", remedy="Begin again.") from None
    finally:
        terminal.clear()
    return combine([sheet.words for sheet in sheets])


def _typed(terminal: Terminal, before: list[Sheet]) -> Sheet:
    total = f" of {before[0].threshold}" if before else ""
    for _ in range(_TRIES):
        terminal.show(f"Sheet {len(before) + 1}{total}: type its {_WORDS} words, in one line or several.")
        words: list[str] = []
        while len(words) < _WORDS:
            line = terminal.ask("> ").split()
            if not line and words:
                break
            words += line
        terminal.clear()
        try:
            sheet = read_sheet(" ".join(words))
            _check_beside(sheet, before)
        except SharesRefusedError as error:
            terminal.show(f"{error.detail}. Type it again.")
        else:
            return sheet
    raise SharesRefusedError(f"sheet {len(before) + 1} was not typed right in {_TRIES} tries")


def _check_beside(sheet: Sheet, before: list[Sheet]) -> None:
    for other in before:
        if sheet.set_id != other.set_id or sheet.threshold != other.threshold:
            raise SharesRefusedError("this sheet is of another set than the first one")
        if sheet.number == other.number:
            raise SharesRefusedError("this sheet was typed before")
