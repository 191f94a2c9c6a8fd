"""What the officers' web console is put together from."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.domain.errors import ConfigurationError
from vault_service.policy.load import load_policies
from vault_service.policy.page_rules import ConsoleRule
from vault_service.policy.rotation_rules import Cryptoperiods
from vault_service.policy.rules import CollectionRule
from vault_service.recovery.parts import RecoveryParts
from vault_service.settings import Console, Settings, as_browsers_say, read_secret
from vault_service.settings import Database as Section
from vault_service.storage.dsn import read_dsn
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
    policies = load_policies(
        settings.policies_dir, recovery=settings.recovery_policy, pages=settings.pages_policy
    )
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


def check_console(settings: Settings) -> None:
    """Raise what `build_console` would, with no thread and no connection: for a process yet to fork."""
    section = settings.console
    if section is None:
        raise missing("console")
    check_origin(section)
    load_policies(settings.policies_dir, recovery=settings.recovery_policy, pages=settings.pages_policy)
    for database in (section.database, section.audit_keys, section.audit_records):
        if database is not None:
            read_dsn(database.dsn, "console")
            read_secret(database.password_file)
    kms_client(section.kms).close()


def check_origin(section: Console) -> None:
    """Whether browsers give passkeys to this origin, and are answered there. Raises ConfigurationError."""
    host, secure = section.rp_id, section.origin.startswith("https://")
    if (said := as_browsers_say(section.origin)) != section.origin:
        raise _no_origin(section, f"browsers send {said}, and no form would be accepted", f"Write {said}.")
    if _is_address(host):
        raise _no_origin(
            section,
            "passkeys are not made for an IP address",
            "Give the host a name; for trying out: localhost.",
        )
    if not secure and host != "localhost" and not host.endswith(".localhost"):
        # Secure Contexts, section 3.1: by clear text only localhost is one.
        raise _no_origin(
            section, "browsers have passkeys for https only", "Serve the console by TLS, and write https://."
        )
    if secure and section.tls is None and not section.tls_terminated_by_proxy:
        raise _no_origin(
            section, "nobody speaks TLS there",
            "Set console.tls, or console.tls_terminated_by_proxy if a proxy before it does.",
        )  # fmt: skip
    if not secure and section.tls is not None:
        raise _no_origin(section, "console.tls is set", "Write https://, or leave out console.tls.")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Browsers also take 127.1 and 2130706433 for addresses (URL, section 3.5, "ends in a number").
        return host.rpartition(".")[2].isdigit()
    return True


def _no_origin(section: Console, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"console.origin {section.origin}: {why}", remedy=remedy)
