"""An operator has events of a log sent again: the trail says so before it is done.

The place of a receiver is the worker's, in its own side's database; the key service only writes down what
an operator is about to do with it, in the keys trail, where no worker writes.
"""

import hashlib

import rfc8785

from vault_service.domain.events import KeysEvent
from vault_service.kms.protocol.messages import Done, SendEventsAgain
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event


def send_events_again(service: KeyService, request: SendEventsAgain) -> Done:
    """Raises DatabaseUnavailableError: then nothing may be sent again."""
    with service.db.transaction() as conn:
        insert_event(conn, KeysEvent.EVENTS_SENT_AGAIN, service.now(), digest=digest_of(request))
    return Done()


def digest_of(request: SendEventsAgain) -> bytes:
    """SHA-256 of {first, log, receiver} as canonical JSON (RFC 8785), which knows no number beyond 2**53."""
    said = {"log": request.log, "receiver": request.receiver, "first": str(request.first)}
    return hashlib.sha256(rfc8785.dumps(said)).digest()
