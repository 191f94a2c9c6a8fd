"""`vaultctl rotate worker`: one more process that takes batches, on this host or another."""

from typing import Annotated

import typer

from vault_service.settings import load_settings

# Imports what it needs when it runs, as `serve` does.


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("worker")(worker)


def worker(
    at_once: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Batches at once in this process. By default as many as the policy's workers."
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve figures for Prometheus on this port of loopback."),
    ] = None,
) -> None:
    """Take batches of rotations until SIGTERM, beside the worker of the keys side or on a further host.

    Of the settings it needs \\[worker_keys] alone: the database as vault_worker_keys, and the key service.
    How many batches run at once over all workers is the rotation's: --workers of `vaultctl rotate pepper`.

    \b
    Example:
        vaultctl rotate worker --at-once 4
    """
    settings = load_settings()
    from vault_service.bootstrap.rotation import serve_rotation

    serve_rotation(settings, at_once=at_once, metrics_port=metrics_port)
