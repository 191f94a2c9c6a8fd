"""`vaultctl officer`: key files for officers, who they are, and how that changes."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from vault_service.bootstrap.recovery import officers_host
from vault_service.ceremony.officer_key import UNPINNED, OfficerKey
from vault_service.cli import officer_invite, officer_pin
from vault_service.cli.app import new_private_file
from vault_service.cli.officer_options import KeyOption, PassphraseOption, ask, officers_desk, parse_id
from vault_service.cli.output import JsonOption, note, say, say_rows
from vault_service.cli.recovery_text import case_document, case_text, names_of
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import Role
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.domain.visible import visible
from vault_service.process import harden
from vault_service.recovery import officers
from vault_service.recovery import propose as propose_case
from vault_service.recovery.enrolments import change_of
from vault_service.recovery.officer_card import Card, make_card, read_card
from vault_service.recovery.propose import (
    OfficerStatus,
    check_escrow_point,
    draw_up,
    list_officers,
    open_change,
)
from vault_service.settings import load_settings, read_secret

_LEAST_PASSPHRASE = 15  # characters, as for users' passwords


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        name="officer", no_args_is_help=True, help="Officers: their key files, who they are, changes of them."
    )
    group.command("keygen")(keygen)
    officer_pin.register(group)
    officer_invite.register(group)
    group.command("list")(list_all)
    group.command("propose")(propose)
    app.add_typer(group)


def keygen(
    name: Annotated[str, typer.Argument(help="Your name, as the other officers know you.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The key file; keep it and its copy.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="Of the vault's first manifest; by default as vault.toml says."),
    ] = None,
    before_genesis: Annotated[
        bool,
        typer.Option("--before-genesis", help="There is no vault yet; afterwards run vaultctl officer pin."),
    ] = False,
    officer_id: Annotated[
        str | None, typer.Option(metavar="ID", help="You are an officer already, and this is your new key.")
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key file under a passphrase, and beside it the public part, FILE.public.json, to hand in.

    Read the printed fingerprint to the officers who approve you: it is how they know that the file which
    reached them is yours.

    \b
    Examples:
      vaultctl officer keygen dora --out dora.key
      vaultctl officer keygen ana --officer-id 01a2… --out ana-2.key
      vaultctl officer keygen ana --before-genesis --out ana.key
    """
    harden()
    pinned = _to_pin(fingerprint, before_genesis=before_genesis)
    if not name.isprintable() or not 1 <= len(name) <= 64:  # as in the card
        raise InvalidInputError("NAME", "1 to 64 characters that print")
    passphrase = _new_passphrase(passphrase_file)
    who = new_uuid() if officer_id is None else parse_id(officer_id, "--officer-id")
    key = OfficerKey.generate(OfficerId(who), new_uuid(), name)
    card, public = make_card(key, fingerprint=pinned), out.with_name(out.name + ".public.json")
    with new_private_file(public) as file:
        try:
            key.save(out, passphrase, fingerprint=pinned)
        except OSError as error:
            raise ConfigurationError(f"{out}: {error.strerror}", remedy="Name a new file.") from error
        with open(file, "wb", closefd=False) as handed_in:  # a descriptor
            handed_in.write(card.encode())
    public.chmod(0o644)
    shown, sha256 = key_fingerprint(card.officer(())), hashlib.sha256(card.encode()).hexdigest()
    text = f"Key file: {out}\nTo hand in: {public}\nIts fingerprint, to be read to the others: {shown}"
    if before_genesis:
        text += f"\nSHA-256 of the file to hand in, for the genesis plan: {sha256}"
        text += f"\nAfter genesis: vaultctl officer pin --key {out}"
    document = {"officer_id": str(who), "key_file": str(out), "public_file": str(public), "key": shown}
    say(document | {"public_file_sha256": sha256}, as_json=as_json, text=text)


