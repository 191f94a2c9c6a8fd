"""Is the vault truly usable: token, both databases, both trails, the manifest; each really tried."""

from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import VaultError
from vault_service.kms.messages import Health, HealthIs
from vault_service.storage.records.events import check_writable


def readiness(parts: AccountParts) -> dict[str, str]:
    """Each part by name: "ok", or the code of what is wrong. No secrets, no addresses."""
    states: dict[str, str] = {}
    try:
        health = parts.kms.call(Health(), HealthIs)
        states = {
            "kms": "ok",
            "token": health.token,
            "manifest": health.manifest,
            "keys_database": health.database,
            "keys_audit": health.audit,
        }
    except VaultError as error:
        states["kms"] = error.code
    for part, attempt in (
        ("records_database", parts.db.ping),
        ("records_audit", lambda: check_writable(parts.db)),
    ):
        try:
            attempt()
            states[part] = "ok"
        except VaultError as error:
            states[part] = error.code
    return states
