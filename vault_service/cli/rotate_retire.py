"""`vaultctl rotate verify` and `retire`: make sure, then give up an old generation."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vault_service.bootstrap.connections import operator_client
from vault_service.cli.app import new_private_file
from vault_service.cli.output import EXIT_FINDING, JsonOption, note, quiet, say
from vault_service.cli.rotate_progress import Count
from vault_service.cli.rotate_text import at, failures_text, to_the_second
from vault_service.domain.errors import InvalidInputError, UnavailableError
from vault_service.domain.rotation import REWRAPPED, OnlineKind
from vault_service.domain.rotation_errors import BrokenOffError, UnreadableWrapsError
from vault_service.kms.client import KmsClient
from vault_service.policy.load import load_policies
from vault_service.rotation import retire as use_case
from vault_service.rotation.next_step import counted, do_not_open
from vault_service.rotation.retire import ToRetire
from vault_service.rotation.status import read_status
from vault_service.rotation.steps import ONLINE_KINDS
from vault_service.rotation.verify import Verified, verify, wraps_there_are
from vault_service.settings import load_settings

SAMPLE = 1000  # users
_ONLINE: dict[str, OnlineKind] = {kind: kind for kind in ONLINE_KINDS}


class Kind(StrEnum):
    """Kinds that have generations."""

    ESCROW = "escrow"
    PEPPER = "pepper"
    LOGIN_INDEX = "login-index"
    CASE = "case"
    NOTE = "note"
    AUDIT_SIGNING = "audit-signing"
    MANIFEST = "manifest"


def register(group: typer.Typer) -> None:
    """Add both to the group."""
    group.command("verify")(verify_)
    group.command("retire")(retire)


def verify_(
    everybody: Annotated[bool, typer.Option("--all", help="Every user's wraps.")] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="About so many users' at random; 1000 by default.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Take the same sample again: the seed that it printed.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report here; its SHA-256 is in the event.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Open the outer layer of users' wraps again, with the key that each names. Changes nothing.

    Exits 1 if any does not open. That escrow wraps open to the last is shown by a drill.

    \b
    Examples:
      vaultctl rotate verify
      vaultctl rotate verify --all --report verified.json
    """
    if everybody and (sample is not None or seed is not None):
        raise InvalidInputError("--all", "not together with --sample or --seed")
    with operator_client(load_settings()) as kms:
        if report is None:
            verified = verify_shown(kms, None if everybody else sample or SAMPLE, seed, as_json=as_json)
        else:
            with new_private_file(report) as file:
                verified = verify_shown(kms, None if everybody else sample or SAMPLE, seed, as_json=as_json)
                with open(file, "wb", closefd=False) as out:  # a descriptor
                    out.write(verified.body)
    say(verified_document(verified), as_json=as_json, text=verified_text(verified))
    if verified.failed:
        raise typer.Exit(EXIT_FINDING)


def verify_shown(kms: KmsClient, sample: int | None, seed: int | None, *, as_json: bool) -> Verified:
    """Verify, and tell how far it is where somebody watches."""
    if as_json:
        return verify(kms, sample=sample, seed=seed)
    watched = sys.stderr.isatty()
    what = "wraps opened again"
    count = Count(what, _in_place, every_s=0.2) if watched else Count(what, note)
    of = None if sample else wraps_there_are(kms)
    verified = verify(kms, sample=sample, seed=seed, tell=lambda opened: count.see(opened, of))
    if watched:
        sys.stderr.write("\n")
    return verified


def _in_place(line: str) -> None:
    sys.stderr.write(f"\r{line} \x1b[K")
    sys.stderr.flush()


def verified_text(verified: Verified) -> str:
    """What was found."""
    whose = "of everybody" if verified.sample is None else f"of a sample (seed {verified.seed})"
    text = f"{verified.opened:,} wraps {whose} open"
    if not verified.failed:
        return f"{text}; none does not."
    return (
        f"{text}; {len(verified.failed):,} DO NOT, and are as they were:\n"
        f"{failures_text(verified.failed[:100], len(verified.failed))}\nSee docs/runbooks/rotation.md."
    )


def verified_document(verified: Verified) -> dict[str, object]:
    """The report, and its SHA-256 as the event has it."""
    return verified.report() | {"sha256": verified.digest.hex()}


