"""vaultctl: the command line. Each command stands in a module of its own and registers itself."""

import sys
from collections.abc import Sequence
from typing import Annotated, Protocol

import typer

from vault_service.cli import witness
from vault_service.cli.output import (
    EXIT_CODES_HELP,
    EXIT_REFUSED,
    exit_code,
    report,
    report_usage,
)
from vault_service.domain.errors import VaultError
from vault_service.logs import configure_logging

VERSION = "0.1.0"


class _Command(Protocol):
    """A module of a command or a group of them."""

    def register(self, app: typer.Typer) -> None: ...


# Named one by one: a command exists because it stands here, not because a file lies about.
def _commands(first_word: str) -> tuple[_Command, ...]:
    # These load no more than they need: a witness has a host of its own, without the libraries of databases
    # and tokens, and a service need not hold in memory, for as long as it runs, what officers' commands are.
    if first_word == "witness":
        return (witness,)
    if first_word == "serve":
        from vault_service.cli import serve

        return (serve,)
    if first_word == "dev":
        from vault_service.cli import dev

        return (dev,)
    from vault_service.cli import (
        app,
        audit,
        break_glass,
        ceremony,
        dev,
        doctor,
        export_people,
        import_people,
        init,
        migrate,
        officer,
        policy,
        recovery,
        rotate,
        serve,
    )

    return (
        dev,
        init,
        migrate,
        officer,
        serve,
        ceremony,
        break_glass,
        doctor,
        app,
        audit,
        policy,
        recovery,
        rotate,
        import_people,
        export_people,
        witness,
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"vaultctl {VERSION}\n")
        raise typer.Exit


def _root(
    version: Annotated[  # its callback acts
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run and look after a vault for personal data."""


def create_app(first_word: str = "") -> typer.Typer:
    """The command line with all its commands; those of `first_word` alone if they stand alone."""
    app = typer.Typer(
        name="vaultctl",
        epilog=EXIT_CODES_HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        # A traceback with local variables would print keys and passwords.
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for command in _commands(first_word):
        command.register(app)
    return app


def main(first: Sequence[str] = ()) -> None:
    """Run one command; an error that we know becomes two lines and an exit code.

    `first`: words that stand before those that were typed, for scripts that are one command.
    """
    sys.argv[1:] = [*first, *sys.argv[1:]]
    # Logs go to standard error, where a script looks for the one error: no warnings of libraries beside it.
    # And not even an unexpected error quotes values.
    configure_logging("error")
    as_json = "--json" in sys.argv
    app = create_app(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        # With standalone_mode click would explain wrong usage to people, whoever reads it.
        sys.exit(app(prog_name="vaultctl", standalone_mode=not as_json))
    except VaultError as error:
        report(error, as_json=as_json)
        sys.exit(exit_code(error))
    except typer.Abort:
        report_usage("it was broken off")
        sys.exit(EXIT_REFUSED)
    except typer.TyperException as error:
        report_usage(error.format_message())
        sys.exit(error.exit_code)
