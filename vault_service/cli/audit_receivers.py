"""`vaultctl audit receivers`: how far each receiver of events has got, and what was set aside."""

from typing import Annotated

import typer

from vault_service.bootstrap.connections import connect
from vault_service.cli.output import JsonOption, say_rows
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.logs import LogName
from vault_service.settings import Audit, Database, load_settings
from vault_service.storage.audit.outbox import DeadLetter, ReceiverState, list_dead_letters, list_receivers

_SHOWN = 1000  # dead letters of each log


def receivers(
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="List the events that were set aside, newest first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the receivers of both logs (SIEM): how far behind, what fails, how many events were set aside.

    Reads each database by the role of \\[audit.keys] or \\[audit.records], which can change nothing.

    \b
    Example:
        vaultctl audit receivers
    """
    audit = load_settings().audit or Audit()
    known: list[tuple[LogName, Database]] = []
    if audit.keys is not None:
        known.append(("keys", audit.keys))
    if audit.records is not None:
        known.append(("records", audit.records))
    if not known:
        raise ConfigurationError(
            "there is no [audit] section", remedy="Add [audit.keys] and [audit.records] to vault.toml."
        )
    rows: list[dict[str, object]] = []
    for log, database in known:
        rows += _rows(log, database, dead_letters=dead_letters)
    say_rows(rows, as_json=as_json)


def _rows(log: LogName, settings: Database, *, dead_letters: bool) -> list[dict[str, object]]:
    db = connect(settings, size=1, name=log)
    try:
        with db.connection() as conn:
            if dead_letters:
                return [_dead_letter(log, each) for each in list_dead_letters(conn, _SHOWN)]
            return [_state(log, each) for each in list_receivers(conn)]
    finally:
        db.close()


def _state(log: LogName, state: ReceiverState) -> dict[str, object]:
    return {
        "log": log,
        "receiver": state.receiver,
        "next_index": state.next_index,
        "behind": state.behind,
        "failures": state.failures,
        "next_try_in_s": max(0, round(state.wait_s)),
        "last_error": state.last_error,
        "dead_letters": state.dead_letters,
        "updated_at": state.updated_at.isoformat(timespec="seconds"),
    }


def _dead_letter(log: LogName, letter: DeadLetter) -> dict[str, object]:
    return {
        "log": log,
        "receiver": letter.receiver,
        "index": letter.index,
        "error": letter.error,
        "at": letter.at.isoformat(timespec="seconds"),
    }
