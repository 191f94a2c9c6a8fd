"""`vaultctl init --ceremony`: a real genesis, people before a terminal, by a reviewed plan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from vault_service.bootstrap.connections import connect
from vault_service.ceremony.genesis import check_genesis, run_genesis
from vault_service.ceremony.genesis_plan import EVERY_OFFICER_ROLE, GenesisPlan, HandOut
from vault_service.ceremony.officer_key import UNPINNED
from vault_service.ceremony.plan_file import (
    OfficerPart,
    OnlinePart,
    Passphrase,
    PlanFile,
    QuorumPart,
    SheetsPart,
    TokenPart,
    TokensPart,
    describe,
    genesis_plan,
    parse_plan,
    plan_hash,
)
from vault_service.ceremony.sheets import (
    SheetsAbandonedError,
    SheetSet,
    Terminal,
    controlling_terminal,
    hand_out,
)
from vault_service.cli.output import note, say
from vault_service.domain.errors import ConfigurationError, VaultError
from vault_service.domain.manifest import MIN_QUORUM, Officer, Role
from vault_service.recovery.officer_card import read_card
from vault_service.settings import Database as DatabaseSection
from vault_service.settings import Settings

_LEAST_PASSPHRASE = 15  # characters, as for users' passwords
_HASH_SHOWN = 8  # hex digits that are typed: enough to see that another plan was reviewed


class PlanNotConfirmedError(ConfigurationError):
    """The people before the terminal did not confirm the plan."""

    code = "genesis.not_confirmed"
    remedy = "Compare the plan's hash with the one that was reviewed; nothing was changed."


def dry_run(settings: Settings, path: Path, *, as_json: bool) -> None:
    """Check everything and say what would happen; no token is logged in to, no file is written."""
    content = _read(path)
    plan = _resolve(content, path.parent, _any_passphrase, _nowhere)
    _check(settings, plan)
    steps = describe(parse_plan(content), plan)
    say(
        {"plan_sha256": plan_hash(content), "steps": steps},
        as_json=as_json,
        text="\n".join([f"plan {plan_hash(content)}", *(f"  would {step}" for step in steps)]),
    )


def by_plan(settings: Settings, path: Path, *, as_json: bool) -> None:
    """Carry the plan out, after the people before the terminal have confirmed its hash."""
    content = _read(path)
    with controlling_terminal() as terminal:
        _carry_out(settings, content, path.parent, terminal, as_json=as_json)


def interactively(settings: Settings, home: Path, *, as_json: bool) -> None:
    """Ask for what a plan says, then go on as with one."""
    with controlling_terminal() as terminal:
        ask_and_carry_out(settings, home, terminal, as_json=as_json)


def ask_and_carry_out(settings: Settings, home: Path, terminal: Terminal, *, as_json: bool) -> None:
    """On this terminal."""
    content = msgspec.yaml.encode(ask_plan(settings, home, terminal))
    terminal.show(f"\nThe plan:\n\n{content.decode()}")
    _carry_out(settings, content, home, terminal, as_json=as_json, confirmed=_say_yes)


def _carry_out(
    settings: Settings,
    content: bytes,
    folder: Path,
    terminal: Terminal,
    *,
    as_json: bool,
    confirmed: Callable[[str, Terminal], None] | None = None,
) -> None:
    # Checked before anybody types a passphrase or writes a word.
    first = _resolve(content, folder, _any_passphrase, _nowhere)
    _check(settings, first)
    for step in describe(parse_plan(content), first):
        terminal.show(f"  {step}")
    (confirmed or confirm)(plan_hash(content), terminal)
    plan = _resolve(content, folder, partial(ask_passphrase, terminal), _on(terminal))
    db = connect(_keys_database(settings), size=2, name="genesis")
    try:
        genesis = run_genesis(plan, db)
    except VaultError:
        note("Sheets that were written in this attempt open nothing: destroy them.")
        raise
    finally:
        db.close()
    terminal.show(
        f"\nThe online token's security officer PIN, for the safe, shown once:\n\n  {genesis.online_so_pin}\n"
    )
    try:
        terminal.ask("Write it down, then press Enter: the screen is cleared. ")
    except EOFError:
        note("Nobody confirmed the PIN; the vault is made all the same.")
    finally:
        terminal.clear()
    say({"manifest_fingerprint": genesis.fingerprint, "plan_sha256": plan_hash(content)}, as_json=as_json)


def confirm(digest: str, terminal: Terminal) -> None:
    """Have the first digits of the plan's hash typed from the reviewers' paper.

    Raises PlanNotConfirmedError.
    """
    try:
        typed = terminal.ask(f"Type the first {_HASH_SHOWN} digits of the SHA-256 of the reviewed plan: ")
    except EOFError:
        typed = ""
    if typed.strip().lower() != digest[:_HASH_SHOWN]:
        raise PlanNotConfirmedError(f"this plan's hash is {digest}")


def _say_yes(_: str, terminal: Terminal) -> None:
    """What was asked for here has no reviewers, and no hash on anybody's paper."""
    try:
        typed = terminal.ask("Type yes to carry out exactly this: ")
    except EOFError:
        typed = ""
    if typed.strip().lower() != "yes":
        raise PlanNotConfirmedError("nobody said yes to the plan")


