"""`vaultctl rotate`: every key, at any size, while the service runs. Each command calls one use case."""

import typer

from vault_service.cli import (
    rotate_escrow,
    rotate_kinds,
    rotate_others,
    rotate_retire,
    rotate_status,
    rotate_worker,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        name="rotate",
        no_args_is_help=True,
        help="Rotate keys while the service runs; see how that stands; give up what nothing needs.",
    )
    rotate_kinds.register(group)
    rotate_escrow.register(group)
    rotate_others.register(group)
    rotate_status.register(group)
    rotate_retire.register(group)
    rotate_worker.register(group)
    app.add_typer(group)
