"""`vaultctl rotate status`, `pause` and `resume`."""

from enum import StrEnum
from typing import Annotated

import typer

from vault_service.bootstrap.connections import operator_client
from vault_service.cli.output import EXIT_FINDING, JsonOption, say
from vault_service.cli.rotate_text import (
    failures_text,
    rotation_document,
    rotation_line,
    status_document,
    status_text,
)
from vault_service.kms.protocol.rotation_messages import PauseRotation, ResumeRotation, RotationIs
from vault_service.policy.load import load_policies
from vault_service.rotation.status import Status, read_status
from vault_service.settings import Settings, load_settings


class Rewrapped(StrEnum):
    """Kinds whose rotation takes long enough to be paused."""

    PEPPER = "pepper"
    LOGIN_INDEX = "login-index"
    ESCROW = "escrow"


KindArgument = Annotated[Rewrapped, typer.Argument(metavar="KIND", help="pepper, login-index or escrow.")]


def register(group: typer.Typer) -> None:
    """Add them to the group."""
    group.command("status")(status)
    group.command("pause")(pause)
    group.command("resume")(resume)


def look(settings: Settings) -> Status:
    """Read how everything stands."""
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    with operator_client(settings) as kms:
        return read_status(kms, policies.rotation.cryptoperiod_days)


def status(
    failures: Annotated[
        bool, typer.Option("--failures", help="List the users whose wraps do not open.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show every key's generations, rotations under way, what is due, and what comes next. Changes nothing.

    Exits 1 if the last rotation of a kind left wraps that do not open.

    \b
    Example:
      vaultctl rotate status
    """
    stands = look(load_settings())
    text = status_text(stands)
    if failures:
        for row in stands.rotations:
            if row.failed:
                text += f"\n{row.kind}, {rotation_line(row)}\n{failures_text(row.failures, row.failed)}"
    say(status_document(stands), as_json=as_json, text=text)
    newest = (stands.rotation(kind) for kind in ("escrow", "pepper", "login-index"))
    if any(row is not None and row.failed for row in newest):
        raise typer.Exit(EXIT_FINDING)


def pause(kind: KindArgument, as_json: JsonOption = False) -> None:
    """Let no further batch of a rotation begin. What was done stays done, and users notice nothing.

    \b
    Example:
      vaultctl rotate pause pepper
    """
    with operator_client(load_settings()) as kms:
        row = kms.call(PauseRotation(kind.value), RotationIs).rotation
    text = (
        f"Paused; old and new wraps work side by side for as long as you like.\n{rotation_line(row)}\n"
        f"To go on: vaultctl rotate resume {kind.value}"
    )
    say(rotation_document(row), as_json=as_json, text=text)


def resume(
    kind: KindArgument,
    rate: Annotated[
        int | None, typer.Option(min=0, help="Users a second from now on; 0: no limit. By default as before.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Batches at once from now on. By default as before.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a paused rotation; with --rate, change how fast.

    \b
    Examples:
      vaultctl rotate resume pepper
      vaultctl rotate resume pepper --rate 200
    """
    with operator_client(load_settings()) as kms:
        row = kms.call(ResumeRotation(kind.value, rate, workers), RotationIs).rotation
    text = f"It goes on.\n{rotation_line(row)}\nTo watch it: vaultctl rotate {kind.value}"
    say(rotation_document(row), as_json=as_json, text=text)
