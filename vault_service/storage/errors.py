"""Where PostgreSQL's errors become the project's: by SQLSTATE only, in one place."""

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from vault_service.domain.errors import DatabaseUnavailableError


class UniqueViolationError(Exception):
    """A row with this key exists; the statement's author knows what that means."""


class SerializationError(Exception):
    """A deadlock, or a conflict with a concurrent transaction: the transaction may be repeated."""


_REPEATABLE = (pg.SerializationFailure, pg.DeadlockDetected)


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise domain errors instead of psycopg's; `name` is which database.

    Whatever is not known here means that the statement did not happen or that its outcome is not
    known, and the caller answers 503: the connection was lost, a time-out or lock time-out struck,
    a privilege was revoked, a table is missing, the disk is full, the server only reads.
    """
    try:
        yield
    except pg.UniqueViolation as error:
        raise UniqueViolationError from error
    except _REPEATABLE as error:
        raise SerializationError from error
    except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as error:
        # The server's message may quote a row: it goes to the log of the database, not to callers.
        raise DatabaseUnavailableError(f"the {name} database") from _Cause(error)


class _Cause(Exception):  # noqa: N818  # a cause that says the class and SQLSTATE, and no value
    def __init__(self, error: BaseException) -> None:
        state = getattr(error, "sqlstate", None)
        super().__init__(f"{type(error).__name__} {state or ''}".strip())
