"""Is the vault truly usable: token, both databases, both trails, the manifest; each really tried."""

from concurrent.futures import ThreadPoolExecutor

from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import VaultError
from vault_service.kms.protocol.messages import Health, HealthIs
from vault_service.storage.records.events import check_writable


def readiness(parts: AccountParts) -> dict[str, str]:
    """Each part by name: "ok", or the code of what is wrong. No secrets, no addresses."""
    with ThreadPoolExecutor(1) as beside:  # both sides may hang, each for as long as its limits allow
        keys_side = beside.submit(_keys_side, parts)
        records_side = _records_side(parts)
        return keys_side.result() | records_side


def _keys_side(parts: AccountParts) -> dict[str, str]:
    try:
        health = parts.kms.call(Health(), HealthIs)
    except VaultError as error:
        return {"kms": error.code}
    return {
        "kms": "ok",
        "token": health.token,
        "manifest": health.manifest,
        "keys_database": health.database,
        "keys_audit": health.audit,
    }


def _records_side(parts: AccountParts) -> dict[str, str]:
    try:
        parts.db.ping()
    except VaultError as error:
        return {"records_database": error.code, "records_audit": error.code}
    try:
        check_writable(parts.db)
    except VaultError as error:
        return {"records_database": "ok", "records_audit": error.code}
    return {"records_database": "ok", "records_audit": "ok"}
