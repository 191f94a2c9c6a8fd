"""`vaultctl recovery open` and `find-user`: how a case begins."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vault_service.cli.officer_options import (
    Desk,
    KeyOption,
    PassphraseOption,
    ask,
    officers_desk,
    parse_id,
)
from vault_service.cli.output import EXIT_FINDING, JsonOption, note, say
from vault_service.cli.recovery_text import case_document, case_text, names_of
from vault_service.domain.case import CaseKind, CollectionScope, Scope
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.recovery import open_case


class Kind(StrEnum):
    """What an officer can open; a regain is asked for by the user, through an app."""

    DISCLOSURE = "disclosure"
    ERASURE = "erasure"
    DRILL = "drill"
    KEY_CEREMONY = "key-ceremony"
    OFFICER_CHANGE = "officer-change"
    ESCROW_ROTATION = "escrow-rotation"


def register(group: typer.Typer) -> None:
    """Add both to the group."""
    group.command("open")(open_)
    group.command("find-user")(find_user)


def open_(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND",
            help="disclosure, erasure, drill, key-ceremony, officer-change or escrow-rotation.",
        ),
    ],
    key: KeyOption,
    passphrase_file: PassphraseOption = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; the other officers decide by it. Asked for when left out.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="Whom it is about: see vaultctl recovery find-user.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="AGE1…", help="Disclosure: whose age key opens the file.")
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:FIELD,…]", help="Disclosure: what is handed out; repeatable."),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Drill: how many users; by default the policy's.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Drill: all users.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Officer change: from vaultctl officer propose.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Open a case; other officers decide it.

    \b
    Examples:
      vaultctl recovery open drill --key ana.key --reason "quarterly drill"
      vaultctl recovery open disclosure --key ana.key --user ID --recipient age1… \\
        --collection contact:full_name,phone --collection notes
      vaultctl recovery open escrow-rotation --key ana.key --reason "a new escrow key is current"
    """
    _demand_named(kind, user=user, recipient=recipient, collection=collection, manifest=manifest)
    with officers_desk(key, passphrase_file) as desk:
        wanted = open_case.Wanted(
            kind=_kind(kind),
            reason=reason if reason is not None else ask("Reason", "--reason"),
            user=None if user is None else parse_id(user, "--user"),
            recipient=recipient,
            scope=_scope(desk, kind, collection or [], sample, everybody=everybody),
            manifest=None if manifest is None else _read(manifest),
        )
        shown = open_case.open_case(desk.parts, desk.acting, wanted)
        believed, now = desk.acting.manifest, desk.parts.now()
    document = case_document(shown, names_of(believed), now)
    say(document, as_json=as_json, text="The case is open.\n\n" + case_text(shown, believed, now))


def find_user(
    key: KeyOption,
    login: Annotated[
        str | None, typer.Argument(metavar="[LOGIN]", help="Asked for when left out, and so in no history.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="What for. Asked for when left out.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose apps the user belongs to.")] = "default",
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the id of the user who has a login, for opening a case. Each look-up is recorded and limited.

    \b
    Example:
      vaultctl recovery find-user --key ana.key --purpose "court order 17"
    """
    with officers_desk(key, passphrase_file) as desk:
        found = open_case.find_user(
            desk.parts,
            desk.acting,
            tenant,
            login if login is not None else ask("Login", "LOGIN"),
            purpose if purpose is not None else ask("Purpose", "--purpose"),
        )
    if as_json:
        say({"user_id": None if found is None else str(found)}, as_json=True)
    elif found is not None:
        say({}, as_json=False, text=str(found))
    if found is None:
        if not as_json:
            note("Nobody has this login.")
        raise typer.Exit(EXIT_FINDING)


_NEEDS: dict[str, dict[Kind, str]] = {
    "user": dict.fromkeys(
        (Kind.DISCLOSURE, Kind.ERASURE), "say whom it is about: vaultctl recovery find-user"
    ),
    "recipient": {Kind.DISCLOSURE: "say whose age key is to open the file"},
    "collection": {Kind.DISCLOSURE: "say what is handed out, such as contact:full_name,phone"},
    "manifest": {Kind.OFFICER_CHANGE: "say what is proposed: vaultctl officer propose"},
}


def _demand_named(kind: Kind, **given: object) -> None:
    """What belongs to the kind and nothing else, before anybody types a passphrase."""
    for option, kinds in _NEEDS.items():
        if kind in kinds and not given[option]:
            raise InvalidInputError(f"--{option}", kinds[kind])
        if kind not in kinds and given[option]:
            raise InvalidInputError(f"--{option}", f"does not belong to a case of kind {kind.value}")


def _kind(kind: Kind) -> CaseKind:
    kinds: dict[Kind, CaseKind] = {
        Kind.DISCLOSURE: "disclosure", Kind.ERASURE: "erasure", Kind.DRILL: "drill",
        Kind.KEY_CEREMONY: "key-ceremony", Kind.OFFICER_CHANGE: "officer-change",
        Kind.ESCROW_ROTATION: "escrow-rotation",
    }  # fmt: skip
    return kinds[kind]


def _scope(desk: Desk, kind: Kind, collections: list[str], sample: int | None, *, everybody: bool) -> Scope:
    if kind is not Kind.DRILL and (sample is not None or everybody):
        raise InvalidInputError("--sample", "belongs to a drill")
    if sample is not None and everybody:
        raise InvalidInputError("--everybody", "not together with --sample")
    if kind is Kind.DRILL and not everybody and sample is None:
        sample = desk.parts.rules.drill.sample
    return Scope(collections=tuple(map(_collection, collections)), sample=sample)


def _collection(text: str) -> CollectionScope:
    name, colon, fields = text.partition(":")
    named = tuple(field.strip() for field in fields.split(","))
    if not name.strip() or (colon and not all(named)):
        raise InvalidInputError("--collection", "write it like contact or contact:full_name,phone")
    return CollectionScope(name.strip(), named if colon else ())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="Name the proposal's file.") from error
