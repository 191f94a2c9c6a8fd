"""What the officers' web console is put together from."""

from collections.abc import Mapping
from dataclasses import dataclass

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.policy.load import load_policies
from vault_service.policy.page_rules import ConsoleRule
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.policy.rules import CollectionRule
from vault_service.recovery.parts import RecoveryParts
from vault_service.settings import Console, Settings
from vault_service.settings import Database as Section
from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """The officers' use cases, and both logs to look at where this host may."""

    recovery: RecoveryParts
    rule: ConsoleRule
    collections: Mapping[str, CollectionRule]
    audit_keys: Database | None
    audit_records: Database | None
    periods: Cryptoperiods
    cosigners: tuple[str, ...]  # verifier keys of those who cosign the logs' heads


def build_console(settings: Settings) -> ConsoleParts:
    """Raises ConfigurationError."""
    section = settings.console
    if section is None:
        raise missing("console")
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    recovery = RecoveryParts(
        db=connect(section.database, size=section.threads + 1, name="console"),
        kms=kms_client(section.kms),
        rules=policies.recovery,
        authority=policies.authority,
        fingerprint=settings.manifest_fingerprint,
        state_dir=section.state_dir,
    )
    return ConsoleParts(
        recovery,
        policies.pages.console,
        policies.collections,
        _reader(section, section.audit_keys, "keys"),
        _reader(section, section.audit_records, "records"),
        policies.rotation.cryptoperiod_days,
        tuple(witness.vkey for witness in settings.witnesses),
    )


def _reader(section: Console, database: Section | None, side: str) -> Database | None:
    return None if database is None else connect(database, size=section.threads, name=f"audit {side}")
