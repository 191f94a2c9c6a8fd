"""The reviewed plan of a genesis: one YAML file, and all that it says is checked before a token is touched.

Its hash, SHA-256 of the file's bytes, is what reviewers compare. A key that an officer brings is named with
the hash of its file, so that the plan's hash covers the keys too. What the schema does not know is refused,
and so is a key that stands twice, which YAML readers take the last of without a word.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import yaml
from msgspec import Meta

from vault_service.ceremony.genesis_plan import GenesisPlan, HandOut, NewOfficer, NewToken
from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.domain.manifest import MIN_QUORUM, Floors, Officer, Role
from vault_service.domain.manifest_difference import key_fingerprint
from vault_service.kms.token.pkcs11_module import TokenPlace

_Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_People = Annotated[int, Meta(ge=MIN_QUORUM)]
_MAX_BYTES = 1_000_000
Passphrase = Callable[[str], str]
"""Asks an officer, by name, for the passphrase of the key file that is made."""
ReadPublic = Callable[[bytes, tuple[Role, ...], tuple[UUID, ...]], Officer]
"""Reads an officer's public key file. Raises InvalidInputError."""


class PlanFileError(ConfigurationError):
    """The plan cannot be carried out."""

    code = "genesis.plan"
    remedy = "Correct the plan, have it reviewed again, and look at it with --dry-run."


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class TokenPart(_Part, frozen=True):
    """One token as it was delivered."""

    module: str
    label: str
    state_dir: str
    transport_so_pin_file: str
    softhsm2_conf: str | None = None


class OnlinePart(TokenPart, frozen=True, kw_only=True):
    """The key service's token, whose PIN it reads from a file."""

    pin_file: str


class TokensPart(_Part, frozen=True):
    """Both."""

    online: OnlinePart
    escrow: TokenPart


class QuorumPart(_Part, frozen=True):
    """How many must agree."""

    base: _People
    disclosure: _People


class SheetsPart(_Part, frozen=True):
    """The break-glass words on paper."""

    sheets: _People
    threshold: _People


class OfficerPart(_Part, frozen=True):
    """One of the first officers: with a public key file of their own, or a key file that is made here."""

    name: str
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    user_ids: tuple[UUID, ...] = ()
    public_key_file: str | None = None
    sha256: _Hash | None = None
    make_key_file: bool = False


class PlanFile(_Part, frozen=True):
    """The whole file."""

    v: Literal[1]
    tokens: TokensPart
    officers: tuple[OfficerPart, ...]
    quorum: QuorumPart
    break_glass: SheetsPart
    ceremony_folder: str
    key_files_folder: str
    floors: Floors = Floors()


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, and aliases, by which a small file becomes a large one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise PlanFileError("the plan uses a YAML alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # pyright: ignore[reportUnknownMemberType]  # PyYAML's types are partial
        for key in keys:
            if keys.count(key) > 1:
                raise PlanFileError(f"the plan says {key!r} twice in one place")
        return super().construct_mapping(node, deep)


def parse_plan(content: bytes) -> PlanFile:
    """Raises PlanFileError, with the place that is wrong."""
    if len(content) > _MAX_BYTES:
        raise PlanFileError("the plan is longer than a plan is")
    try:
        document = yaml.load(content.decode("utf-8"), _Loader)  # noqa: S506  # a SafeLoader
        return msgspec.convert(document, PlanFile)
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError, RecursionError, TypeError) as error:
        raise PlanFileError(f"the plan: {error}") from None


def plan_hash(content: bytes) -> str:
    """SHA-256 of the file as it is, hex: sha256sum says the same."""
    return hashlib.sha256(content).hexdigest()


