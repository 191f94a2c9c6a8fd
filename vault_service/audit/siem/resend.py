"""Have a receiver get events again: its place in the log is moved back, and the log itself is the queue.

All from the new place on comes again, under the ids that it came with: a receiver that has some of it can
tell. The key service writes an operator's wish into the trail first; a crash after that leaves an event
and a receiver that stands where it stood, and the same may be asked for again.
"""

from dataclasses import dataclass

from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.logs import LogName
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Done, SendEventsAgain
from vault_service.storage.audit.outbox import first_refused, list_receivers, move_back
from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class SentAgain:
    """What comes again."""

    first: int  # leaf index, from 0
    events: int  # from there to where the receiver stood
    dead_letters: int  # of them, set aside before


def send_again(db: Database, kms: KmsClient, log: LogName, receiver: str, first: int | None) -> SentAgain:
    """`db`: as the worker of that log; `first`: None for the oldest event that the receiver refused.

    Raises NotFoundError for a receiver that the log does not know; InvalidInputError for a place that it has
    not come to yet, or for none where it refused nothing.
    """
    with db.connection() as conn:
        stands = {each.receiver: each.next_index for each in list_receivers(conn)}.get(receiver)
        refused = first_refused(conn, receiver)
    if stands is None:
        raise NotFoundError(f"the {log} log has no receiver {receiver}")
    if first is None:
        if refused is None:
            raise InvalidInputError("from", f"{receiver} has refused no event: say where to begin")
        first = refused
    if first >= stands:
        raise InvalidInputError("from", f"{receiver} stands at {stands}, and is never moved forward")
    kms.call(SendEventsAgain(log, receiver, first), Done)
    with db.transaction() as conn:
        dropped = move_back(conn, receiver, first)
    return SentAgain(first, stands - first, dropped)
