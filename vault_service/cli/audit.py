"""vaultctl audit: what auditors and operators do with the two audit logs."""

import typer

from vault_service.cli import audit_receivers


def register(app: typer.Typer) -> None:
    """Add the `audit` commands."""
    commands = typer.Typer(name="audit", no_args_is_help=True, help="The two audit logs.")
    commands.command("receivers")(audit_receivers.receivers)
    app.add_typer(commands)
