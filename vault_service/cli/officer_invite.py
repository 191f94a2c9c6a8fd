"""`vaultctl officer invite` and `enrolled`: passkeys that wait for an officer change."""

from typing import Annotated
from uuid import UUID

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.cli.officer_options import KeyOption, PassphraseOption, officers_desk, parse_id
from vault_service.cli.output import JsonOption, say, say_rows
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.visible import visible
from vault_service.policy.load import load_policies
from vault_service.recovery.enrolments import Enrolled, waiting
from vault_service.recovery.invitations import invitation_link, invite, prepare_invitation
from vault_service.recovery.trust import trusted_chain
from vault_service.settings import Settings, load_settings


def register(group: typer.Typer) -> None:
    """Add them to `vaultctl officer`."""
    group.command("invite")(invite_somebody)
    group.command("enrolled")(enrolled)


def invite_somebody(
    key: KeyOption,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Somebody new, as the other officers know them.")
    ] = "",
    officer_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Instead of a name: an officer who is to have a passkey.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option(metavar="URL", help="Of the console; by default as vault.toml says.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Invite somebody to enrol a passkey at the web console; prints a link that is good once.

    It makes nobody an officer: propose the card that comes in with vaultctl officer propose --enrolled.

    \b
    Examples:
      vaultctl officer invite dora --key ana.key
      vaultctl officer invite --officer-id 01a2… --key ana.key
    """
    settings = load_settings()
    address = origin or _origin(settings)
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    with officers_desk(key, passphrase_file) as desk:
        whom_id = None if officer_id is None else parse_id(officer_id, "--officer-id")
        whom = prepare_invitation(desk.parts, desk.acting, name, whom_id)
        made = invite(desk.parts, desk.acting, whom, good_for_s=policies.pages.console.invitation_s)
    link, until = invitation_link(address, made.token), made.expires_at.isoformat(timespec="seconds")
    text = (
        f"Give {visible(whom.name)} this link, which is good once, until {until}:\n  {link}\n"
        "When the card is handed in: vaultctl officer enrolled"
    )
    document = {"link": link, "expires_at": until, "officer_id": str(whom.officer_id), "name": whom.name}
    say(document, as_json=as_json, text=text)


def enrolled(as_json: JsonOption = False) -> None:
    """List the cards that wait for an officer change. Example: vaultctl officer enrolled"""
    with officers_host(load_settings()) as parts:
        rows = [_row(each) for each in waiting(parts, trusted_chain(parts))]
    if as_json:
        say_rows(rows, as_json=True)
        return
    text = "\n".join(
        f"{row['name']}  {row['what']}, handed in {row['at']}, invited by {row['invited_by']}\n"
        f"    key {row['key']} (passkey): have it read to you\n    id {row['enrolled_id']}"
        for row in rows
    )
    say({}, as_json=False, text=text or "No card waits.")


def enrolled_id_and_roles(given: str) -> tuple[UUID, str]:
    """ID or ID:ROLE,… as --enrolled takes it. Raises InvalidInputError."""
    card, _, roles = given.partition(":")
    return parse_id(card, "--enrolled"), roles


def _row(each: Enrolled) -> dict[str, str]:
    return {
        "enrolled_id": str(each.enrolled_id),
        "name": visible(each.card.name),
        "officer_id": str(each.card.officer_id),
        "what": _what(each),
        "key": each.fingerprint,
        "invited_by": visible(each.invited_by) or "somebody who is no officer now",
        "at": each.at.isoformat(timespec="seconds"),
    }


def _what(each: Enrolled) -> str:
    if each.is_new_officer:
        return "somebody new"
    return "an officer's spare passkey" if each.is_spare else "an officer's other passkey"


def _origin(settings: Settings) -> str:
    if settings.console is None:
        raise ConfigurationError(
            "this host's vault.toml does not say where the console is",
            remedy="Give --origin, such as https://console.example.org.",
        )
    return settings.console.origin
