"""Where PostgreSQL's errors become the project's: by SQLSTATE only, in one place."""

import contextlib
from collections.abc import Generator

import psycopg
import structlog
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from vault_service.domain.errors import (
    ConcurrentChangeError,
    DatabaseUnavailableError,
    OutcomeUnknownError,
    UnavailableError,
    VaultError,
)
from vault_service.logs import Repeated
from vault_service.storage.connection import CommitUnconfirmed

_log = structlog.get_logger("database")


class ConstraintError(VaultError):
    """The rows do not fit together as the schema demands; nothing of the transaction stands."""

    code = "storage.constraint"
    remedy = "This is a defect of the service: report the request id."


class UniqueViolationError(ConstraintError):
    """A row with this key exists; the statement's author knows what that means."""


class SerializationError(ConcurrentChangeError):
    """A deadlock, or a conflict with a concurrent transaction: the transaction may be repeated."""


class ConnectionLostError(DatabaseUnavailableError):
    """The connection broke; another one may work at once."""


class CommitUnconfirmedError(OutcomeUnknownError, DatabaseUnavailableError):
    """The connection broke at COMMIT, or the synchronous standby did not confirm it."""


_REPEATABLE = (pg.SerializationFailure, pg.DeadlockDetected)
# Plans that a migration made stale are bound to their connection: it must go.
_STALE = (pg.FeatureNotSupported, pg.InvalidSqlStatementName)
_LOST_STATES = frozenset({
    "57P01",  # admin_shutdown
    "57P02",  # crash_shutdown
    "57P03",  # cannot_connect_now
    "57P05",  # idle_session_timeout
    "25P03",  # idle_in_transaction_session_timeout
})  # fmt: skip

OF_A_GENERATION = frozenset({
    "credentials_pepper_gen_fkey", "credentials_regain_key_pepper_gen_fkey", "escrow_wraps_escrow_gen_fkey",
    "escrow_wraps_pepper_gen_fkey", "logins_login_index_gen_fkey", "recovery_codes_pepper_gen_fkey",
    "regain_keys_pepper_gen_fkey", "users_login_index_gen_fkey", "users_pepper_gen_fkey",
})  # fmt: skip
"""Foreign keys from what was made with a key to its generation (keys/migrations/0005_rotation.sql)."""


def is_stale(error: psycopg.Error) -> bool:
    """Whether the connection is of no more use although it works."""
    return isinstance(error, _STALE)


@contextlib.contextmanager
def translated(name: str, away: Repeated | None = None) -> Generator[None]:
    """Raise domain errors instead of psycopg's; `name` is which database.

    `away`: what its other users have met, so that an outage is not said by each; None says each.

    Whatever is not known here means that the statement did not happen or that its outcome is not
    known, and the caller answers 503: the connection was lost, a time-out or lock time-out struck,
    a privilege was revoked, a table is missing, the disk is full, the server only reads.
    """
    try:
        yield
    except pg.UniqueViolation as error:
        raise UniqueViolationError from _Cause(error)
    except pg.ForeignKeyViolation as error:
        if error.diag.constraint_name in OF_A_GENERATION:
            # By a process that has not read the newest manifest yet: it will have when it is asked again.
            raise UnavailableError("a key generation that was given up") from _Cause(error)
        raise ConstraintError from _Cause(error)
    except pg.IntegrityError as error:
        raise ConstraintError from _Cause(error)
    except _REPEATABLE as error:
        raise SerializationError from _Cause(error)
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as error:
        cause = _Cause(error)
        count = 1 if away is None else away.failed(str(cause))
        if count is not None:
            _log.warning("database.unavailable", part=name, error=cause.kind, code=cause.state, n=count)
        raise _unavailable(error)(f"the {name} database") from cause
    else:
        if away is not None and (count := away.over()):
            _log.info("database.back", part=name, n=count)


def _unavailable(
    error: BaseException,
) -> type[DatabaseUnavailableError] | type[CommitUnconfirmedError]:
    if isinstance(error, CommitUnconfirmed):
        return CommitUnconfirmedError
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return (
            ConnectionLostError if lost and not isinstance(error, PoolTimeout) else DatabaseUnavailableError
        )
    if state.startswith("08") or state in _LOST_STATES or isinstance(error, _STALE):
        return ConnectionLostError
    return DatabaseUnavailableError


class _Cause(Exception):  # noqa: N818  # says the class and SQLSTATE; the server's message may quote a row
    def __init__(self, error: BaseException) -> None:
        self.kind = type(error).__name__
        self.state = error.sqlstate or "" if isinstance(error, psycopg.Error) else ""
        super().__init__(f"{self.kind} {self.state}".strip())
