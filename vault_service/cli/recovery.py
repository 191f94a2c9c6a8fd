"""`vaultctl recovery`: what officers do with cases. Each command calls one use case."""

import contextlib
import sys
from collections.abc import Generator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.cli.officer_options import (
    Desk,
    KeyOption,
    PassphraseOption,
    ask,
    officers_desk,
    parse_id,
)
from vault_service.cli.output import EXIT_FINDING, JsonOption, note, say, say_rows
from vault_service.cli.recovery_text import (
    case_document,
    case_text,
    listed_document,
    listed_row,
    names_of,
    next_step,
)
from vault_service.domain.case import CaseKind, CollectionScope, Scope
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.recovery import decide, open_case
from vault_service.recovery.cases import ShownCase, list_all, read_case
from vault_service.recovery.release import Releases, release_to, release_to_all
from vault_service.recovery.trust import trusted_chain
from vault_service.settings import load_settings

CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]
HashOption = Annotated[
    str | None,
    typer.Option("--hash", metavar="HEX", help="The hash that show printed: decide no other text than that."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask once more on a terminal.")]


class Kind(StrEnum):
    """What an officer can open; a regain is asked for by the user, through an app."""

    DISCLOSURE = "disclosure"
    ERASURE = "erasure"
    DRILL = "drill"
    KEY_CEREMONY = "key-ceremony"
    OFFICER_CHANGE = "officer-change"


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        name="recovery",
        no_args_is_help=True,
        help="For officers: see, open, approve and veto cases, and release shares to a ceremony.",
    )
    group.command("list")(list_cases)
    group.command("show")(show)
    group.command("open")(open_)
    group.command("approve")(approve)
    group.command("veto")(veto)
    group.command("release")(release)
    group.command("find-user")(find_user)
    app.add_typer(group)


def list_cases(
    everything: Annotated[bool, typer.Option("--all", help="Cases that are closed, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List cases, newest first. Example: vaultctl recovery list"""
    with officers_host(load_settings()) as parts:
        trusted = trusted_chain(parts)
        listed = list_all(parts, trusted, closed_too=everything)
        now, names = parts.now(), names_of(trusted.manifest)
    rows = [listed_document(row, names, now) if as_json else listed_row(row, now) for row in listed]
    say_rows(rows, as_json=as_json, empty="No case is under way.")


def show(case: CaseArgument, as_json: JsonOption = False) -> None:
    """Show one case: what is asked, how it stands, and the text that an approval signs.

    The login and the six words of a user who asks for access again are not shown: the person says them.
    """
    with officers_host(load_settings()) as parts:
        trusted = trusted_chain(parts)
        shown = read_case(parts, trusted, CaseId(parse_id(case, "CASE")))
        now = parts.now()
    document = case_document(shown, names_of(trusted.manifest), now)
    say(document, as_json=as_json, text=case_text(shown, trusted.manifest, now))


def open_(
    kind: Annotated[
        Kind,
        typer.Argument(metavar="KIND", help="disclosure, erasure, drill, key-ceremony or officer-change."),
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
    """
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
        _say_case(desk, shown, as_json=as_json, before="The case is open.\n\n")


def approve(
    case: CaseArgument,
    key: KeyOption,
    passphrase_file: PassphraseOption = None,
    login: Annotated[
        str | None,
        typer.Option(help="Regain: the person's login, as you established it. Asked for when left out."),
    ] = None,
    phrase: Annotated[
        str | None,
        typer.Option(help="Regain: the six words that the person reads to you. Asked for when left out."),
    ] = None,
    expected: HashOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Approve a case, and release your share where a ceremony for it waits.

    For a user who asks for access again: speak to the person yourself, by a number or in a place that
    you know to be theirs. Type the login that their proof gives, and the six words that they read to you.

    \b
    Example:
      vaultctl recovery approve 01a20bd4-b9cf-720c-91f9-0159d46a5734 --key ana.key
    """
    with officers_desk(key, passphrase_file) as desk, _shown(desk, case, expected) as shown:
        decide.demand_may(desk.parts, desk.acting, shown, "approve")  # before anything is asked
        is_new = not decide.has_approved(desk.parts, desk.acting, shown)
        if is_new:
            _confirm(desk, shown, "Approve exactly this case?", yes=yes)
        person = None
        if is_new and shown.case.kind == "regain":
            person = decide.Person(
                login if login is not None else ask("Login, as the person proved it", "--login"),
                phrase
                if phrase is not None
                else ask("The six words that the person read to you", "--phrase"),
            )
        done = decide.approve(desk.parts, desk.acting, shown, person)
        judgement = done.shown.judgement
        step = next_step(done.shown, desk.parts.now())
        if done.releases.released:
            step = (
                "nothing from you: the ceremony has your share and goes on as soon as enough officers agree."
            )
        said = "You have approved" if done.is_new else "You had approved this before, nothing was added:"
        document = case_document(done.shown, names_of(desk.acting.manifest), desk.parts.now()) | {
            "added": done.is_new, "next": step, **_releases_document(done.releases),
        }  # fmt: skip
        text = f"{said} case {shown.case.case_id} ({len(judgement.approved_by)} of {judgement.need}).\n"
        say(document, as_json=as_json, text=f"{text}{_releases_text(done.releases)}Next: {step}")


def veto(
    case: CaseArgument,
    key: KeyOption,
    passphrase_file: PassphraseOption = None,
    expected: HashOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a case for good: one officer's veto is enough, and nothing undoes it."""
    with officers_desk(key, passphrase_file) as desk, _shown(desk, case, expected) as shown:
        decide.demand_may(desk.parts, desk.acting, shown, "veto")
        _confirm(desk, shown, "End exactly this case, for good?", yes=yes)
        state = decide.veto(desk.parts, desk.acting, shown).state
    say(
        {"case_id": case, "hash": shown.digest.hex(), "state": state}, as_json=as_json,
        text=f"Case {shown.case.case_id} is {state}. If it is wanted after all, a new one has to be opened.",
    )  # fmt: skip


def release(
    key: KeyOption,
    ceremony: Annotated[
        str | None, typer.Argument(metavar="[CEREMONY]", help="Which one; by default each that waits.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release your share of the escrow token's PIN to a ceremony that waits for it.

    The share is sealed to that ceremony alone, and only once the key service's signature, the time, the
    token and every case of it were checked here. Afterwards every officer gets a new share.
    """
    with officers_desk(key, passphrase_file) as desk:
        if ceremony is not None:
            one = release_to(desk.parts, desk.acting, CeremonyId(parse_id(ceremony, "CEREMONY")))
            releases = Releases((one,))
        else:
            releases = release_to_all(desk.parts, desk.acting)
    if releases.refused and not releases.released:
        raise releases.refused[0][1]
    text = _releases_text(releases) or "No ceremony waits for shares.\n"
    say(_releases_document(releases), as_json=as_json, text=text.rstrip("\n"))


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
    """Print the id of the user who has a login, for opening a case. Each look-up is recorded and limited."""
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
        note("Nobody has this login.")
        raise typer.Exit(EXIT_FINDING)


@contextlib.contextmanager
def _shown(desk: Desk, case: str, expected: str | None) -> Generator[ShownCase]:
    shown = read_case(desk.parts, desk.acting.trusted, CaseId(parse_id(case, "CASE")))
    if expected is not None and expected.lower() != shown.digest.hex():
        raise CaseRefusedError("the case's hash is not the one that you gave")
    yield shown


def _confirm(desk: Desk, shown: ShownCase, question: str, *, yes: bool) -> None:
    """Show what is about to be signed; on a terminal, wait for a yes."""
    note(case_text(shown, desk.acting.manifest, desk.parts.now()) + "\n")
    if sys.stdin.isatty() and not yes:
        typer.confirm(question, abort=True, err=True)


def _say_case(desk: Desk, shown: ShownCase, *, as_json: bool, before: str) -> None:
    manifest, now = desk.acting.manifest, desk.parts.now()
    document = case_document(shown, names_of(manifest), now)
    say(document, as_json=as_json, text=before + case_text(shown, manifest, now))


def _kind(kind: Kind) -> CaseKind:
    kinds: dict[Kind, CaseKind] = {
        Kind.DISCLOSURE: "disclosure", Kind.ERASURE: "erasure", Kind.DRILL: "drill",
        Kind.KEY_CEREMONY: "key-ceremony", Kind.OFFICER_CHANGE: "officer-change",
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


def _releases_document(releases: Releases) -> dict[str, object]:
    return {
        "released": [
            {
                "ceremony_id": str(each.ceremony),
                "cases": [str(case) for case in each.cases],
                "pin_generations": list(each.pin_gens),
            }
            for each in releases.released
        ],
        "not_released": [
            {"ceremony_id": str(ceremony), "code": error.code, "detail": error.detail, "remedy": error.remedy}
            for ceremony, error in releases.refused
        ],
    }


def _releases_text(releases: Releases) -> str:
    done = "".join(
        f"Your share is released to ceremony {each.ceremony}, for {len(each.cases)} "
        f"case{'s' if len(each.cases) > 1 else ''}.\n"
        for each in releases.released
    )
    return done + "".join(
        f"NOT released to ceremony {ceremony}: {error.detail}. {error.remedy}\n"
        for ceremony, error in releases.refused
    )
