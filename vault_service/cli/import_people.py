"""`vaultctl import`: bring existing people in, with a record each."""

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

import vault_service
from vault_service.cli.api_errors import as_vault_errors
from vault_service.cli.output import EXIT_FINDING, JsonOption, note, say
from vault_service.cli.people.append_only import AppendOnlyFile
from vault_service.cli.people.bring import Bringer
from vault_service.cli.people.crew import Report, bring_all, check_all
from vault_service.cli.people.journal import Journal
from vault_service.cli.people.mapping import parse_mapping
from vault_service.cli.people.passwords import Passwords, Way
from vault_service.cli.people.rehearsal import Rehearsal
from vault_service.cli.people.source import Source
from vault_service.client import VaultClient
from vault_service.domain.errors import InvalidInputError
from vault_service.policy.load import load_policies
from vault_service.policy.rules import Policies
from vault_service.settings import load_settings, read_secret, settings_file

DEFAULT_API = "http://127.0.0.1:8470"
_RETRIES = 8  # of a request: about ten seconds without a vault, longer where it says when to come back

ApiOption = Annotated[str, typer.Option("--api", envvar="VAULT_API_URL", help="The vault's address.")]
AppKeyOption = Annotated[
    Path, typer.Option("--app-key-file", help="File with the app's key (mode 0600): vaultctl app create.")
]


def register(app: typer.Typer) -> None:
    """Add `import`."""
    app.command("import")(import_people)


def import_people(
    file: Annotated[Path, typer.Argument(help="FILE.csv with a header, or FILE.jsonl; UTF-8.")],
    app_key_file: AppKeyOption,
    mapped: Annotated[
        list[str], typer.Option("--map", help="field=column; login=COLUMN must be one of them.")
    ],
    api: ApiOption = DEFAULT_API,
    collection: Annotated[
        str, typer.Option(help="Collection of the record that each person gets.")
    ] = "contact",
    rest: Annotated[
        str | None, typer.Option(help="Keep the columns that are not mapped in this collection.")
    ] = None,
    passwords: Annotated[
        str, typer.Option(help="one-time, generate, or column:NAME.", metavar="WAY")
    ] = "one-time",
    secrets_out: Annotated[
        Path | None, typer.Option(help="Where passwords that are made are handed over (mode 0600).")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="How far the import came; default FILE.state beside FILE.")
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between the cells of a CSV file.")] = ",",
    workers: Annotated[int, typer.Option(min=1, max=64, help="People at a time.")] = 4,
    retries: Annotated[
        int, typer.Option(min=0, max=100, help="How often a request is repeated while the vault is away.")
    ] = _RETRIES,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check each line by the rules that lie here; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring existing people in: sign each up and keep a record of theirs.

    After a crash, or when you have corrected lines in their place, run the
    same command again: it does only what is missing. Do so within a day, which
    is how long the vault recognises a repeated request; later it looks first,
    which one-time passwords do not allow. Values are kept exactly as they
    stand. Failures are listed by line and code, never by value, and the exit
    code is then 1.

    \b
    Passwords:
      one-time     the vault makes one that only serves to choose another
      generate     a strong one is made here
      column:NAME  it stands in the file
    The first two are handed over in --secrets-out.

    --dry-run tells by line what the vault would refuse of logins, passwords
    and fields. It cannot see which logins are taken.

    \b
    Example:
      vaultctl import people.csv --app-key-file shop.key --map login=mail \\
        --map full_name=name --map email=mail --secrets-out handover.jsonl
    """
    if len(delimiter) != 1:
        raise InvalidInputError("--delimiter", "not one character")
    way, column = _parse_way(passwords)
    mapping = parse_mapping(mapped, password=column, rest=rest is not None)
    source = Source(file, delimiter)
    survey = source.survey()
    mapping.check_columns(survey.columns)
    unused = mapping.unused(survey.columns)
    if unused and rest is None:
        note(f"Not taken: {', '.join(unused)} (keep them with --rest COLLECTION).")
    rehearsal = Rehearsal(_policies_here(), collection, rest) if dry_run else None
    with _progress(survey.people) as tick:
        if rehearsal is not None:
            report = check_all(source.rows(), mapping, tick, rehearsal)
        else:
            if way is not Way.COLUMN and secrets_out is None:
                raise InvalidInputError("--secrets-out", f"needed with --passwords {passwords}")
            app_key = read_secret(app_key_file)
            with contextlib.ExitStack() as open_files:
                handover = open_files.enter_context(AppendOnlyFile(secrets_out)) if secrets_out else None
                kept = open_files.enter_context(AppendOnlyFile(state or file.with_name(file.name + ".state")))
                journal = Journal(kept, app_key)
                if not journal.same_app_key:
                    note("The app key is another than when this import began: moved lines go unnoticed.")
                vault = open_files.enter_context(client_of(api, app_key, retries))
                bringer = Bringer(vault, journal, Passwords(way, handover), collection, rest)
                with as_vault_errors():
                    report = bring_all(source.rows(), mapping, bringer.bring, workers=workers, tick=tick)
    _tell(report, survey.people, as_json=as_json, dry_run=dry_run)


def _policies_here() -> Policies:
    """Those of this host's settings; on a host without any, those that came with the program."""
    if settings_file().is_file():
        folder = load_settings().policies_dir
    else:
        folder = Path(vault_service.__file__).resolve().parents[1] / "policies"
    note(f"Checked by {folder}; what the vault's own policies say counts.")
    return load_policies(folder)


def client_of(api: str, app_key: str, retries: int = _RETRIES) -> VaultClient:
    """A patient client. Raises InvalidInputError for an address in clear text."""
    try:
        return VaultClient(api, app_key=app_key, timeout_s=30, retries=retries)
    except ValueError as error:
        raise InvalidInputError("--api", str(error)) from None


def _parse_way(text: str) -> tuple[Way, str | None]:
    if text.startswith("column:") and text != "column:":
        return Way.COLUMN, text.removeprefix("column:")
    if text in {Way.GENERATE.value, Way.ONE_TIME.value}:
        return Way(text), None
    raise InvalidInputError("--passwords", "not one-time, generate or column:NAME")


@contextlib.contextmanager
def _progress(people: int) -> Generator[Callable[[], None], None, None]:
    """A bar on a terminal; elsewhere a line for each tenth."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = ("people", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("people", total=people)
            yield lambda: progress.advance(task)
        return
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if done * 10 // people > (done - 1) * 10 // people:
            note(f"{done} of {people} people")

    yield tick


def _tell(report: Report, people: int, *, as_json: bool, dry_run: bool) -> None:
    failures = [
        {"line": failure.line, "code": failure.code, "problem": failure.problem}
        for failure in report.failures
    ]
    document = {
        "people": people, "imported": report.brought, "imported_earlier": report.earlier,
        "failed": len(failures), "failures": failures,
    }  # fmt: skip
    lines = [f"line {f['line']}: {f['code']}: {f['problem']}" for f in failures]
    done = "checked" if dry_run else f"{report.brought} imported, {report.earlier} earlier"
    lines.append(f"{people} people: {done}, {len(failures)} failed")
    say(document, as_json=as_json, text="\n".join(lines))
    if failures:
        raise typer.Exit(EXIT_FINDING)
