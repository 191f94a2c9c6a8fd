"""Which answer belongs to which request of a recovery; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request

ANSWERS: dict[type[Request], type[Answer]] = {}
