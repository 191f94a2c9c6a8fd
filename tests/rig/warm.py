"""What each forked process would load first: once, when the server that it is forked from imports this."""

from importlib import import_module

from vault_service.cli.main import create_app

for _name in (
    "httpcore",  # httpx loads it when it is used first
    "procrastinate.builtin_tasks",
    "typer._adapters",
    "typer.rich_utils",
    "vault_service.api.server",
    "vault_service.bootstrap.ceremony",
    "vault_service.bootstrap.recovery",
    "vault_service.console.server",
):
    import_module(_name)
create_app()  # loads every command
