"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import EscrowRewrapped, RewrapEscrow

ANSWERS: dict[type[Request], type[Answer]] = {
    RewrapEscrow: EscrowRewrapped,
}
