"""Whether the parts of the vault can be used, as far as an officers' host sees it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from vault_service.domain.alerts import Alert
from vault_service.domain.errors import VaultError
from vault_service.domain.logs import LogName
from vault_service.kms.protocol.messages import Health, HealthIs, LogSealing
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.audit.checkpoints import Backlog, Saved, backlog, newest_checkpoint
from vault_service.storage.audit.outbox import ReceiverState, list_receivers
from vault_service.storage.pool import Conn, Database

_SILENT_S = 60.0  # a worker reports every few seconds
_BEHIND = timedelta(minutes=10)

Part = Literal["token", "database", "audit", "manifest", "sealing"]


@dataclass(frozen=True, slots=True)
class LogState:
    """One log as an auditor's role sees it."""

    log: LogName
    checkpoint: Saved | None
    waiting: Backlog
    receivers: tuple[ReceiverState, ...]


@dataclass(frozen=True, slots=True)
class LogSeen:
    """What can be said of one log."""

    log: LogName
    state: LogState | None
    error: VaultError | None  # None and no state: this host has no way to it


@dataclass(frozen=True, slots=True)
class SystemHealth:
    """All of it."""

    parts: dict[Part, str]  # "ok" or the code of what is wrong; empty: the key service does not answer
    key_service: VaultError | None
    sealing: tuple[LogSealing, ...]
    logs: tuple[LogSeen, ...]
    at: datetime


def system_health(
    parts: RecoveryParts, audit_keys: Database | None, audit_records: Database | None
) -> SystemHealth:
    """Each part is really asked; what is away is told, and not raised."""
    said: HealthIs | None = None
    away: VaultError | None = None
    try:
        said = parts.kms.call(Health(), HealthIs)
    except VaultError as error:
        away = error
    found: dict[Part, str] = {}
    if said is not None:
        found = {
            "token": said.token, "database": said.database, "audit": said.audit,
            "manifest": said.manifest, "sealing": said.sealing,
        }  # fmt: skip
    logs = (_log("keys", audit_keys), _log("records", audit_records))
    return SystemHealth(found, away, said.logs if said else (), logs, parts.now())


def _log(log: LogName, db: Database | None) -> LogSeen:
    if db is None:
        return LogSeen(log, None, None)

    def read(conn: Conn) -> LogState:
        return LogState(log, newest_checkpoint(conn), backlog(conn), list_receivers(conn))

    return _seen(log, db, read)


def _seen(log: LogName, db: Database, read: Callable[[Conn], LogState]) -> LogSeen:
    try:
        with db.connection() as conn:
            return LogSeen(log, read(conn), None)
    except VaultError as error:
        return LogSeen(log, None, error)


def health_alerts(health: SystemHealth) -> Iterable[Alert]:
    """What is broken, and what cannot be seen from here."""
    if health.key_service is not None:
        yield Alert("key-service-away", "now", health.key_service.code)
    for part, state in health.parts.items():
        if state != "ok":
            yield Alert("part-broken", "now", f"{part}: {state}")
    for sealing in health.sealing:
        if sealing.reported_s_ago is None or sealing.reported_s_ago > _SILENT_S:
            yield Alert("log-unsealed", "now", sealing.log, n=sealing.unsealed)
    for seen in health.logs:
        if seen.state is None:
            yield Alert("log-unseen", "note" if seen.error is None else "now", seen.log)
            continue
        for receiver in seen.state.receivers:
            late = receiver.behind and health.at - receiver.updated_at > _BEHIND
            if receiver.failures or receiver.dead_letters or late:
                yield Alert(
                    "receiver-behind", "soon", receiver.receiver, n=receiver.behind, of=receiver.dead_letters
                )
