"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms import data_keys
from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import AddDataKey, DemandDataKeys, DropDataKey
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    AddDataKey: data_keys.add_data_key,
    DemandDataKeys: data_keys.demand,
    DropDataKey: data_keys.drop_data_key,
}
