"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rewrap_escrow import rewrap_escrow
from vault_service.kms.rotation_messages import RewrapEscrow
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    RewrapEscrow: rewrap_escrow,
}
