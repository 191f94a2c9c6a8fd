"""`vaultctl audit`: the trails, for whoever has to trust them."""

from pathlib import Path
from typing import Annotated

import typer

from vault_service.cli import audit_export, audit_receivers, audit_resend, audit_restore
from vault_service.cli.output import JsonOption
from vault_service.verify.__main__ import EXIT_CODES, answer, check_export, check_receipts

KeyOption = Annotated[Path, typer.Option("--key", metavar="FILE", help="audit.vkey as you hold it.")]
CosignaturesOption = Annotated[
    int | None,
    typer.Option(
        "--cosignatures", min=0, metavar="N",
        help="How many the newest checkpoint must have; default: 1 if the key file has a cosigning key.",
    ),
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(help="Check the audit trails.", no_args_is_help=True)
    group.command(epilog=f"Exit codes: {EXIT_CODES}")(verify)
    group.command("verify-receipts", epilog=f"Exit codes: {EXIT_CODES}")(verify_receipts)
    audit_export.register(group)
    audit_restore.register(group)
    group.command("receivers")(audit_receivers.receivers)
    audit_resend.register(group)
    app.add_typer(group, name="audit")


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An export.")],
    key: KeyOption,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="One that you or somebody else kept; repeatable."),
    ] = None,
    cosignatures: CosignaturesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check an export offline: every event, every checkpoint, and one trail against the other.

    \b
    Example:
      vaultctl audit verify export --key audit.vkey --checkpoint last-year/records/checkpoint
    """
    raise typer.Exit(answer(check_export(folder, key, checkpoint or [], cosignatures), as_json=as_json))


def verify_receipts(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The answer of GET /v1/me/receipts, or an event's proof.")
    ],
    key: KeyOption,
    cosignatures: CosignaturesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the receipts of one person's accesses, or the proof of one event, offline."""
    raise typer.Exit(answer(check_receipts(file, key, cosignatures), as_json=as_json))
