"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.census import take_census
from vault_service.kms.generations import create_key, list_generations, make_key_current
from vault_service.kms.message_base import Answer, Request
from vault_service.kms.old_costs import count_old_costs
from vault_service.kms.rewrap import rewrap_batch
from vault_service.kms.rotation_messages import (
    CountOldCosts,
    CreateKey,
    ListGenerations,
    MakeKeyCurrent,
    RewrapBatch,
    TakeCensus,
)
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    CountOldCosts: count_old_costs,
    CreateKey: create_key,
    ListGenerations: list_generations,
    MakeKeyCurrent: make_key_current,
    RewrapBatch: rewrap_batch,
    TakeCensus: take_census,
}
