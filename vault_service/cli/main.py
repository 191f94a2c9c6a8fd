"""vaultctl: the command line. Each command stands in a module of its own and registers itself."""

import inspect
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, Protocol, cast

import typer

from vault_service.cli.output import (
    EXIT_BROKEN_OFF,
    EXIT_CODES_HELP,
    exit_code,
    report,
    report_broken_off,
    report_usage,
)
from vault_service.domain.errors import VaultError
from vault_service.logs import configure_logging

VERSION = "0.1.0"


class _Command(Protocol):
    """A module of a command or a group of them."""

    def register(self, app: typer.Typer) -> None: ...


# Named one by one: a command exists because it stands here, not because a file lies about.
_MODULES = {
    "dev": "dev",
    "init": "init",
    "migrate": "migrate",
    "init-server": "migrate",
    "officer": "officer",
    "serve": "serve",
    "ceremony": "ceremony",
    "break-glass": "break_glass",
    "doctor": "doctor",
    "app": "app",
    "audit": "audit",
    "policy": "policy",
    "recovery": "recovery",
    "rotate": "rotate",
    "import": "import_people",
    "export": "export_people",
    "witness": "witness",
}


def _commands(first_word: str) -> tuple[_Command, ...]:
    # No more is loaded than is needed: all of them take half a second of a processor, a witness has a host
    # without the libraries of databases and tokens, and a service need not hold in memory, for as long as it
    # runs, what officers' commands are.
    names = [_MODULES[first_word]] if first_word in _MODULES else dict.fromkeys(_MODULES.values())
    return tuple(cast("_Command", import_module(f"vault_service.cli.{name}")) for name in names)


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
    """The command line with all its commands; those of `first_word` alone if it is one."""
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
    _let_help_flow(app)
    return app


def _let_help_flow(app: typer.Typer) -> None:
    """Have help as wide as the terminal: typer keeps the ends of the source's lines, each broken once more.

    Paragraphs that begin with \\b, indented lines and examples stay lines.
    """
    for command in app.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(
            each if each.startswith("\b") else re.sub(r"\n(?! |Example)", " ", each)
            for each in text.split("\n\n")
        )
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _let_help_flow(group.typer_instance)


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
        # With standalone_mode wrong usage would be explained to people, whoever reads it, and Ctrl-C at a
        # question would end with the code of a check that has found something.
        sys.exit(app(prog_name="vaultctl", standalone_mode=False))
    except VaultError as error:
        report(error, as_json=as_json)
        sys.exit(exit_code(error))
    except typer.Abort:
        report_broken_off(as_json=as_json)
        sys.exit(EXIT_BROKEN_OFF)
    except typer.TyperException as error:
        if as_json:
            report_usage(error.format_message())
        else:
            from typer.rich_utils import rich_format_error

            rich_format_error(cast("Any", error))  # its own class of these, which typer keeps to itself
        sys.exit(error.exit_code)
