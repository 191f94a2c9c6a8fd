"""Predictable stretches of a password: what they are, and how many guesses each costs an attacker.

This covers what zxcvbn lacks: keyboards and alphabets of other countries, the login inside, well-known
sentences, spelled with separators or with digits for letters. Costs are powers of ten.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

from vault_service.crypto.keyboards import find_walks


class Reason(StrEnum):
    """Why a password is easy to guess, as the person reads it."""

    REPEATS = "it repeats itself"
    MIRRORED = "it is the same read backwards"
    WALK = "it follows neighbouring keys of a keyboard"
    SEQUENCE = "it runs through an alphabet or counts"
    DATE = "it is made of dates"
    COMMON = "it is made of words or phrases that head every list of stolen passwords"
    LOGIN = "it is made of the login"
    SERVICE = "it is made of the name of this service"
    GUESSED_FIRST = "it is made of words or patterns that are guessed first"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a password that an attacker need not try letter by letter."""

    start: int
    end: int
    cost: float  # guesses, as a power of ten
    shape: object  # stretches of one shape need to be guessed only once
    reason: Reason

    @property
    def gain(self) -> float:
        """What the attacker saves against ten guesses a character."""
        return self.end - self.start - self.cost


_LEET = {
    "a": "a4@", "b": "b8", "e": "e3", "g": "g9", "i": "i1!|", "l": "l1|", "o": "o0", "s": "s5$",
    "t": "t7+", "z": "z2",
}  # fmt: skip
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"{_YEAR}([-/. ]?){_MONTH}\1{_DAY}"
    rf"|{_DAY}([-/. ]?){_MONTH}\2{_YEAR}"
    rf"|{_MONTH}([-/. ]?){_DAY}\3{_YEAR}"
    rf"|{_DAY}?[-/. ]?(?:{_MONTHS})[a-z]{{0,6}}[-/. ]?(?:{_DAY}[-/., ]+)?{_YEAR}"
)
_DATE_COST = 4.6  # the days of about a century
_SEQUENCE_WIDEST_STEP = 3
_SEQUENCE_SHORTEST = 4
_COUNTED = re.compile(r"(\D{1,64}?)\d{1,4}[^\w\s]{0,3}(?:\1\d{1,4}[^\w\s]{0,3})+\1?")


def spelled(words: Iterable[str]) -> re.Pattern[str] | None:
    """Matches the words, longest first, also with digits and signs in place of letters; None for no words."""
    ordered = sorted(set(words), key=len, reverse=True)
    if not ordered:
        return None
    return re.compile("|".join("".join(map(_spellings, word)) for word in ordered))


def _spellings(letter: str) -> str:
    return f"[{re.escape(_LEET[letter])}]" if letter in _LEET else re.escape(letter)


@cache
def _common() -> tuple[re.Pattern[str] | None, float]:
    lines = (files("vault_service.crypto") / "data" / "common_words.txt").read_text("utf-8").splitlines()
    words = [line for line in lines if line and not line.startswith("#")]
    return spelled(words), math.log10(len(words))


def reduce(text: str) -> tuple[str, set[Reason]]:
    """What is left when repetition is taken away: of abcabcab abc, of abccba abc, of ana1ana2! ana."""
    reasons: set[Reason] = set()
    while True:
        counted = _COUNTED.fullmatch(text)
        if (unit := _unit(text)) != text:
            text, found = unit, Reason.REPEATS
        elif len(text) >= 8 and text == text[::-1]:
            text, found = text[: (len(text) + 1) // 2], Reason.MIRRORED
        elif counted is not None:
            text, found = counted[1], Reason.REPEATS
        else:
            return text, reasons
        reasons.add(found)


def _unit(text: str) -> str:
    """The shortest stretch that gives the text when it is written at least one and a half times."""
    border = [0] * len(text)  # Knuth, Morris and Pratt: linear in the length
    for end in range(1, len(text)):
        length = border[end - 1]
        while length and text[end] != text[length]:
            length = border[length - 1]
        border[end] = length + (text[end] == text[length])
    period = len(text) - border[-1] if text else 0
    return text[:period] if 2 * len(text) >= 3 * period else text


def find_stretches(
    text: str, login: re.Pattern[str] | None, services: re.Pattern[str] | None
) -> list[Stretch]:
    """Stretches that do not overlap, those that save an attacker most, from left to right."""
    found = [*_walks(text), *_sequences(text), *_dates(text), *_words(text, login, services)]
    chosen: list[Stretch] = []
    for stretch in sorted(found, key=lambda one: one.gain, reverse=True):
        if stretch.gain > 0 and all(
            stretch.end <= other.start or other.end <= stretch.start for other in chosen
        ):
            chosen.append(stretch)
    return sorted(chosen, key=lambda one: one.start)


def _walks(text: str) -> Iterator[Stretch]:
    for walk in find_walks(text):
        # 47 keys to begin with, six directions at the start and at each turn.
        yield Stretch(walk.start, walk.end, 2 + 0.8 * walk.turns, walk.steps, Reason.WALK)


def _sequences(text: str) -> Iterator[Stretch]:
    """Equal steps through any alphabet; 9 is followed by 0 and z by a."""
    start = 0
    while start < len(text) - 1:
        step, end = _distance(text[start], text[start + 1]), start + 2
        while end < len(text) and _distance(text[end - 1], text[end]) == step:
            end += 1
        if abs(step) <= _SEQUENCE_WIDEST_STEP and end - start >= _SEQUENCE_SHORTEST:
            reason = Reason.SEQUENCE if step else Reason.REPEATS
            yield Stretch(start, end, 2.0, ("sequence", step), reason)
        start = end - 1


def _distance(here: str, there: str) -> int:
    wraps = {("9", "0"): 1, ("0", "9"): -1, ("z", "a"): 1, ("a", "z"): -1}
    return wraps.get((here, there), ord(there) - ord(here))


def _dates(text: str) -> Iterator[Stretch]:
    for match in _DATE.finditer(text):
        yield Stretch(match.start(), match.end(), _DATE_COST, match[0], Reason.DATE)


def _words(text: str, login: re.Pattern[str] | None, services: re.Pattern[str] | None) -> Iterator[Stretch]:
    common, size = _common()
    for pattern, cost, reason in (
        (login, 0.5, Reason.LOGIN),
        (services, 0.5, Reason.SERVICE),
        (common, size, Reason.COMMON),
    ):
        for match in pattern.finditer(text) if pattern else ():
            yield Stretch(match.start(), match.end(), cost, match[0], reason)


def parts(name: str, shortest: int) -> Sequence[str]:
    """A name's words of at least that many letters, and all of them joined."""
    words = re.findall(r"[^\W_]+", name)
    letters = [re.sub(r"\d+$", "", word) for word in words]
    return [part for part in {*words, *letters, "".join(words)} if len(part) >= shortest]
