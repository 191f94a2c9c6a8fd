"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.others_in_use import others_in_use
from vault_service.kms.rotation_messages import OthersInUse
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    OthersInUse: others_in_use,
}
