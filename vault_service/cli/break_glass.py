"""`vaultctl break-glass`: put others in the officers' place with the words on paper."""

from pathlib import Path
from typing import Annotated

import typer

from vault_service.cli.officer import card_reader, roles_of, split_at
from vault_service.cli.output import JsonOption, say
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Officer, Quorum
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.domain.visible import visible
from vault_service.settings import load_settings, read_secret


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("break-glass")(break_glass)


def break_glass(
    officer: Annotated[
        list[str] | None,
        typer.Option("--officer", metavar="FILE:ROLE,…", help="Somebody new, by the public file."),
    ] = None,
    keep: Annotated[list[str] | None, typer.Option(metavar="NAME", help="An officer who stays.")] = None,
    quorum: Annotated[int | None, typer.Option(min=2, help="How many approve; by default as it is.")] = None,
    disclosure_quorum: Annotated[int | None, typer.Option(min=2, help="The same for disclosures.")] = None,
    sheets: Annotated[int, typer.Option(min=2, max=16, help="How many sheets the new set has.")] = 3,
    threshold: Annotated[int, typer.Option(min=2, max=16, help="How many of them are needed.")] = 2,
    so_pin_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Security officer PIN of a token that replaces the lost one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """For when fewer than the quorum are left, or the escrow token's PIN is blocked.

    On the ceremony's host, in a terminal, with the keepers of the sheets. It asks for the words of as many
    sheets as are needed, shows a new set one sheet at a time, names the new officers, sets the token's PIN
    anew and hands each of them a share. Keep the old sheets until it says that it is done: if it is
    interrupted, do the same again; it says which set it wants.

    \b
    Example:
      vaultctl break-glass --keep ana --officer dora.key.public.json:requester,approver,discloser
    """
    if threshold > sheets:
        raise InvalidInputError("--threshold", f"{threshold} of {sheets} sheets: there are not so many")
    settings = load_settings()
    from vault_service.bootstrap.ceremony import run_break_glass
    from vault_service.ceremony.break_glass import Successors, successors_of
    from vault_service.ceremony.sheets import controlling_terminal
    from vault_service.domain.manifest import Manifest

    card = card_reader(settings.manifest_fingerprint)
    added = [
        card(Path(file)).officer(roles_of(given))
        for file, given in (split_at(each, ":", "--officer") for each in officer or ())
    ]

    def plan(newest: Manifest) -> Successors:
        people = successors_of(newest, keep or (), added)
        wanted = Quorum(quorum or newest.quorum.base, disclosure_quorum or newest.quorum.disclosure)
        return Successors(people, wanted, sheets, threshold)

    with controlling_terminal() as terminal:
        done = run_break_glass(
            settings,
            plan,
            terminal,
            _described,
            transport_so_pin=None if so_pin_file is None else read_secret(so_pin_file),
        )
    people = [
        {"name": visible(each.name), "roles": ", ".join(each.roles), "key": key_fingerprint(each)}
        for each in done.manifest.officers
    ]
    names = ", ".join(each["name"] for each in people)
    say(
        {"manifest": done.manifest.serial, "pin_generation": done.pin_generation, "officers": people},
        as_json=as_json,
        text=f"Done. The officers are {names}, by manifest {done.manifest.serial}; each holds a share.\n"
        "Destroy the sheets of the old set: they open nothing any more.",
    )


def _described(officer: Officer) -> str:
    """The key's fingerprint is what the newcomer read out when it was made."""
    return f"  {visible(officer.name)}: {', '.join(officer.roles)}, key {key_fingerprint(officer)}"
