"""What a genesis is to make, and whether that can be: checked whole before a token is touched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from vault_service.ceremony.bundle import share_set_file
from vault_service.ceremony.sheets import SheetSet
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.manifest import MIN_QUORUM, Floors, Officer, Role
from vault_service.kms.token.pkcs11_module import TokenPlace

FIRST = 1  # generation of everything
EVERY_OFFICER_ROLE: tuple[Role, ...] = ("requester", "approver", "discloser", "auditor")
MAX_SHEETS = 16  # SLIP-39, section "Configuration of the shared secret"

HandOut = Callable[[Sequence[str], SheetSet], None]
"""Brings the break-glass words to people, and raises when they do not have them."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it was delivered: initialised, with a transport SO PIN in a file."""

    place: TokenPlace
    transport_so_pin: Path


@dataclass(frozen=True, slots=True)
class NewOfficer:
    """One of the first officers: who brings a public key along, or whose key file is made here."""

    name: str
    roles: tuple[Role, ...] = EVERY_OFFICER_ROLE
    user_ids: tuple[UUID, ...] = ()
    public: Officer | None = None
    passphrase: str | None = field(default=None, repr=False)  # of the key file that is made here


@dataclass(frozen=True, slots=True)
class GenesisPlan:
    """What a genesis is to make, and where."""

    online: NewToken
    escrow: NewToken
    online_pin_file: Path
    ceremony_dir: Path  # each share set is written here too, so that an older database locks nobody out
    officers_dir: Path
    officers: tuple[NewOfficer, ...]
    hand_out: HandOut = field(repr=False)
    threshold: int = 2
    disclosure: int = 2
    floors: Floors = field(default_factory=Floors)  # those in code; a quorum may raise them later
    sheets: int = 3
    sheets_threshold: int = 2

    @property
    def bundle(self) -> Path:
        """The file of all sealed shares."""
        return share_set_file(self.ceremony_dir, FIRST)

    def key_file(self, officer: str) -> Path:
        """Where a key file goes that is made here."""
        return self.officers_dir / f"{officer}.key"


def with_key_files(names: Sequence[str], passphrase: str) -> tuple[NewOfficer, ...]:
    """Officers who may do everything, under one passphrase: for trying out, and tests."""
    return tuple(NewOfficer(name, passphrase=passphrase) for name in names)


def check_plan(plan: GenesisPlan) -> None:
    """Whatever would end a genesis halfway ends it before a token is changed. Raises ConfigurationError."""
    _check_people(plan)
    _check_quorums(plan)
    for path in (plan.online_pin_file, plan.bundle, *map(plan.key_file, _made_here(plan))):
        if path.exists():
            raise ConfigurationError(
                f"{path} is there already, from a genesis that was not finished",
                remedy="Put it aside, and begin again with empty tokens (scripts/softhsm_setup.sh).",
            )
    for token in (plan.online, plan.escrow):
        read_transport_pin(token)


def read_transport_pin(token: NewToken) -> str:
    """The PIN that the token was delivered with. Raises ConfigurationError."""
    try:
        return token.transport_so_pin.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{token.transport_so_pin}: {error}",
            remedy="Prepare the tokens with scripts/softhsm_setup.sh, or begin again with empty ones.",
        ) from error


def _made_here(plan: GenesisPlan) -> list[str]:
    return [officer.name for officer in plan.officers if officer.public is None]


def _check_people(plan: GenesisPlan) -> None:
    names = [officer.name for officer in plan.officers]
    if len(set(map(str.casefold, names))) != len(names):
        raise ConfigurationError(
            f"two officers have one name: {', '.join(names)}", remedy="Name each differently."
        )
    for name in names:
        if not name.isprintable() or not 0 < len(name) <= 64 or "/" in name or name.startswith("."):
            raise ConfigurationError(
                f"an officer's name is {name!r}", remedy="Use 1 to 64 characters that print, without a slash."
            )
    for officer in plan.officers:
        if (officer.public is None) == (officer.passphrase is None):
            raise ConfigurationError(
                f"{officer.name} needs a public key file or a passphrase",
                remedy="Give exactly one of them for each officer.",
            )
        if officer.public is not None and officer.public.name != officer.name:
            raise ConfigurationError(
                f"the public key file of {officer.name} is {officer.public.name}'s",
                remedy="See that each officer is named as in the file that they brought.",
            )
    brought = [officer.public for officer in plan.officers if officer.public is not None]
    for what, keys in (
        ("officer id", [each.officer_id for each in brought]),
        ("signing key", [auth.public_key for each in brought for auth in each.authenticators]),
        ("share key", [each.share_key for each in brought]),
        ("user id", [user for each in plan.officers for user in each.user_ids]),
    ):
        if len(set(keys)) != len(keys):
            raise ConfigurationError(
                f"two officers have one {what}", remedy="Each person has keys and accounts of their own."
            )


def _check_quorums(plan: GenesisPlan) -> None:
    """Who opens a case does not decide it: the quorum must meet without them."""

    def having(role: Role) -> set[str]:
        return {officer.name for officer in plan.officers if role in officer.roles}

    for role, quorum in (("approver", plan.threshold), ("discloser", plan.disclosure)):
        deciders = having(role)  # type: ignore[arg-type]  # mypy widens the literals of a tuple to str
        if not MIN_QUORUM <= quorum <= len(deciders):
            raise ConfigurationError(
                f"a quorum of {quorum} of {len(deciders)} officers with the role {role} "
                "is one person, or can never meet",
                remedy=f"Choose at least {MIN_QUORUM}, and no more than there are officers of that role.",
            )
        if not any(len(deciders - {requester}) >= quorum for requester in having("requester")):
            raise ConfigurationError(
                f"no officer could open a case that {quorum} others with the role {role} decide",
                remedy="Name one more officer, or a lower quorum; nobody decides what they opened.",
            )
    if not MIN_QUORUM <= plan.sheets_threshold <= plan.sheets <= MAX_SHEETS:
        raise ConfigurationError(
            f"{plan.sheets_threshold} of {plan.sheets} break-glass sheets",
            remedy=f"Choose a threshold of at least {MIN_QUORUM}, and at most {MAX_SHEETS} sheets.",
        )