def genesis_plan(
    file: PlanFile, folder: Path, *, passphrase: Passphrase, hand_out: HandOut, read_public: ReadPublic
) -> GenesisPlan:
    """What the file says, with its officers' keys read. `folder`: what relative paths start from.

    Raises PlanFileError.
    """
    place = partial(_place, folder)
    online, escrow = file.tokens.online, file.tokens.escrow
    return GenesisPlan(
        online=_token(online, folder),
        escrow=_token(escrow, folder),
        online_pin_file=place(online.pin_file),
        ceremony_dir=place(file.ceremony_folder),
        officers_dir=place(file.key_files_folder),
        officers=tuple(_officer(each, folder, passphrase, read_public) for each in file.officers),
        hand_out=hand_out,
        threshold=file.quorum.base,
        disclosure=file.quorum.disclosure,
        floors=file.floors,
        sheets=file.break_glass.sheets,
        sheets_threshold=file.break_glass.threshold,
    )


def describe(file: PlanFile, plan: GenesisPlan) -> list[str]:
    """Exactly what would happen, a line for each thing, in its order."""
    made = [each.name for each in plan.officers if each.public is None]
    floors = msgspec.to_builtins(plan.floors)
    return [
        f"print {plan.sheets} break-glass sheets, of which {plan.sheets_threshold} suffice; nothing is kept",
        *(
            f"take over token {part.label} ({part.module}) with its transport PIN "
            f"{token.transport_so_pin}, which is removed"
            for part, token in ((file.tokens.escrow, plan.escrow), (file.tokens.online, plan.online))
        ),
        f"make escrow key 1 in {file.tokens.escrow.label}",
        f"make keys pepper, login, case, note, audit and manifest 1 in {file.tokens.online.label}",
        f"write the online token's PIN to {plan.online_pin_file}",
        *(_said_of(each, plan) for each in plan.officers),
        f"demand {plan.threshold} officers, for disclosures {plan.disclosure}",
        *(f"set floor {name}: {value}" for name, value in floors.items()),
        f"write the sealed shares of the escrow PIN to {plan.bundle}, and to the keys database",
        f"write key files for {', '.join(made)} to {plan.officers_dir}" if made else "write no key file",
        "sign manifest 1, and print its fingerprint",
    ]


def _said_of(officer: NewOfficer, plan: GenesisPlan) -> str:
    key = f"new key file {plan.key_file(officer.name)}"
    if officer.public is not None:
        key = f"own key {key_fingerprint(officer.public)}"  # which its owner reads to the reviewers
    accounts = ", ".join(map(str, officer.user_ids)) or "none"
    return f"name officer {officer.name}: {', '.join(officer.roles)}; own accounts: {accounts}; {key}"


def _place(folder: Path, path: str) -> Path:
    return folder / path  # an absolute one stays as it is


def _token(part: TokenPart, folder: Path) -> NewToken:
    conf = None if part.softhsm2_conf is None else _place(folder, part.softhsm2_conf)
    place = TokenPlace(Path(part.module), part.label, conf, _place(folder, part.state_dir))
    return NewToken(place, _place(folder, part.transport_so_pin_file))


def _officer(part: OfficerPart, folder: Path, passphrase: Passphrase, read_public: ReadPublic) -> NewOfficer:
    brings = part.public_key_file is not None
    if brings == part.make_key_file or brings != (part.sha256 is not None):
        raise PlanFileError(
            f"officer {part.name}: name public_key_file with its sha256, or say make_key_file: true"
        )
    if part.public_key_file is None:
        return NewOfficer(part.name, part.roles, part.user_ids, passphrase=passphrase(part.name))
    public = _read_public(_place(folder, part.public_key_file), part, read_public)
    return NewOfficer(part.name, part.roles, part.user_ids, public=public)


def _read_public(path: Path, part: OfficerPart, read_public: ReadPublic) -> Officer:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PlanFileError(f"officer {part.name}: {path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise PlanFileError(f"officer {part.name}: {path} is not the file whose sha256 was reviewed")
    try:
        return read_public(content, part.roles, part.user_ids)
    except InvalidInputError as error:
        raise PlanFileError(f"officer {part.name}: {path}: {error.detail}") from error
