"""vaultctl ceremony: the process that opens the escrow token, for as long as cases are executed."""

import sys
from collections.abc import Mapping
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vault_service.cli.output import EXIT_FINDING, JsonOption, note, say
from vault_service.cli.rotate_progress import Count
from vault_service.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add `ceremony run`."""
    commands = typer.Typer(
        name="ceremony",
        no_args_is_help=True,
        help="Open the escrow token with the officers' shares, execute what is due, replace its PIN.",
    )
    commands.command("run")(run)
    app.add_typer(commands)


def run(
    *,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for a case to be due.")
    ] = 0,
    for_ever: Annotated[
        bool,
        typer.Option(
            "--forever", help="Idle until a case is due, serve it, then end: for a service manager."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """One ceremony for every case that is due. It waits for officers' approvals and shares.

    Exit codes: 0 served, or nothing is due; 1 some case of it failed, or some wrap did not open;
    3 the token refused its PIN, or the ceremony folder cannot be written: look before you run another one;
    4 another ceremony is at work, or a part is away; 5 too few approvals or shares came in.
    Example: vaultctl ceremony run --wait 60
    """
    settings = load_settings()
    from vault_service.bootstrap.ceremony import run_ceremony

    with _Bar() as bar:
        result = run_ceremony(settings, wait_s=None if for_ever else wait, progress=bar.show)
    if result is None:
        say(
            {"ceremony": None, "cases": []},
            as_json=as_json,
            text="nothing was executed: no case is due, or it was told to stop",
        )
        return
    cases: list[dict[str, str | None]] = [
        {
            "case": str(each.case),
            "kind": each.kind,
            "state": "executed" if each.executed else "failed",
            "code": each.error.code if each.error else None,
            "detail": each.error.detail if each.error else each.says,
            "remedy": each.error.remedy if each.error else None,
        }
        for each in result.outcomes
    ]
    lines = map(_line, cases)
    say({"ceremony": str(result.ceremony), "cases": cases}, as_json=as_json, text="\n".join(lines))
    if result.pin_error is not None:
        raise result.pin_error
    if any(each.error for each in result.outcomes):
        raise typer.Exit(EXIT_FINDING)


def _line(case: Mapping[str, str | None]) -> str:
    parts = (case["case"], case["kind"], case["state"], case["code"], case["detail"])
    line = " ".join(part for part in parts if part)
    return f"{line}\n    remedy: {case['remedy']}" if case["remedy"] else line


class _Bar:
    """How far a long case is: a bar while somebody watches, a line now and then in a log."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=Console(file=sys.stderr), disable=not sys.stderr.isatty(), transient=True
        )
        self._tasks: dict[str, TaskID] = {}
        self._counts: dict[str, Count] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int | None) -> None:
        """Called by the ceremony as it goes on."""
        if self._progress.disable:
            self._counts.setdefault(what, Count(what, note)).see(done, total)
            return
        if what not in self._tasks:
            self._progress.start()
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)
