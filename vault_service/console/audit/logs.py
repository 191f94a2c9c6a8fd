"""What several pages of the audit explorer need: the logs of this host, officers' names, kinds by name."""

from collections.abc import Mapping

from vault_service.audit.search import KINDS
from vault_service.audit.siem.mapping import KEYS, RECORDS
from vault_service.console.services import Services
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.logs import BY_NAME, LOGS, LogName
from vault_service.recovery.acting import Acting
from vault_service.recovery.audit_explorer import AuditParts
from vault_service.storage.pool import Database
from vault_service.web.texts import mark


def audit_parts(services: Services) -> AuditParts:
    """The logs that this host may look into."""
    databases: dict[LogName, Database] = {}
    if services.audit_keys is not None:
        databases["keys"] = services.audit_keys
    if services.audit_records is not None:
        databases["records"] = services.audit_records
    return AuditParts(databases, services.cosigners)


def missing(audit: AuditParts) -> list[LogName]:
    """Those that it may not: the pages say so."""
    return [log for log in LOGS if log not in audit.databases]


LABELS: Mapping[str, str] = {
    "app_id": mark("App"),
    "case_id": mark("Case"),
    "digest": mark("Digest (SHA-256)"),
    "epoch": mark("Number of the password"),
    "login_index": mark("Login, as an HMAC that only the token can make"),
    "n": mark("How many"),
    "officer_id": mark("Officer"),
    "record_id": mark("Record"),
    "session_id": mark("Session"),
    "unlock_id": mark("Sign-in"),
}
"""What the members of an entry are called."""


def officers(acting: Acting) -> dict[str, str]:
    """Everybody who is or was an officer, by id; the newest name counts."""
    return {
        str(officer.officer_id): officer.name
        for manifest in acting.trusted.history()
        for officer in manifest.officers
    }


def kind_of(name: str) -> KeysEvent | RecordsEvent | None:
    """`keys.unlocked` and so on; None for no kind of that name."""
    named, _, kind = name.partition(".")
    log = BY_NAME.get(named)
    return KINDS[log].__members__.get(kind.upper()) if log is not None and kind.islower() else None


def kinds() -> dict[LogName, list[tuple[str, str]]]:
    """Name and English sentence of each, by log, as a list to choose from."""
    return {
        "keys": sorted(
            ((f"keys.{kind.name.lower()}", shape.message) for kind, shape in KEYS.items()), key=_text
        ),
        "records": sorted(
            ((f"records.{kind.name.lower()}", shape.message) for kind, shape in RECORDS.items()), key=_text
        ),
    }


def _text(choice: tuple[str, str]) -> str:
    return choice[1]
