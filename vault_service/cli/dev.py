"""vaultctl dev: a whole vault on this machine, to try it and to test against (`make run`)."""

from pathlib import Path
from typing import Annotated

import typer

from vault_service.settings import vault_home


def register(app: typer.Typer) -> None:
    """Add `dev`."""
    app.command("dev")(dev)


def dev(
    api_port: Annotated[int, typer.Option(envvar="VAULT_API_PORT", min=1, max=65535, help="The API.")] = 8470,
    console_port: Annotated[
        int, typer.Option(envvar="VAULT_CONSOLE_PORT", min=1, max=65535, help="The officers' console.")
    ] = 8471,
    policies: Annotated[
        Path | None,
        typer.Option(envvar="VAULT_POLICIES", help="Policies to try out, instead of this version's."),
    ] = None,
    end_with_parent: Annotated[
        bool, typer.Option("--end-with-parent", help="Stop when the process that started this one ends.")
    ] = False,
) -> None:
    """Set up and run a whole vault in $VAULT_HOME (.vault), until Ctrl-C.

    Two soft tokens, a PostgreSQL cluster of its own, the key service, the API, the console and
    the workers. A second run finds its data again.
    Example: VAULT_HOME=/srv/v2 VAULT_API_PORT=8570 VAULT_CONSOLE_PORT=8571 vaultctl dev
    """
    from vault_service.dev.configure import POLICIES
    from vault_service.dev.run import run

    run(
        vault_home(), api_port=api_port, console_port=console_port, policies=policies or POLICIES,
        end_with_parent=end_with_parent,
    )  # fmt: skip
