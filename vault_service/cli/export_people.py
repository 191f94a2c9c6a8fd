"""`vaultctl export`: one person's data as JSON lines, with that person's password."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from vault_service.cli.api_errors import as_vault_errors
from vault_service.cli.import_people import DEFAULT_API, ApiOption, AppKeyOption, client_of
from vault_service.cli.output import JsonOption, say
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.settings import read_secret


def register(app: typer.Typer) -> None:
    """Add `export`."""
    app.command("export")(export)


def export(
    out: Annotated[Path, typer.Argument(help="File to write (mode 0600); it must not exist yet.")],
    app_key_file: AppKeyOption,
    login: Annotated[str, typer.Option(help="Whose data.")],
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password (mode 0600); without it, it is asked for.")
    ] = None,
    api: ApiOption = DEFAULT_API,
    as_json: JsonOption = False,
) -> None:
    """Export everything that one person has in the vault, as JSON lines in the clear.

    The file appears only when it is whole; its last line says how many records there are.

    \b
    Example:
      vaultctl export ana.jsonl --app-key-file shop.key --login ana@example.org
    """
    app_key = read_secret(app_key_file)
    password = read_password(password_file) if password_file else ask_for_password(login)
    with as_vault_errors(), client_of(api, app_key) as vault, vault.sign_in(login, password) as session:
        lines = write_whole(out, session.export_lines())
    say({"file": str(out), "records": lines - 1}, as_json=as_json)


def ask_for_password(login: str) -> str:
    """The password, typed on a terminal; where there is none it would be echoed, or never come."""
    if not sys.stdin.isatty():
        raise InvalidInputError("--password-file", "needed where there is no terminal to ask on")
    return str(typer.prompt(f"Password of {login}", hide_input=True, err=True))


def read_password(path: Path) -> str:
    """The password in a private file, exactly, but for one line end; it may begin or end with spaces."""
    read_secret(path)  # refuses a file that others may read
    return path.read_bytes().decode("utf-8").removesuffix("\n").removesuffix("\r")


def write_whole(out: Path, lines: Iterator[bytes]) -> int:
    """Write lines to a new private file that gets its name when all are on disk; how many there are.

    Raises ConfigurationError when the file exists or cannot be written.
    """
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        written = 0
        try:
            with os.fdopen(fd, "wb") as file:
                for line in lines:
                    file.write(line + b"\n")
                    written += 1
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, out)  # unlike a rename, never replaces a file
        finally:
            partial.unlink()
    except OSError as error:
        raise ConfigurationError(f"{out}: {error.strerror}", remedy="Name a new file.") from error
    return written
