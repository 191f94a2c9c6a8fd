"""`vaultctl audit resend`: a receiver gets again what it refused, or what it lost."""

from typing import Annotated

import typer

from vault_service.audit.siem.resend import send_again
from vault_service.bootstrap.connections import connect, missing, operator_client
from vault_service.cli.audit_restore import Side
from vault_service.cli.output import JsonOption, say
from vault_service.domain.logs import LogName
from vault_service.settings import load_settings


def register(group: typer.Typer) -> None:
    """Add `audit resend`."""
    group.command("resend")(resend)


def resend(
    receiver: Annotated[str, typer.Argument(metavar="NAME", help="As vaultctl audit receivers shows it.")],
    side: Annotated[Side, typer.Option(help="Whose log it gets events of.")],
    first: Annotated[
        int | None,
        typer.Option(
            "--from", min=0, metavar="INDEX",
            help="Index of a leaf; by default that of the oldest event that it refused.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Send events to a receiver (SIEM) again, from the oldest that it refused or from a place in the log.

    Everything from there on comes again, under the same metadata.uid: a receiver that has it already can
    tell. The dead letters from there on are none any more; one that is refused once more becomes one again.

    It needs \\[worker_keys] or \\[worker_records], whose role in the database moves the place, and
    \\[operator]: run it as root where both are. An event of the keys log says that it was done. A worker
    that is running sends at once; nothing is restarted.

    \b
    Example:
      vaultctl audit receivers --dead-letters
      vaultctl audit resend splunk --side records
    """  # fmt: skip
    settings = load_settings()
    log: LogName = side.value
    worker = settings.worker_keys if log == "keys" else settings.worker_records
    if worker is None:
        raise missing(f"worker_{log}")
    with operator_client(settings) as kms:
        db = connect(worker.database, size=1, name=log)
        try:
            done = send_again(db, kms, log, receiver, first)
        finally:
            db.close()
    say(
        {
            "log": log,
            "receiver": receiver,
            "from": done.first,
            "events": done.events,
            "dead_letters": done.dead_letters,
        },
        as_json=as_json,
        text=f"{receiver} gets the {log} log again from leaf {done.first} on: {done.events} events, "
        f"{done.dead_letters} of them set aside before.\nvaultctl audit receivers shows how far it is.",
    )
