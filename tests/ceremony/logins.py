"""Count what the token sees: each C_Login and its answer, in the module's own table of functions.

Nothing is replaced: the entry leads through here to the real function. A line is on disk before the
answer goes back, so that it outlives a process that is killed next.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.rig.vault import MODULE

_FIRST = 8  # bytes: the version, padded
_SET_PIN, _LOGIN = 11, 18  # places in CK_FUNCTION_LIST (PKCS#11 v2.40)
_CKR_OK, _CKR_PIN_INCORRECT = 0x0, 0xA0

_kept: list[object] = []  # what the module calls must not be collected

_LoginFunction = ctypes.CFUNCTYPE(
    ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong
)
_SetPinFunction = ctypes.CFUNCTYPE(
    ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong
)


def _entry(number: int) -> ctypes.c_void_p:
    table = ctypes.c_void_p()
    ctypes.CDLL(str(MODULE)).C_GetFunctionList(ctypes.byref(table))
    assert table.value is not None
    return ctypes.c_void_p.from_address(table.value + _FIRST + number * ctypes.sizeof(ctypes.c_void_p))


def tell_logins(tell: Callable[[int], None]) -> Callable[[], None]:
    """Call with each C_Login's answer from now on, in this process; returns how to stop."""
    entry = _entry(_LOGIN)
    real, original = _LoginFunction(entry.value or 0), entry.value

    def login(session: int, user: int, pin: int, length: int) -> int:
        answer = int(real(session, user, pin, length))
        tell(answer)
        return answer

    between = _LoginFunction(login)
    _kept.append(between)
    entry.value = ctypes.cast(between, ctypes.c_void_p).value

    def stop() -> None:
        entry.value = original

    return stop


def log_logins(file: Path, then: Callable[[], None]) -> None:
    """Append + or - to a file for each login, then go on."""

    def tell(answer: int) -> None:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, {_CKR_OK: b"+", _CKR_PIN_INCORRECT: b"-"}[answer])
        os.close(descriptor)
        then()

    tell_logins(tell)


@contextlib.contextmanager
def counted_logins() -> Iterator[list[bool]]:
    """Each login in this process: was the PIN right?"""
    seen: list[bool] = []
    stop = tell_logins(lambda answer: seen.append({_CKR_OK: True, _CKR_PIN_INCORRECT: False}[answer]))
    try:
        yield seen
    finally:
        stop()


def around_set_pin(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Do something in this process when the token is told its new PIN."""
    entry = _entry(_SET_PIN)
    real = _SetPinFunction(entry.value or 0)

    def set_pin(session: int, old: int, old_length: int, new: int, new_length: int) -> int:
        before()
        answer = int(real(session, old, old_length, new, new_length))
        after()
        return answer

    between = _SetPinFunction(set_pin)
    _kept.append(between)
    entry.value = ctypes.cast(between, ctypes.c_void_p).value