def list_all(as_json: JsonOption = False) -> None:
    """List the officers of the newest manifest. Example: vaultctl officer list"""
    with officers_host(load_settings()) as parts:
        rows = list_officers(parts)
    if as_json:
        say_rows([_listed(row) for row in rows], as_json=True)
        return
    say({}, as_json=False, text="\n".join(_listed_text(_listed(row)) for row in rows))


def _listed(row: OfficerStatus) -> dict[str, str]:
    officer = row.officer
    return {
        "name": visible(officer.name),
        "roles": ", ".join(officer.roles),
        "key": key_fingerprint(officer),
        "authenticators": ", ".join(each.kind for each in officer.authenticators),
        "own_accounts": ", ".join(map(str, officer.user_ids)),
        "holds_a_share": "yes" if row.holds_share else "no",
        "officer_id": str(officer.officer_id),
    }


def _listed_text(row: dict[str, str]) -> str:
    """Lines that fit on any screen; the id stands in one piece, to be copied."""
    share = "holds a share" if row["holds_a_share"] == "yes" else "holds NO share"
    return (
        f"{row['name']}  {row['roles']}\n"
        f"    key {row['key']} ({row['authenticators']}), {share}\n"
        f"    id {row['officer_id']}, own accounts: {row['own_accounts'] or 'none'}"
    )


