"""One connection that neither hangs for good nor takes an unconfirmed commit for a commit."""

import select
import time
from typing import Any

import psycopg
from psycopg import Cursor, errors
from psycopg.abc import RV, PQGen
from psycopg.pq import Format, TransactionStatus
from psycopg.rows import TupleRow

GRACE_S = 0.2  # beyond the role's own time-outs: the server's answer is the better one
_NO_ROLE_LIMIT_S = 30.0  # for roles without a statement_timeout
_UNCONFIRMED = frozenset({"01000", "57P01"})  # warning, admin_shutdown


class CommitUnconfirmed(psycopg.OperationalError):
    """Whether the transaction stands, here or on the standby, is not known."""


class GuardedConnection(psycopg.Connection[TupleRow]):
    """Autocommit; results in binary form; each wait for the server is bounded."""

    limit_s = _NO_ROLE_LIMIT_S
    opened_at = 0.0  # monotonic
    schema_fits = False  # has been asked, see schema_version.py
    _warned = False
    _undecided = False  # inside BEGIN and before COMMIT: if the connection breaks now, nothing stands

    def guard(self) -> None:
        """Take the bound from the role's statement_timeout. Called once, when the connection is new.

        The bound is for a server that is frozen or unreachable: there its own time-outs strike nothing.
        """
        row = self.execute("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'").fetchone()
        if row is not None and row[0] > 0:
            self.limit_s = row[0] / 1000 + GRACE_S
        self.opened_at = time.monotonic()
        self.add_notice_handler(self._note_warning)

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg waits, but never longer than the bound; then the connection is closed."""
        try:
            return super().wait(gen, interval, self.limit_s if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.closed or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise  # the server's own word
            self.close()
            silent = "the server did not answer in time"
            raise (errors.QueryCanceled(silent) if self._undecided else CommitUnconfirmed(silent)) from None

    def is_lost(self) -> bool:
        """Whether the server hung up; costs a system call, not a round trip.

        An idle connection has nothing to read but the server's farewell or the end of the stream.
        """
        if self.closed:
            return True
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))

    def begin(self) -> None:
        """BEGIN, in the simple protocol: one message."""
        cursor = self.cursor()
        cursor.format = Format.TEXT
        cursor.execute("BEGIN")
        self._undecided = True

    def confirm(self) -> None:
        """COMMIT. Raises CommitUnconfirmed when it may or may not stand.

        Also raises when a statement failed and its error was swallowed: the server would answer that
        COMMIT with a silent ROLLBACK.
        """
        if self.pgconn.transaction_status != TransactionStatus.INTRANS:
            raise errors.InFailedSqlTransaction("a statement of this transaction failed")
        self.forget_warnings()
        self._undecided = False
        try:
            self.commit()
        except psycopg.OperationalError as error:
            if self.closed:
                raise CommitUnconfirmed(str(error)) from error
            raise
        self.check_confirmed()

    def undo(self) -> None:
        """ROLLBACK, where there is still a connection."""
        self._undecided = False
        if not self.closed:
            self.rollback()

    def forget_warnings(self) -> None:
        """Before whatever is to be confirmed."""
        self._warned = False

    def check_confirmed(self) -> None:
        """Raises CommitUnconfirmed after a commit whose wait for the synchronous standby was cut short.

        The server reports such a commit as done, with no more than a warning: it stands on the primary
        and would be lost with it (PostgreSQL, "Synchronous Replication"; SQLSTATE 01000).
        """
        if self._warned:
            raise CommitUnconfirmed("the synchronous standby did not confirm")

    def _note_warning(self, diagnostic: errors.Diagnostic) -> None:
        if diagnostic.sqlstate in _UNCONFIRMED:
            self._warned = True


class BinaryCursor(Cursor[TupleRow]):
    """Asks for results in binary form: a bytea arrives as it is, not as hexadecimal digits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = Format.BINARY