def retire(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="Whose generation.")],
    gen: Annotated[int, typer.Argument(metavar="GEN", min=1, help="Its number.")],
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="FINGERPRINT", help="Do it: the fingerprint that the same command shows without."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give up a generation that nothing needs any more, and destroy its key. Nothing brings it back.

    Without --confirm it shows what would happen, which backups would still need the key, and the command.
    Refused while anything needs it: that is counted under a lock, and nothing is changed. Refused as well if
    a wrap of a sample of 1,000 users does not open: it may be under this key, whatever its row says.

    \b
    Examples:
      vaultctl rotate retire pepper 1
      vaultctl rotate retire pepper 1 --confirm 3f8a…
    """
    settings = load_settings()
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    with operator_client(settings) as kms:
        status = read_status(kms, policies.rotation.cryptoperiod_days)
        found = use_case.look_at(status, kind.value, gen)
        online = _ONLINE.get(kind.value)
        if confirm is None or online is None:
            text = _officers(found) if online is None else _preview(found)
            say(_document(found), as_json=as_json, text=text)
            return
        if not as_json:
            note("\n".join(_warning(found)))
        try:
            if online in REWRAPPED and found.row.state == "retiring":
                verified = verify_shown(kms, SAMPLE, None, as_json=as_json)
                _demand_opening(verified, found)
                (quiet if as_json else note)(verified_text(verified))
            gone = use_case.retire(kms, online, found.row, confirm, quiet if as_json else note)
        except UnavailableError as error:
            raise BrokenOffError(error.detail) from error
    document = _document(found) | {"state": gone.state, "in_token": gone.in_token}
    say(document, as_json=as_json, text=f"Generation {gen} of the {kind.value} key is no more.")


def _demand_opening(verified: Verified, found: ToRetire) -> None:
    """Whoever can write to the database can let a row name a key that its wrap is not under.

    Raises UnreadableWrapsError.
    """
    if verified.failed:
        number = len(verified.failed)
        raise UnreadableWrapsError(
            f"generation {found.row.gen} is kept: {do_not_open(number)} under the key that the row names\n"
            + failures_text(verified.failed[:100], number)
        )


def _preview(found: ToRetire) -> str:
    row = found.row
    if not found.steps_left:
        return f"Generation {row.gen} of the {row.kind} key is no more since {at(row.since)}."
    lines = [
        f"generation {row.gen} of the {row.kind} key, {row.state} since {at(row.since)}",
        f"fingerprint {row.fingerprint}",
        f"needed by {counted(found.needs)}",
        *_warning(found),
        "",
    ]
    if found.needs:
        lines.append("It cannot be retired yet. next: vaultctl rotate status")
    else:
        lines += [
            "Nothing has been changed. If that is what you want:",
            f"vaultctl rotate retire {row.kind} {row.gen} --confirm {row.fingerprint}",
        ]
    return "\n".join(lines)


def _warning(found: ToRetire) -> list[str]:
    first = [f"First make sure: {found.make_sure}."] if found.make_sure else []
    if found.backups_before is None:
        return [*first, "No backup of the keys database needs it."]
    return [
        *first,
        f"Every backup of the keys database from before {to_the_second(found.backups_before)} needs it:",
        f"without this key {found.backups_lose}.",
        "Keep a backup of the token with this key as long as you keep one of them, or let them go first.",
    ]


def _officers(found: ToRetire) -> str:
    row = found.row
    lines = [_preview(found).split("\n\n")[0]]
    if row.state == "retiring" and not found.needs:
        lines += [
            "",
            "Only officers give up an escrow key: one proposes it, others approve, a ceremony does it.",
            f"vaultctl officer propose --key FILE --destroy-escrow-key {row.gen}",
        ]
    return "\n".join(lines)


def _document(found: ToRetire) -> dict[str, object]:
    row = found.row
    before = found.backups_before
    return {
        "kind": row.kind, "gen": row.gen, "state": row.state, "fingerprint": row.fingerprint,
        "in_token": row.in_token, "needed_by": dict(found.needs),
        "needed_by_backups_before": None if before is None else before.isoformat(),
        "make_sure": found.make_sure,
    }  # fmt: skip
