"""Text from outside as people are to see it."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}  # Unicode categories


def visible(text: str) -> str:
    """Show characters that move or hide others: a reason that reads one way is signed as another."""
    return "".join(
        char if unicodedata.category(char) not in _HIDDEN else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
