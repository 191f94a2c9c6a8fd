"""What a command prints: text for people, or one JSON document for scripts (`--json`).

Results go to standard output; progress, warnings and errors to standard error, so that a result
can be piped while somebody watches.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from vault_service.domain.errors import ConfigurationError, InvalidInputError, UnavailableError, VaultError

EXIT_OK = 0
EXIT_FINDING = 1  # a check ran to its end and found something
EXIT_USAGE = 2  # wrong option or argument
EXIT_CONFIGURATION = 3  # a setting, secret file, token or manifest cannot be used
EXIT_UNAVAILABLE = 4  # the service, a database or the token cannot be used at present
EXIT_REFUSED = 5  # everything works, and the answer is no
EXIT_BROKEN_OFF = 130  # by Ctrl-C, as shells call it; what it only watched goes on

EXIT_CODES_HELP = (
    "Exit codes: 0 done; 1 a check found something; 2 wrong usage; 3 configuration; "
    "4 service unavailable; 5 refused; 130 broken off with Ctrl-C (what it only watched goes on)."
)

_USAGE_REMEDY = "Correct it and run the command again; its --help has examples."
_UNAVAILABLE_REMEDY = (
    "Try again in a moment, and look first: what should be changed may have been, and only the answer "
    "got lost. If it stays so: vaultctl doctor."
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for scripts.")]


def say(document: Mapping[str, object], *, as_json: bool, text: str | None = None) -> None:
    """Print a result: one JSON object, or the text (by default a line for each member)."""
    if as_json:
        answer = _json(document)
    elif text is not None:
        answer = text
    else:
        answer = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in document.items())
    sys.stdout.write(answer + "\n")


def say_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str = "nothing") -> None:
    """Print rows that have the same members: one JSON array, or a table (`empty` when there are none)."""
    if as_json or not rows:
        sys.stdout.write((_json(rows) if as_json else empty) + "\n")
        return
    # fold: on a narrow screen or in a pipe a value is broken into lines, never cut off.
    columns = (Column(name.replace("_", " "), overflow="fold") for name in rows[0])
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape("" if value is None else str(value)) for value in row.values()))
    Console(file=sys.stdout).print(table)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)


def note(text: str) -> None:
    """Tell whoever watches; never part of the result."""
    sys.stderr.write(text + "\n")


def quiet(text: str) -> None:
    """Instead of `note` with --json: a script looks on standard error for the one error only."""
    del text


def report(error: VaultError, *, as_json: bool) -> None:
    """Print an error and its remedy to standard error."""
    remedy = _remedy(error)
    if as_json:
        _report_json(error.code, error.detail, remedy)
    else:
        note(f"error: {error.detail}\nremedy: {remedy}")


def _remedy(error: VaultError) -> str:
    """For somebody at a terminal: some errors speak to programs that send requests."""
    if error.remedy == InvalidInputError.remedy:
        return _USAGE_REMEDY
    if error.remedy == UnavailableError.remedy:
        return _UNAVAILABLE_REMEDY
    if error.retry_after_s is not None:
        return error.remedy.replace("as long as Retry-After says", f"{error.retry_after_s} s")
    return error.remedy


def report_broken_off(*, as_json: bool) -> None:
    """At a question nobody answered, but left: Ctrl-C or the end of what is typed."""
    if as_json:
        _report_json("broken_off", "it was broken off at a question", "Run it again.")
    else:
        note("Broken off.")


def report_usage(problem: str) -> None:
    """The same of an option or argument that is missing or cannot be read; a script gets JSON here, too."""
    _report_json("usage", problem, _USAGE_REMEDY)


def _report_json(code: str, detail: str, remedy: str) -> None:
    note(json.dumps({"error": {"code": code, "detail": detail, "remedy": remedy}}, ensure_ascii=False))


def exit_code(error: VaultError) -> int:
    """The exit code that stands for this class of error."""
    if isinstance(error, ConfigurationError):
        return EXIT_CONFIGURATION
    if isinstance(error, UnavailableError):
        return EXIT_UNAVAILABLE
    if isinstance(error, InvalidInputError):
        return EXIT_USAGE
    return EXIT_REFUSED
