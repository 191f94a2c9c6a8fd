"""Let a log go on from an older database, in a way that stays visible in the log for ever.

The log begins a new generation, with an origin of its own: its first head must be an append of the tree
that was accepted, and no head of it can be passed off as one that goes on from what was given up. Each
head that was ever given up is named by an event behind that tree: an older database may have lost the
events that named earlier ones.
"""

from datetime import datetime

from vault_service.domain.audit_errors import RestoreRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.logs import LogName
from vault_service.kms.kept.head import NOTHING_SIGNED, Head
from vault_service.kms.kept.heads import Turn
from vault_service.kms.protocol.messages import AcceptRestore, LogHead, LogHeadIs
from vault_service.kms.sealing.sign_checkpoint import check_signed_here, log_head
from vault_service.kms.service import KeyService
from vault_service.storage.audit.restored import is_restore_told
from vault_service.storage.audit.tree import holds, root_at, tree_size
from vault_service.storage.keys.events import insert_digests
from vault_service.tlog.errors import ProofError
from vault_service.tlog.merkle import EMPTY_ROOT

_EVENTS: dict[LogName, KeysEvent] = {
    "keys": KeysEvent.LOG_RESTORED,
    "records": KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED,
}


def accept_restore(service: KeyService, request: AcceptRestore) -> LogHeadIs:
    """The new generation; asked again, the same one. Raises RestoreRefusedError, HeadsDisagreeError."""
    manifest = service.manifests.current()
    log, name, now = request.log, service.heads.name(request.log), service.now()
    accepted = Head(0, request.size, request.root, None)
    with service.heads.turn(log, now) as turn:
        last = turn.last
        if last.is_accepted_only and last.is_same_tree(accepted):
            # The same backup may have been put back once more, and have none of the events.
            if log == "keys" and not is_restore_told(turn.conn, last.size, _digests(turn, name, now)):
                _tell(turn, log, name, now)
            return log_head(service, LogHead(log))
        check_signed_here(manifest, name, last)
        _check_is_other(log, last, accepted)
        if log == "keys":
            _check_own_database(turn, last, accepted)
        _tell(turn, log, name, now)
        turn.begin_generation(request.size, request.root)
    service.sealing.begin_again(log)
    service.restored.check()
    return log_head(service, LogHead(log))


def _tell(turn: Turn, log: LogName, name: str, now: datetime) -> None:
    insert_digests(turn.conn, _EVENTS[log], now, _digests(turn, name, now))


def _digests(turn: Turn, name: str, now: datetime) -> tuple[bytes, ...]:
    return tuple(head.digest(name) for head in turn.give_up(now))


def _check_is_other(log: LogName, last: Head, accepted: Head) -> None:
    """The records database is not seen from here: of one that has grown since, the operator is believed."""
    if last == NOTHING_SIGNED:
        raise RestoreRefusedError(f"nothing of the {log} log was signed yet")
    if last.is_same_tree(accepted):
        raise RestoreRefusedError(f"this is the head of the {log} log that was signed last")
    if accepted.size == 0 and accepted.root != EMPTY_ROOT:
        raise RestoreRefusedError("this is no root of an empty log")


def _check_own_database(turn: Turn, last: Head, accepted: Head) -> None:
    """Only what is really there is accepted, and only if it is really behind."""
    if holds(turn.conn, last.size, last.root):
        raise RestoreRefusedError("the keys database holds the last head that was signed: it is not older")
    size = tree_size(turn.conn)
    try:
        root = root_at(turn.conn, size)
    except ProofError as error:
        raise RestoreRefusedError(f"the keys database's tree is damaged: {error}") from error
    if (size, root) != (accepted.size, accepted.root):
        raise RestoreRefusedError(f"the keys database has {size} leaves, and not the tree that was described")