def ask_passphrase(terminal: Terminal, name: str) -> str:
    """Twice, without echo, until it is long enough and the same. Raises PlanNotConfirmedError."""
    try:
        while True:
            passphrase = terminal.ask(f"{name}, a passphrase for your key file: ", hidden=True)
            if len(passphrase) < _LEAST_PASSPHRASE:
                terminal.show(f"At least {_LEAST_PASSPHRASE} characters: several words do well.")
            elif terminal.ask("The same again: ", hidden=True) != passphrase:
                terminal.show("The two differ.")
            else:
                return passphrase
    except EOFError:
        raise PlanNotConfirmedError(f"no passphrase of {name}") from None


def ask_plan(settings: Settings, home: Path, terminal: Terminal) -> PlanFile:
    """What a plan says, question by question; Enter takes what stands in brackets."""
    kms, ceremony = settings.kms, settings.ceremony
    if kms is None or kms.token.pin_file is None:
        raise ConfigurationError(
            "genesis needs the [kms] section with its token and pin_file", remedy="Run it on the kms host."
        )
    questions = _Questions(terminal)
    tokens = home / "tokens"
    escrow = ceremony.token if ceremony is not None else None
    online = OnlinePart(
        str(kms.token.module), kms.token.label, str(kms.token.state_dir),
        questions.place("Transport PIN file of the online token", tokens / "online" / "transport-so-pin"),
        None if kms.token.softhsm2_conf is None else str(kms.token.softhsm2_conf),
        pin_file=str(kms.token.pin_file),
    )  # fmt: skip
    conf = tokens / "escrow" / "softhsm2.conf" if escrow is None else escrow.softhsm2_conf
    delivered = TokenPart(
        str(kms.token.module if escrow is None else escrow.module),
        "vault-escrow" if escrow is None else escrow.label,
        str(home / "ceremony" if escrow is None else escrow.state_dir),
        questions.place("Transport PIN file of the escrow token", tokens / "escrow" / "transport-so-pin"),
        None if conf is None else str(conf),
    )
    officers: list[OfficerPart] = []
    while name := questions.ask("Name of the next officer, - when that was the last", "-").removeprefix("-"):
        officers.append(questions.officer(name))
    return PlanFile(
        1, TokensPart(online, delivered), tuple(officers),
        QuorumPart(questions.people("How many must agree"), questions.people("And for a disclosure")),
        SheetsPart(questions.people("Break-glass sheets", 3), questions.people("Of which so many suffice")),
        questions.place("Ceremony folder", home / "ceremony" if ceremony is None else ceremony.state_dir),
        questions.place("Folder for key files that are made here", home / "officers"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Questions:
    """Asked again until the answer can be used: a slip does not throw away what was answered before."""

    terminal: Terminal

    def ask(self, question: str, default: str = "") -> str:
        """Raises PlanNotConfirmedError at the end of what is typed."""
        shown = f"{question} [{default}]: " if default else f"{question}: "
        try:
            return self.terminal.ask(shown).strip() or default
        except EOFError:
            raise PlanNotConfirmedError("the questions were not answered") from None

    def people(self, question: str, default: int = MIN_QUORUM) -> int:
        """How many; never fewer than two."""
        while True:
            answer = self.ask(question, str(default))
            if answer.isascii() and answer.isdigit() and int(answer) >= MIN_QUORUM:
                return int(answer)
            self.terminal.show(f"A whole number, {MIN_QUORUM} or more.")

    def place(self, question: str, default: Path) -> str:
        """A path, which starts from where the operator stands."""
        return str(Path(self.ask(question, str(default))).absolute())

    def officer(self, name: str) -> OfficerPart:
        """One of the first officers."""
        while True:
            try:
                return msgspec.convert(self._officer(name), OfficerPart)
            except msgspec.ValidationError as error:
                self.terminal.show(f"{name} once more: {error}")

    def _officer(self, name: str) -> dict[str, object]:
        roles = self.ask(f"Roles of {name}", " ".join(EVERY_OFFICER_ROLE)).split()
        accounts = self.ask(f"Own user ids of {name}, - for none", "-").removeprefix("-").split()
        file = self.ask(f"Public key file of {name}, - to make a key file here", "-")
        document: dict[str, object] = {"name": name, "roles": roles, "user_ids": accounts}
        if file == "-":
            return document | {"make_key_file": True}
        brought = str(Path(file).absolute())
        sha256 = self.ask("Its SHA-256, as its owner reads it").lower()
        return document | {"public_key_file": brought, "sha256": sha256}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="Name the reviewed plan.") from error


def _resolve(content: bytes, folder: Path, passphrase: Passphrase, show: HandOut) -> GenesisPlan:
    return genesis_plan(
        parse_plan(content), folder, passphrase=passphrase, hand_out=show, read_public=_read_public
    )


def _read_public(content: bytes, roles: tuple[Role, ...], user_ids: tuple[UUID, ...]) -> Officer:
    return read_card(content, fingerprint=UNPINNED).officer(roles, user_ids)


def _on(terminal: Terminal) -> HandOut:
    def show(words: Sequence[str], about: SheetSet) -> None:
        hand_out(words, about, terminal)

    return show


def _nowhere(words: Sequence[str], about: SheetSet) -> None:
    raise SheetsAbandonedError("a dry run makes no words")


def _any_passphrase(name: str) -> str:
    """Nobody is asked yet: whether one will do is seen when it is typed."""
    del name
    return "-" * _LEAST_PASSPHRASE


def _check(settings: Settings, plan: GenesisPlan) -> None:
    db = connect(_keys_database(settings), size=1, name="genesis")
    try:
        check_genesis(plan, db)
    finally:
        db.close()


def _keys_database(settings: Settings) -> DatabaseSection:
    if settings.kms is None:
        raise ConfigurationError("there is no [kms] section", remedy="Run it on the kms host.")
    return settings.kms.database
