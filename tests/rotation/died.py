"""A key service in the test's process that dies after its n-th step: nothing of it runs from then on.

A step is a mark left in the database or an operation in the token, as in tests/rig/killable.py, where real
processes are killed. What is in no transaction that was committed is taken back, as it is when a process
dies; what was done in the token stays.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.rig.killable import count_marks_in_databases
from vault_service.kms.token.online import OnlineToken

_OPERATIONS = (
    "hmac", "sign", "public_key", "has_key", "key_check_value", "create_hmac_key", "create_signing_key",
    "destroy_key",
)  # fmt: skip


class Died(BaseException):
    """No except clause of the service sees to it."""


class Steps:
    """Counts down to the death."""

    def __init__(self, die_after: int) -> None:
        self._left = die_after
        self._thread = threading.get_ident()  # the pool's and the token's own threads go on
        self.dead = False

    def done(self) -> None:
        if not self.dead and threading.get_ident() == self._thread:
            self._left -= 1
            if self._left == 0:
                self.dead = True
                raise Died

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.done()
            return result

        return wrapper


@contextlib.contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, die_after: int) -> Iterator[Steps]:
    """Whatever runs inside dies after that step, if it gets so far."""
    steps = Steps(die_after)
    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "wait", psycopg.Connection.wait)  # and so put back at the end
        patched.setattr(psycopg.Connection, "commit", psycopg.Connection.commit)
        count_marks_in_databases(steps.done)
        for name in _OPERATIONS:
            patched.setattr(OnlineToken, name, steps.counted(getattr(OnlineToken, name)))
        with contextlib.suppress(Died):
            yield steps
