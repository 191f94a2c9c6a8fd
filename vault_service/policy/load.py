"""Read policies/ into frozen objects; say exactly which line of which file is wrong."""

import ipaddress
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from vault_service.domain.errors import ConfigurationError
from vault_service.domain.recovery_errors import SeparationOfDutyError
from vault_service.policy.authority import Authority
from vault_service.policy.page_rules import PagePolicy
from vault_service.policy.recovery_rules import RecoveryPolicy
from vault_service.policy.rotation_rules import RotationPolicy
from vault_service.policy.rules import (
    AuditPolicy,
    CollectionRule,
    LimitPolicy,
    OutboundPolicy,
    PasswordPolicy,
    Policies,
    SessionPolicy,
)
from vault_service.policy.separation import missing_separation

_T = TypeVar("_T")


def _read(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path} is missing", remedy="Restore it from the project's policies/ folder."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {error.strerror}", remedy="Let this process's user read it, and reach its folder."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(
            f"{path}: {error}", remedy="Correct the file, then run vaultctl policy check."
        ) from error


def _load_outbound(path: Path) -> OutboundPolicy:
    outbound = _read(path, OutboundPolicy)
    for network in outbound.allow:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigurationError(
                f"{path}: {network!r} is no network: {error}", remedy='Write it like "10.1.2.0/24".'
            ) from error
    return outbound


def _load_authority(folder: Path) -> Authority:
    authority = Authority.load(folder)
    if missing := missing_separation(authority):
        raise SeparationOfDutyError(
            f"{folder / 'officers.cedar'}: the rule " + "; the rule ".join(map(str, missing))
        )
    return authority


def load_policies(folder: Path, *, recovery: Path | None = None, pages: Path | None = None) -> Policies:
    """Every policy, validated against the floors in code.

    `recovery`, `pages`: instead of the folder's recovery.toml and pages.toml.

    Raises ConfigurationError with the file and the field that is wrong.
    """
    collections = _read(folder / "collections.toml", dict[str, CollectionRule])
    if "free" not in collections:
        raise ConfigurationError(
            f"{folder / 'collections.toml'}: no [free] section", remedy="Say which fields can be searched."
        )
    for name, rule in collections.items():
        unknown = set(rule.searchable).difference(rule.fields)
        if rule.fields and unknown:
            raise ConfigurationError(
                f"{folder / 'collections.toml'}: [{name}] searches unknown fields {sorted(unknown)}",
                remedy="Name them under fields as well.",
            )
    passwords = _read(folder / "passwords.toml", PasswordPolicy)
    if passwords.argon2_work.memory_budget_kib < passwords.argon2id.memory_kib:
        raise ConfigurationError(
            f"{folder / 'passwords.toml'}: memory_budget_kib is below memory_kib: nobody could sign in",
            remedy="Set memory_budget_kib to memory_kib for each sign-in at a time.",
        )
    return Policies(
        passwords=passwords,
        limits=_read(folder / "limits.toml", LimitPolicy),
        sessions=_read(folder / "sessions.toml", SessionPolicy),
        collections=collections,
        audit=_read(folder / "audit.toml", AuditPolicy),
        outbound=_load_outbound(folder / "outbound.toml"),
        recovery=_read(recovery or folder / "recovery.toml", RecoveryPolicy),
        rotation=_read(folder / "rotation.toml", RotationPolicy),
        pages=_read(pages or folder / "pages.toml", PagePolicy),
        authority=_load_authority(folder),
    )
