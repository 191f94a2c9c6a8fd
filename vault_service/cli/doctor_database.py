"""`vaultctl doctor` on one database: can it be reached, is it the right one, with the right role."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from vault_service.bootstrap.connections import connect
from vault_service.cli.finding import Finding
from vault_service.domain.errors import ConfigurationError, SchemaNewerError, SchemaOutdatedError, VaultError
from vault_service.settings import Database, read_secret
from vault_service.storage.health import server_facts, why_not

MAX_CLOCK_SKEW_S = 5.0
_ROLES = {
    "kms": "vault_kms",
    "api": "vault_api",
    "worker_keys": "vault_worker_keys",
    "worker_records": "vault_worker_records",
    "recovery": "vault_recovery",
    "ceremony": "vault_ceremony",
    "ceremony.records": "vault_disclosure",
    "console": "vault_recovery",
    "console.audit_keys": "vault_auditor_keys",
    "console.audit_records": "vault_auditor_records",
    "audit.keys": "vault_auditor_keys",
    "audit.records": "vault_auditor_records",
}
"""Section of the settings -> the role that vaultctl init-server made for it."""


def examine_database(name: str, settings: Database) -> Iterator[Finding]:
    """`name`: of the section that knows it."""
    try:
        password = read_secret(settings.password_file)
    except ConfigurationError:
        return  # the password file's own finding says it
    check = f"{name}: database"
    try:
        db = connect(settings, size=1, name=name)
    except ConfigurationError as error:
        yield Finding(check, False, error.detail, error.remedy)
        return
    try:
        before = time.time()
        facts = server_facts(db)
        skew = abs((facts.now - datetime.fromtimestamp(before, UTC)).total_seconds())
    except (SchemaOutdatedError, SchemaNewerError) as error:
        yield Finding(check, False, error.detail, error.remedy.removeprefix("Tell the operator: "))
        return
    except VaultError as error:
        yield Finding(
            check, False, why_not(settings.dsn, password) or error.detail,
            "Start the server, or correct dsn or password_file; vaultctl init-server makes databases, roles "
            "and passwords.",
        )  # fmt: skip
        return
    finally:
        db.close()
    yield Finding(check, True, f"PostgreSQL {facts.version} as {facts.role}")
    if facts.version_number < 150000:
        yield Finding(f"{name}: version", False, facts.version, "Use PostgreSQL 15 or newer.")
    yield _role(name, facts.role, privileged=facts.superuser or facts.owns_tables)
    if skew > MAX_CLOCK_SKEW_S:
        yield Finding(
            f"{name}: clock", False, f"differs by {skew:.0f} s", "Run a time service on both hosts."
        )
    else:
        yield Finding(f"{name}: clock", True, "agrees with this host's")


def _role(name: str, role: str, *, privileged: bool) -> Finding:
    expected = _ROLES[name]
    if privileged:
        detail = f"{role} is a superuser or owns tables"
    elif role != expected:
        detail = f"{role} is another process's"
    else:
        return Finding(f"{name}: role", True, "least rights")
    return Finding(f"{name}: role", False, detail, f"Use {expected}, which vaultctl init-server has made.")
