"""vaultctl serve: one process of the service in the foreground, as a service manager starts it."""

from enum import StrEnum
from typing import Annotated

import typer

from vault_service.process import scrub_freed_memory

# Each command imports what it needs when it runs: `serve api` must never load PKCS#11, and a process that
# begins anew for its memory's sake (process.py) should not have loaded everything before.


class Side(StrEnum):
    """One of the two databases, and the worker that belongs to it."""

    KEYS = "keys"
    RECORDS = "records"


def register(app: typer.Typer) -> None:
    """Add `serve kms`, `serve api`, `serve console` and `serve worker`."""
    commands = typer.Typer(
        name="serve",
        no_args_is_help=True,
        help="Run one process of the service in the foreground, until SIGTERM. Settings come from "
        "$VAULT_SETTINGS (by default $VAULT_HOME/vault.toml) and the environment.",
    )
    commands.command("kms")(kms)
    commands.command("api")(api)
    commands.command("console")(console)
    commands.command("worker")(worker)
    app.add_typer(commands)


def kms() -> None:
    """The key service: the online token and the keys database. Example: vaultctl serve kms"""
    scrub_freed_memory()
    from vault_service.bootstrap.kms import serve_kms
    from vault_service.settings import load_settings

    serve_kms(load_settings())


def api() -> None:
    """The public HTTP API: the records database, never a token. Example: vaultctl serve api"""
    scrub_freed_memory()
    from vault_service.api.server import run
    from vault_service.settings import load_settings

    run(load_settings())


def console() -> None:
    """The officers' web console: neither a token nor records. Example: vaultctl serve console"""
    scrub_freed_memory()
    from vault_service.console.server import run
    from vault_service.settings import load_settings

    run(load_settings())


def worker(
    side: Annotated[Side, typer.Option(help="Whose housekeeping: one worker a database.")],
) -> None:
    """A background worker. Example: vaultctl serve worker --side records"""
    from vault_service.bootstrap.worker import serve_worker
    from vault_service.settings import load_settings

    serve_worker(load_settings(), side.value)
