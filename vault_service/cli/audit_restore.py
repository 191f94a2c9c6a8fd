"""`vaultctl audit accept-restore`: go on with an older database, visibly and for ever."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.cli.output import JsonOption, note, say
from vault_service.domain.audit_errors import RestoreRefusedError
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.logs import LogName
from vault_service.kms.protocol.messages import AcceptRestore, LogHead, LogHeadIs
from vault_service.settings import Settings, load_settings
from vault_service.storage.audit.tree import holds, root_at, tree_size


class Side(StrEnum):
    """Whose database was restored."""

    KEYS = "keys"
    RECORDS = "records"


def register(group: typer.Typer) -> None:
    """Add `audit accept-restore`."""
    group.command("accept-restore")(accept_restore)


def accept_restore(
    side: Annotated[Side, typer.Option(help="Which database is older than the last head signed.")],
    confirmed: Annotated[
        int | None,
        typer.Option(
            "--yes-I-confirm-loss-from",
            min=0,
            metavar="SIZE",
            help="For scripts: how many leaves the restored database has; whatever came after is lost.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a log go on from a restored backup. What came after it is lost, and the log says so for ever.

    First try to put the newest database back. If there is none, this begins a new generation of the log:
    its checkpoints have another origin, an event names the head that was given up, and every verifier
    that knows an older checkpoint says which leaves were lost.

    \b
    Example:
      vaultctl audit accept-restore --side records
    """  # fmt: skip
    settings = load_settings()
    if settings.operator is None:
        raise missing("operator")
    log: LogName = side.value
    kms = kms_client(settings.operator)
    try:
        head = kms.call(LogHead(log), LogHeadIs)
        size, root = _restored(settings, log, head)
        is_repeated = (size, root) == (head.size, head.root)
        if not is_repeated:
            _confirm(log, head.size, size, confirmed)
        begun = kms.call(AcceptRestore(log, size, root), LogHeadIs)
    finally:
        kms.close()
    fields: dict[str, object] = {
        "log": log, "origin": begun.origin, "generation": begun.generation, "goes_on_from": size,
    }  # fmt: skip
    if is_repeated:
        say(
            fields, as_json=as_json,
            text=f"The {log} log goes on from leaf {size} as {begun.origin}: that was accepted before.",
        )  # fmt: skip
        return
    say(
        fields | {"given_up": head.size},
        as_json=as_json,
        text=f"The {log} log goes on from leaf {size} as {begun.origin}.\n"
        f"What stays visible for ever: an event log_restored that names the head of {head.size} leaves which "
        "was given up, the new origin in every checkpoint, and that head in each export.\n"
        f"Restart what was refused: vaultctl serve worker --side {log}"
        + (", vaultctl serve api." if log == "records" else "."),
    )  # fmt: skip


def _restored(settings: Settings, log: LogName, head: LogHeadIs) -> tuple[int, bytes]:
    """Size and root of the tree that the database has. Raises RestoreRefusedError if it is not older.

    The key service looks at the keys database by itself; the records database it cannot see.
    """
    section = getattr(settings.audit, log, None)
    if section is None:
        raise missing(f"audit.{log}")
    db = connect(section, size=1, name=log)
    try:
        with db.connection() as conn:
            if holds(conn, head.size, head.root):
                if head.generation > 1 and head.note is None:
                    # Accepted and not signed since. The same backup may have been put back again, though, and
                    # have lost the event that says so: asked again, the key service writes it again.
                    return head.size, head.root
                raise RestoreRefusedError(
                    f"the {log} database holds the last head that was signed: it is not older"
                )
            size = tree_size(conn)
            return size, root_at(conn, size)
    finally:
        db.close()


def _confirm(log: LogName, signed: int, size: int, confirmed: int | None) -> None:
    """By the number of what is lost, so that nobody confirms without having looked."""
    lost, exact = (signed - size, True) if size < signed else (signed, False)
    if confirmed is not None:
        if confirmed != size:
            raise InvalidInputError("--yes-I-confirm-loss-from", f"the restored database has {size} leaves")
        return
    if not sys.stdin.isatty():
        raise InvalidInputError("--yes-I-confirm-loss-from", "needed where there is no terminal to ask on")
    note(f"The last head signed of the {log} log has {signed} leaves; this database has {size}.")
    if exact:
        note(f"{lost} events are lost for ever, and what they were about is as it was before them.")
        question = "Type how many events are lost"
    else:
        note(
            "It has gone on by itself since it was restored: how many of those leaves are lost is not known."
        )
        question = "Type how many leaves the head has that is given up"
    if typer.prompt(question, err=True).strip() != str(lost):
        raise RestoreRefusedError("another number was typed: nothing was accepted")
