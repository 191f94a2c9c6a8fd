"""`vaultctl recovery`: what officers do with cases. Each command calls one use case."""

import contextlib
import sys
from collections.abc import Generator
from typing import Annotated

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.cli import recovery_open
from vault_service.cli.officer_options import (
    Desk,
    KeyOption,
    PassphraseOption,
    ask,
    officers_desk,
    parse_id,
)
from vault_service.cli.output import JsonOption, note, say, say_rows
from vault_service.cli.recovery_text import (
    case_document,
    case_text,
    listed_document,
    listed_text,
    names_of,
    next_step,
)
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.recovery_errors import CaseDiffersError, NotConfirmedError
from vault_service.recovery import decide
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


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        name="recovery",
        no_args_is_help=True,
        help="For officers: see, open, approve and veto cases, and release shares to a ceremony.",
    )
    group.command("list")(list_cases)
    group.command("show")(show)
    recovery_open.register(group)
    group.command("approve")(approve)
    group.command("veto")(veto)
    group.command("release")(release)
    app.add_typer(group)


def list_cases(
    everything: Annotated[bool, typer.Option("--all", help="Cases that are closed, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List cases, newest first. Example: vaultctl recovery list"""
    with officers_host(load_settings()) as parts:
        trusted = trusted_chain(parts)
        listed = list_all(parts, trusted, closed_too=everything)
        now, names = parts.now(), names_of(trusted.newest)
    if as_json:
        say_rows([listed_document(row, names, now) for row in listed], as_json=True)
        return
    text = "\n".join(listed_text(row, names, now) for row in listed)
    say({}, as_json=False, text=text or "No case is under way.")


def show(case: CaseArgument, as_json: JsonOption = False) -> None:
    """Show one case: what is asked, how it stands, and the text that an approval signs.

    The login and the six words of a user who asks for access again are not shown: the person says them.

    \b
    Example:
      vaultctl recovery show 01a20bd4-b9cf-720c-91f9-0159d46a5734
    """
    with officers_host(load_settings()) as parts:
        trusted = trusted_chain(parts)
        shown = read_case(parts, trusted, CaseId(parse_id(case, "CASE")))
        now = parts.now()
    document = case_document(shown, names_of(trusted.newest), now)
    say(document, as_json=as_json, text=case_text(shown, trusted.newest, now))


def approve(
    case: CaseArgument,
    key: KeyOption,
    passphrase_file: PassphraseOption = None,
    login: Annotated[
        str | None,
        typer.Option(
            help="Regain: the person's login, as you established it. Asked for when left out, and safer so: "
            "others on this host see what stands in a command."
        ),
    ] = None,
    phrase: Annotated[
        str | None,
        typer.Option(help="Regain: the six words that the person reads to you. Better asked for, too."),
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
        decide.demand_may_decide(desk.parts, desk.acting, shown, "approve")  # before anything is asked
        is_new = not decide.has_approved(desk.parts, desk.acting, shown)
        if is_new:
            _confirm(desk, shown, "Approve exactly this case?", yes=yes, as_json=as_json)
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
        elif done.shown.state == "open":
            step += (
                "\nYour share is still with you. Once a ceremony waits: vaultctl recovery release --key FILE"
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
    reason: Annotated[
        str,
        typer.Option(help="Why: shown to the other officers, and signed with the veto. No personal data."),
    ] = "",
    expected: HashOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """End a case for good: one officer's veto is enough, and nothing undoes it.

    \b
    Example:
      vaultctl recovery veto 01a20bd4-b9cf-720c-91f9-0159d46a5734 --key ana.key
    """
    with officers_desk(key, passphrase_file) as desk, _shown(desk, case, expected) as shown:
        decide.demand_may_decide(desk.parts, desk.acting, shown, "veto")
        _confirm(desk, shown, "End exactly this case, for good?", yes=yes, as_json=as_json)
        state = decide.veto(desk.parts, desk.acting, shown, reason).state
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

    \b
    Example:
      vaultctl recovery release --key ana.key
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


@contextlib.contextmanager
def _shown(desk: Desk, case: str, expected: str | None) -> Generator[ShownCase]:
    shown = read_case(desk.parts, desk.acting.trusted, CaseId(parse_id(case, "CASE")))
    if expected is not None and expected.lower() != shown.digest.hex():
        raise CaseDiffersError
    yield shown


def _confirm(desk: Desk, shown: ShownCase, question: str, *, yes: bool, as_json: bool) -> None:
    """Show what is about to be signed; on a terminal, wait for a yes. Raises NotConfirmedError."""
    asks = sys.stdin.isatty() and not yes
    if asks or not as_json:  # a script has looked at it by show, and names its hash
        note(case_text(shown, desk.acting.manifest, desk.parts.now()) + "\n")
    if asks and not typer.confirm(question, err=True):
        raise NotConfirmedError


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
        f"NOT released to ceremony {ceremony}: {error.detail.rstrip('.')}. {error.remedy}\n"
        for ceremony, error in releases.refused
    )
