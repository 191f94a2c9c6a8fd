"""Whether a new password is good enough (NIST SP 800-63B-4, section 3.1.1.2), and why not.

No composition rules: only length, and an estimate of the guesses that an attacker needs who knows
the usual patterns and the person's login. zxcvbn (Wheeler, USENIX Security 2016) makes the
estimate for the patterns of English; password_patterns.py for those that it does not know. The
lowest estimate over several readings of the password counts.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zxcvbn_rs_py import zxcvbn

from vault_service.crypto.password_patterns import Reason, find_stretches, parts, reduce, spelled
from vault_service.domain.errors import WeakPasswordError
from vault_service.domain.tokens import is_one_time_password
from vault_service.policy.rules import PasswordPolicy

_TOO_LONG = "the password is longer than %(n)s characters"
_TOO_SHORT = "the password is shorter than %(n)s characters"
_NO_KEYBOARD = "the password holds NUL or half a surrogate pair, which keyboards do not make"
_ONE_TIME = "the password has the form of a one-time password, which is to be replaced by one of your own"
UNFIT = (_TOO_LONG, _TOO_SHORT, _NO_KEYBOARD, _ONE_TIME)
"""Why a password is refused before anything is estimated; n is a number."""
_WINDOW = 100  # code points; zxcvbn's time grows faster than the length
_CLEAR = 4  # code points of a pattern that is none by accident
_SEPARATORS = re.compile(r"[\s\-_./,;:+|*]+")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")  # not the joiners, which Persian and emoji need
_ACCENTS = re.compile("[\u0300-\u036f]")
_DOUBLED = re.compile(r"(.)\1+", re.DOTALL)


def judge_password(
    password: str, policy: PasswordPolicy, *, login: str = "", names: Sequence[str] = ()
) -> None:
    """Accept the password, or raise WeakPasswordError with the reasons in plain words.

    `login`: of the person who chooses it. `names`: of this service and the calling app. The
    reasons hold nothing of the password. Time is bounded for any length.
    """
    composed = _well_formed(password, policy)
    known = _Known.of(login, names)
    reasons: set[Reason] = set()
    enough = policy.min_guesses_log10
    for reading in _readings(composed):
        estimate, found = _estimate(reading, known, enough=enough)
        if estimate < enough:
            reasons |= found or {Reason.GUESSED_FIRST}
    estimate, found = _estimate_woven(_bare(composed), known)
    if estimate < enough:
        reasons |= found or {Reason.GUESSED_FIRST}
    if reasons:
        said = [reason.value for reason in Reason if reason in reasons]
        raise WeakPasswordError("the password is too easy to guess: " + "; ".join(said))


@dataclass(frozen=True, slots=True)
class _Known:
    """What an attacker knows beforehand."""

    words: list[str]
    login: re.Pattern[str] | None
    services: re.Pattern[str] | None

    @classmethod
    def of(cls, login: str, names: Sequence[str]) -> "_Known":
        folded = _fold(login)
        local, _, domain = folded.partition("@")
        whole = _SEPARATORS.sub("", folded)
        own = {folded, whole, *parts(local, 3), *parts(domain, 4), *parts(folded, 4)} - {""}
        services = {part for name in names for part in parts(_fold(name), 4)}
        return cls([*own, *services], spelled(own), spelled(services))


def _well_formed(password: str, policy: PasswordPolicy) -> str:
    """The NFC form; length and characters are as they must be."""
    too_long = _TOO_LONG % {"n": policy.max_code_points}
    if len(password) > 4 * policy.max_code_points:  # before any work on it; composing may shorten it
        raise WeakPasswordError(too_long)
    composed = unicodedata.normalize("NFC", password)
    if len(composed) > policy.max_code_points:
        raise WeakPasswordError(too_long)
    if len(composed) < policy.min_code_points:
        raise WeakPasswordError(_TOO_SHORT % {"n": policy.min_code_points})
    if "\0" in composed or any("\ud800" <= char <= "\udfff" for char in composed):
        raise WeakPasswordError(_NO_KEYBOARD)
    if is_one_time_password(composed):  # or choosing would not end that it must be changed
        raise WeakPasswordError(_ONE_TIME)
    return composed


def _fold(text: str) -> str:
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text).casefold())


def _bare(composed: str) -> str:
    return _SEPARATORS.sub("", _fold(composed))


def _readings(composed: str) -> Iterator[str]:
    """The password as it is, and as an attacker's rules would simplify it."""
    bare = _bare(composed)
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", bare))
    single = _DOUBLED.sub(r"\1", bare)  # aabbccdd is abcd
    readings = [composed, bare, plain]
    if 5 * len(single) <= 3 * len(bare):
        readings.append(single)
    yield from dict.fromkeys(readings)


def _estimate(reading: str, known: _Known, *, enough: float) -> tuple[float, set[Reason]]:
    """Guesses as a power of ten, and what makes them few; stops counting at `enough`."""
    rest, reasons = reduce(reading)
    stretches = find_stretches(rest, known.login, known.services)
    reasons |= {stretch.reason for stretch in stretches}
    whole = min(_zxcvbn(reading, known, enough), _zxcvbn(rest, known, enough))
    shapes: set[object] = set()
    seen: set[str] = set()
    total, position = 0.0, 0
    for stretch in stretches:
        text, between = rest[stretch.start : stretch.end], rest[position : stretch.start]
        total += _once(between, seen, known, enough)
        if text not in seen:
            total += 0.5 if stretch.shape in shapes else stretch.cost
        seen.add(text)
        shapes.add(stretch.shape)
        position = stretch.end
        if total >= enough:
            return whole, reasons
    return min(whole, total + _once(rest[position:], seen, known, enough)), reasons


def _estimate_woven(bare: str, known: _Known) -> tuple[float, set[Reason]]:
    """As of two texts whose letters take turns: a1b2c3d4 is abcd and 1234.

    Half of the letters of a good password hold something short by accident, and zxcvbn finds more of it.
    """
    rest, reasons = reduce(bare)
    total = 0.0
    for half in dict.fromkeys((rest[::2], rest[1::2])):
        stretches = find_stretches(half, known.login, known.services)
        clear = [stretch for stretch in stretches if stretch.end - stretch.start >= _CLEAR]
        total += len(half) - sum(stretch.gain for stretch in clear)
        reasons |= {stretch.reason for stretch in clear}
    return total, reasons


def _once(text: str, seen: set[str], known: _Known, enough: float) -> float:
    """The cost of a stretch that fits no pattern; a second time it costs nothing."""
    if text in seen or not text:
        return 0.0
    seen.add(text)
    return _zxcvbn(text, known, enough)


def _zxcvbn(text: str, known: _Known, enough: float) -> float:
    """zxcvbn's estimate; of a long text the best of three windows, so that time is bounded."""
    last = max(len(text) - _WINDOW, 0)
    best = 0.0
    for start in sorted({0, last // 2, last}):
        best = max(best, _guesses(text[start : start + _WINDOW], known.words))
        if best >= enough:
            break
    return best


def _guesses(text: str, words: list[str]) -> float:
    if not text:
        return 0.0
    guesses = zxcvbn(text, words).guesses_log10
    return guesses if math.isfinite(guesses) else 0.0
