"""`vaultctl audit export`: both trails as files, for somebody who checks them elsewhere."""

import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vault_service.audit.export import export_logs
from vault_service.audit.export_folder import ExportFolder
from vault_service.audit.export_source import PATIENCE_S, Vault, Watcher
from vault_service.bootstrap.connections import connect, missing
from vault_service.cli.migrate import Choice
from vault_service.cli.output import JsonOption, note, say
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.logs import LogName
from vault_service.settings import Settings, load_settings
from vault_service.storage.pool import Database

EVERY_S = 5.0  # a line of progress where there is no terminal


def register(group: typer.Typer) -> None:
    """Add `audit export`."""
    group.command("export")(export)


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Made (0700), or an export to bring up to date.")
    ],
    side: Annotated[
        Choice, typer.Option(help="Which log; one alone cannot be checked against the other.")
    ] = (Choice.BOTH),
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="audit.vkey from before; by default it is made from the key manifests."
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait until all until now is sealed.")
    ] = PATIENCE_S,
    as_json: JsonOption = False,
) -> None:
    """Write both logs, their checkpoints, trees and public keys into a folder.

    Run it again in the same folder after a crash, or to add what is new. It reads with the roles of
    \\[audit.keys] and \\[audit.records] and changes nothing. Keep audit.vkey and both checkpoint files
    somewhere else as well: with them nobody can show you another past later.

    \b
    Example:
      vaultctl audit export trails
      vaultctl audit verify trails --key audit.vkey
    """
    settings = load_settings()
    logs: tuple[LogName, ...] = side.sides
    with _databases(settings, logs) as databases, _watched() as watcher:
        vault = Vault(
            databases,
            settings.manifest_fingerprint,
            tuple(witness.vkey for witness in settings.witnesses),
            _read_key_file(key, databases),
        )
        done = export_logs(vault, ExportFolder(folder), watcher, wait)
    document: dict[str, object] = {"folder": str(folder), "files": done.files}
    document |= {f"{log}_leaves": done.leaves[log] for log in logs}
    counts = "".join(f", {done.leaves[log]} events of the {log} log" for log in logs)
    say(
        document,
        as_json=as_json,
        text=f"{folder}: {done.files} files{counts}\n"
        f"Next, where no operator has a hand in it: vaultctl audit verify {folder} --key audit.vkey",
    )


@contextlib.contextmanager
def _databases(settings: Settings, logs: tuple[LogName, ...]) -> Generator[dict[LogName, Database]]:
    opened: dict[LogName, Database] = {}
    try:
        for log in logs:
            section = getattr(settings.audit, log, None)
            if section is None:
                raise missing(f"audit.{log}")
            opened[log] = connect(section, size=1, name=log)
        yield opened
    finally:
        for db in opened.values():
            db.close()


def _read_key_file(key: Path | None, databases: dict[LogName, Database]) -> str | None:
    if key is None and "keys" not in databases:
        raise ConfigurationError(
            "the key manifests are in the keys database",
            remedy="Name the audit.vkey of an earlier export: --key.",
        )
    try:
        return key.read_text("ascii") if key is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{key}: {error}", remedy="Name the audit.vkey of an earlier export."
        ) from error


class Bars:
    """A bar for each part, on a terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def progress(self, what: str, done: int, total: int) -> None:
        """Draw it."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done)

    def warn(self, text: str) -> None:
        """Above the bars."""
        self._bars.console.print(text, markup=False, highlight=False)


class Sentences:
    """Elsewhere a line every few seconds: an export that is quick says nothing on its way."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def progress(self, what: str, done: int, total: int) -> None:
        """Say it, unless something was said a moment ago."""
        if (now := self._clock()) - self._last >= EVERY_S:
            self._last = now
            note(f"{what}: {done} of {total}")

    def warn(self, text: str) -> None:
        """At once."""
        note(text)


@contextlib.contextmanager
def _watched() -> Generator[Watcher]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Sentences()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bars:
        yield Bars(bars)