def propose(
    key: KeyOption,
    passphrase_file: PassphraseOption = None,
    add: Annotated[
        list[str] | None, typer.Option(metavar="FILE:ROLE,…", help="Somebody new, by the public file.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Somebody leaves.")] = None,
    re_key: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="An officer's new key, by its public file.")
    ] = None,
    enrolled: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID[:ROLE,…]",
            help="A card that waits: with roles somebody new, else a re-key or a spare passkey.",
        ),
    ] = None,
    roles: Annotated[list[str] | None, typer.Option(metavar="NAME=ROLE,…", help="Other roles.")] = None,
    accounts: Annotated[
        list[str] | None, typer.Option(metavar="NAME=ID,…", help="The officer's own user ids; may be none.")
    ] = None,
    quorum: Annotated[int | None, typer.Option(min=2, help="How many approve, and open the token.")] = None,
    disclosure_quorum: Annotated[
        int | None, typer.Option(min=2, help="How many approve disclosures.")
    ] = None,
    floor: Annotated[
        list[str] | None, typer.Option(metavar="NAME=NUMBER", help="What policy files may not go below.")
    ] = None,
    escrow_key: Annotated[
        str | None, typer.Option(metavar="LABEL:HEX", help="Use the key that a key ceremony made and showed.")
    ] = None,
    destroy_escrow_key: Annotated[
        int | None,
        typer.Option(min=1, metavar="GEN", help="Give up an escrow key that no wrap is sealed to any more."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; the others decide by it.")] = None,
    only_show: Annotated[bool, typer.Option("--only-show", help="Open no case.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Propose other officers, quorums, floors or another escrow key; opens a case that the others decide.

    \b
    Roles: requester, approver, discloser, auditor, operator.
    Examples:
      vaultctl officer propose --key ana.key --add dora.key.public.json:approver,discloser
      vaultctl officer propose --key ana.key --enrolled 01a2…:approver,discloser
      vaultctl officer propose --key ana.key --remove cleo --quorum 2 --reason "cleo has left"
      vaultctl officer propose --key ana.key --destroy-escrow-key 1
      vaultctl officer propose --key ana.key --accounts bob=01a20bd4-b9cf-720c-91f9-0159d46a5734
    """
    with officers_desk(key, passphrase_file) as desk:
        card = card_reader(desk.parts.fingerprint)
        changes: list[officers.Change] = [
            *(officers.remove(each) for each in remove or ()),
            *(
                officers.add(card(Path(file)), roles_of(given))
                for file, given in (split_at(each, ":", "--add") for each in add or ())
            ),
            *(officers.re_key(card(each)) for each in re_key or ()),
            *(
                change_of(desk.parts, desk.acting, which, roles_of(given))
                for which, given in map(officer_invite.enrolled_id_and_roles, enrolled or ())
            ),
            *(officers.set_roles(who, roles_of(given)) for who, given in _pairs(roles, "--roles")),
            *(officers.set_user_ids(who, _ids(given)) for who, given in _pairs(accounts, "--accounts")),
        ]
        if quorum is not None or disclosure_quorum is not None:
            changes.append(officers.set_quorum(base=quorum, disclosure=disclosure_quorum))
        if floor:
            changes.append(officers.set_floors({n: _number(v) for n, v in _pairs(floor, "--floor")}))
        if escrow_key is not None:
            gen, point = propose_case.escrow_key_of(escrow_key)
            check_escrow_point(desk.parts, point)
            changes.append(officers.use_escrow_key(gen, point))
        if destroy_escrow_key is not None:
            changes.append(officers.destroy_escrow_key(destroy_escrow_key))
        proposal = draw_up(desk.parts, desk.acting, changes)
        lines = [visible(line) for line in proposal.lines]
        if only_show:
            say({"changes": lines}, as_json=as_json, text="\n".join(lines))
            return
        if not as_json:
            note("\n".join(["You propose a manifest that", *(f"  {line}" for line in lines)]))
        why = reason if reason is not None else ask("Reason", "--reason")
        shown = open_change(desk.parts, desk.acting, proposal, why)
        manifest, now = desk.acting.manifest, desk.parts.now()
        document = case_document(shown, names_of(manifest), now) | {"changes": lines}
        say(document, as_json=as_json, text="The case is open.\n\n" + case_text(shown, manifest, now))


def _to_pin(fingerprint: str | None, *, before_genesis: bool) -> str:
    """Which vault the key file is to believe. Raises InvalidInputError, ConfigurationError."""
    if before_genesis:
        if fingerprint is not None:
            raise InvalidInputError("--before-genesis", "not together with --fingerprint")
        return UNPINNED
    if fingerprint is not None:
        return officer_pin.whole(fingerprint)
    believed = load_settings().manifest_fingerprint
    if not believed:
        raise ConfigurationError(
            "this host's vault.toml has no manifest_fingerprint for the key file to pin",
            remedy="Give --fingerprint HEX, or --before-genesis if there is no vault yet.",
        )
    return believed


def _new_passphrase(file: Path | None) -> str:
    if file is not None:
        passphrase = read_secret(file)
    else:
        passphrase = ask("A passphrase for it", "--passphrase-file", hidden=True)
        if ask("The same again", "--passphrase-file", hidden=True) != passphrase:
            raise InvalidInputError("passphrase", "the two differ")
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise InvalidInputError(
            "passphrase", f"at least {_LEAST_PASSPHRASE} characters: several words do well"
        )
    return passphrase


def card_reader(fingerprint: str) -> Callable[[Path], Card]:
    """Reads public files that are for this vault. Raises InvalidInputError."""

    def read(path: Path) -> Card:
        try:
            return read_card(path.read_bytes(), fingerprint=fingerprint)
        except OSError as error:
            raise InvalidInputError("officer's file", f"{path}: {error.strerror}") from error

    return read


def split_at(text: str, sign: str, option: str) -> tuple[str, str]:
    """What stands before the last such sign, and after it. Raises InvalidInputError."""
    name, found, value = text.rpartition(sign)
    if not found or not name:
        raise InvalidInputError(option, f"{text}: there is no {sign} in it; --help shows how to write it")
    return name, value


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    return [split_at(each, "=", option) for each in given or ()]


def roles_of(text: str) -> tuple[Role, ...]:
    """Roles with commas between. Raises InvalidInputError."""
    return propose_case.roles_of([each.strip() for each in text.split(",") if each.strip()])


def _ids(text: str) -> tuple[UUID, ...]:
    return tuple(parse_id(each.strip(), "--accounts") for each in text.split(",") if each.strip())


def _number(text: str) -> int:
    with contextlib.suppress(ValueError):
        return int(text)
    raise InvalidInputError("--floor", f"{text} is no whole number")
