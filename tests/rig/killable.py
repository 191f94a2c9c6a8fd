"""Run a process that counts its steps and dies at one of them, as kill -9 would have it.

A step is what leaves a mark outside the process: a COMMIT or a statement of its own, an operation in the
token, a call to the key service, a file brought to disk. Nothing is replaced: the real function runs, and
after it the count goes up. A death inside a transaction leaves the same whichever statement came last, so
there is one in each, when all is written and nothing committed; a statement that forgot its transaction is
a step of its own.

With kill_at 0 the process lives and writes the number of steps to the count file.
"""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

_F = TypeVar("_F", bound=Callable[..., Any])


class Steps:
    """Counts only while a flow is armed in the same thread, so that start-up and checks are not counted."""

    def __init__(self, kill_at: int, count_file: Path) -> None:
        self._kill_at = kill_at
        self._count_file = count_file
        self._count = 0
        self._armed = threading.local()

    def done(self) -> None:
        if not getattr(self._armed, "now", False):
            return
        self._count += 1
        if self._count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, function: _F) -> _F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.done()
            return result

        return wrapper  # type: ignore[return-value]

    def armed(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._armed.now = True
        self.done()  # dying before the first step is a case as well
        try:
            return function(*args, **kwargs)
        finally:
            self._armed.now = False
            self._count_file.write_text(str(self._count))

    def wanted(self) -> bool:
        """Does the test want the next call counted? It makes the count file, empty, to say so."""
        return self._count_file.exists()

    def install(self) -> None:
        count_marks_in_databases(self.done)
        os.fsync = self.counted(os.fsync)


def count_marks_in_databases(done: Callable[[], None]) -> None:
    """`done` is called after each round trip that may have left something, and before each COMMIT."""
    wait, commit = psycopg.Connection.wait, psycopg.Connection.commit

    def wait_and_count(conn: psycopg.Connection[Any], *args: Any, **kwargs: Any) -> Any:
        result = wait(conn, *args, **kwargs)
        if conn.info.transaction_status is not TransactionStatus.INTRANS:
            done()
        return result

    def count_and_commit(conn: psycopg.Connection[Any]) -> None:
        done()
        commit(conn)

    psycopg.Connection.wait = wait_and_count  # type: ignore[method-assign,assignment]
    psycopg.Connection.commit = count_and_commit  # type: ignore[method-assign,assignment]


def serve_kms(call: str, steps: Steps) -> None:
    from vault_service.bootstrap.kms import serve_kms as serve
    from vault_service.kms import dispatch
    from vault_service.kms.token.online import OnlineToken
    from vault_service.settings import load_settings

    steps.install()
    OnlineToken.hmac = steps.counted(OnlineToken.hmac)  # type: ignore[method-assign]
    OnlineToken.sign = steps.counted(OnlineToken.sign)  # type: ignore[method-assign]
    real = dispatch.answer

    def answer(service: Any, caller: Any, name: str, body: bytes) -> Any:
        if name == call and steps.wanted():
            return steps.armed(real, service, caller, name, body)
        return real(service, caller, name, body)

    dispatch.answer = answer
    serve(load_settings())


def run_flow(steps: Steps, arguments: dict[str, Any]) -> None:
    from vault_service.bootstrap.api import build_accounts
    from vault_service.domain.errors import VaultError
    from vault_service.domain.tokens import SessionToken
    from vault_service.kms.client import KmsClient
    from vault_service.settings import load_settings

    name = arguments.pop("flow")
    flow = _follow_keys() if name == "follow_keys" else None
    if flow is None:
        accounts, _ = build_accounts(load_settings())
        accounts.parts.db.ping()
        flow = getattr(accounts, name)
    steps.install()
    KmsClient.call = steps.counted(KmsClient.call)  # type: ignore[method-assign]
    if "token" in arguments:
        arguments["token"] = SessionToken.parse(arguments["token"])
    if "user" in arguments:
        arguments["user"] = UUID(arguments["user"])
    try:
        steps.armed(flow, **arguments)
    except VaultError as error:
        sys.exit(f"{error.code}: {error.detail}")


def _follow_keys() -> Callable[[], int]:
    """The records side's worker."""
    from vault_service.accounts.follow import follow_keys
    from vault_service.accounts.service import AccountParts
    from vault_service.bootstrap.connections import connect, kms_client
    from vault_service.policy.load import load_policies
    from vault_service.settings import load_settings

    settings = load_settings()
    worker = settings.worker_records
    assert worker is not None
    db = connect(worker.database, size=2, name="worker_records")
    db.ping()
    parts = AccountParts(db, kms_client(worker.kms), load_policies(settings.policies_dir))
    return lambda: follow_keys(parts)
