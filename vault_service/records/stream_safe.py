"""Normalise text in time that grows with its length alone, whatever is in it.

Normalising puts the marks of each letter in order, with work that grows with the square of their number and
while no other thread of the process runs: a megabyte of them would take minutes. So text is brought into
Unicode's stream-safe form first (UAX #15, section 13), which is the same for all that anybody writes.

And a character may stand for eighteen others. Python makes room for ten more at a time, and may copy all that
it has for each ten: 60 KB of U+FDFA stopped a process for half a minute. So it is given text that it only has
to put in order and compose, each character having been taken apart by itself.
"""

import functools
import unicodedata

_MOST = 30  # marks (non-starters) in a row; UAX #15, D4
_JOINER = "\u034f"  # COMBINING GRAPHEME JOINER: nothing is put in order across it


def stream_safe(text: str) -> str:
    """The text, with a joiner wherever more marks than that follow one another."""
    if text.isascii():
        return text
    safe: list[str] = []
    run = 0
    for char in text:
        leading, trailing, only_marks = _marks(char)
        if run + leading > _MOST:
            safe.append(_JOINER)
            run = 0
        safe.append(char)
        run = run + leading if only_marks else trailing
    return "".join(safe)


def compatible(text: str) -> str:
    """The text's compatibility form, NFKC (UAX #15): of a stream-safe one."""
    return unicodedata.normalize("NFKC", "".join(map(_apart, text)))


@functools.lru_cache(4096)
def _apart(char: str) -> str:
    return unicodedata.normalize("NFKD", char)


@functools.lru_cache(4096)
def _marks(char: str) -> tuple[int, int, bool]:
    """How many marks its decomposition begins with, how many it ends with, whether it is nothing else."""
    is_mark = [unicodedata.combining(each) != 0 for each in unicodedata.normalize("NFKD", char)]
    if all(is_mark):
        return len(is_mark), len(is_mark), True
    return is_mark.index(False), is_mark[::-1].index(False), False
