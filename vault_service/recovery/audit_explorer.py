"""Officers look into the audit logs: what they ask is an event itself, committed before anything is shown.

Whoever may see cases may see what was logged about one; the rest is for those whom the policy lets "audit".
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from vault_service.audit.export_source import Vault
from vault_service.audit.export_stream import stream_export
from vault_service.audit.key_file import key_file
from vault_service.audit.proof import Proof, prove_event
from vault_service.audit.search import Answer, Question, Seen, look_at, search
from vault_service.domain.errors import NotFoundError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId, UserId
from vault_service.domain.logs import LOGS, LogName
from vault_service.recovery.acting import Acting
from vault_service.recovery.looking import demand_may_look
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.pool import Database

PATIENCE_S = 5.0
"""How long a download waits for a head that has everything until now."""


@dataclass(frozen=True, slots=True)
class AuditParts:
    """The logs that this host may look into."""

    databases: Mapping[LogName, Database]  # as the auditors' roles
    cosigners: tuple[str, ...]  # verifier keys of those who cosign heads


def find(parts: RecoveryParts, audit: AuditParts, acting: Acting, question: Question, cursor: str) -> Answer:
    """A page of events. Raises NotPermittedError, InvalidInputError, DatabaseUnavailableError."""
    demand_may_look(parts, acting, "audit" if question.case is None else "list")
    _record(parts, acting, KeysEvent.AUDIT_SEARCHED, question.digest(), question.user)
    return search(audit.databases, question, cursor)


def show(
    parts: RecoveryParts, audit: AuditParts, acting: Acting, log: LogName, user: UUID, event: UUID
) -> tuple[Seen, ...]:
    """The event, first as this log has it, then as the other one does, if it does.

    Raises NotPermittedError, NotFoundError, DatabaseUnavailableError.
    """
    demand_may_look(parts, acting, "audit")
    _record(parts, acting, KeysEvent.AUDIT_SEARCHED, _digest(log, user, event), user)
    found = look_at(audit.databases, user, event)
    if log not in {each.log for each in found}:
        raise NotFoundError("there is no such event in this log")
    return tuple(sorted(found, key=lambda each: each.log != log))


def prove(
    parts: RecoveryParts, audit: AuditParts, acting: Acting, log: LogName, user: UUID, event: UUID
) -> Proof:
    """The proof that it stands in the sealed log.

    Raises NotPermittedError, NotFoundError, NotSealedYetError, IntegrityError, DatabaseUnavailableError.
    """
    demand_may_look(parts, acting, "audit")
    _record(parts, acting, KeysEvent.AUDIT_SEARCHED, _digest(log, user, event), user)
    if log not in audit.databases:
        raise NotFoundError(f"this host does not look into the {log} log")
    return prove_event(audit.databases[log], log, user, event, keys(parts, audit))


def export(parts: RecoveryParts, audit: AuditParts, acting: Acting) -> Iterator[bytes]:
    """Both logs, as far as this host sees them, as a ZIP archive; see audit/export_stream.py.

    Raises NotPermittedError, NoCheckpointError, DatabaseUnavailableError before the first piece.
    """
    demand_may_look(parts, acting, "audit")
    logs = ",".join(log for log in LOGS if log in audit.databases)
    _record(parts, acting, KeysEvent.AUDIT_EXPORTED, hashlib.sha256(logs.encode()).digest())
    vault = Vault(dict(audit.databases), parts.fingerprint, audit.cosigners, keys(parts, audit))
    return stream_export(vault, PATIENCE_S)


def keys(parts: RecoveryParts, audit: AuditParts) -> str:
    """audit.vkey, from the manifests that this host believes. Raises ManifestError."""
    return key_file(parts.db.run(load_chain), fingerprint=parts.fingerprint, cosigners=audit.cosigners)


def _record(
    parts: RecoveryParts, acting: Acting, kind: KeysEvent, digest: bytes, user: UUID | None = None
) -> None:
    with parts.db.transaction() as conn:
        insert_event(
            conn, kind, parts.now(), digest=digest, user=NOBODY if user is None else UserId(user),
            officer=OfficerId(acting.officer.officer_id),
        )  # fmt: skip


def _digest(log: LogName, user: UUID, event: UUID) -> bytes:
    return hashlib.sha256(f"{log} {user} {event}".encode()).digest()
