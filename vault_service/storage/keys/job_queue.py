"""How workers reach the queue: procrastinate over a small pool of connections to the schema `jobs`."""

import contextlib
from collections.abc import AsyncGenerator

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.dsn import read_dsn
from vault_service.storage.pool import OPTIONS

_OPEN_S = 5.0
LOST = (ConnectorException, PoolTimeout, psycopg.Error)
"""What the queue raises while the database is away; a job's own errors never come out of it."""


@contextlib.asynccontextmanager
async def open_queue(dsn: str, password: str, *, size: int) -> AsyncGenerator[App]:
    """The queue, for as long as the context lasts.

    Raises DatabaseUnavailableError, ConfigurationError for a dsn that is not safe.
    """
    given = read_dsn(dsn, "queue")
    defaults = {key: value for key, value in OPTIONS.items() if key not in given}
    pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
        make_conninfo(dsn, **defaults),
        # Apart from the conninfo, which psycopg_pool may show in messages.
        kwargs={"autocommit": True, "password": password},
        configure=_in_its_schema,
        check=AsyncConnectionPool.check_connection,
        min_size=1,
        max_size=size,
        open=False,
        name="queue",
        timeout=_OPEN_S,
        reconnect_timeout=_OPEN_S,
    )
    try:
        await pool.open(wait=True, timeout=_OPEN_S)
        app = App(connector=PsycopgConnector())
        async with app.open_async(pool):
            yield app
    except LOST:
        raise DatabaseUnavailableError("the queue of the keys database") from None
    finally:
        await pool.close(timeout=_OPEN_S)


async def _in_its_schema(conn: AsyncConnection[TupleRow]) -> None:
    await conn.execute("SET search_path TO jobs, pg_catalog")
