"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.old_costs import count_old_costs
from vault_service.kms.rotation_messages import CountOldCosts
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    CountOldCosts: count_old_costs,
}
