"""Login names: one spelling each."""

import unicodedata

from vault_service.domain.errors import InvalidInputError

MAX_CODE_POINTS = 320  # an e-mail address at its longest (RFC 3696, erratum 1690)


def normalise_login(raw: str) -> str:
    """Trim, case-fold and compose; two spellings that people take for one are one.

    Raises InvalidInputError when nothing is left, when it is too long, or when it holds
    control characters or lone surrogates.
    """
    if len(raw) > 4 * MAX_CODE_POINTS:  # before any work on it
        raise InvalidInputError("login", f"a login is not longer than {MAX_CODE_POINTS} code points")
    composed = unicodedata.normalize("NFC", raw.strip())
    folded = unicodedata.normalize("NFC", composed.casefold())
    if not folded:
        raise InvalidInputError("login", "a login is not empty")
    if len(folded) > MAX_CODE_POINTS:
        raise InvalidInputError("login", f"a login is not longer than {MAX_CODE_POINTS} code points")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in folded):
        raise InvalidInputError("login", "a login holds no control characters or lone surrogates")
    return folded
