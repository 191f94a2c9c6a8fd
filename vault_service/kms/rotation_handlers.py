"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.census import take_census
from vault_service.kms.generations import create_key, list_generations, make_key_current
from vault_service.kms.message_base import Answer, Request
from vault_service.kms.retire import destroy_key, retire_key
from vault_service.kms.rewrap import rewrap_batch
from vault_service.kms.rotation_messages import (
    CreateKey,
    DestroyKey,
    ListGenerations,
    MakeKeyCurrent,
    ReportVerified,
    RetireKey,
    RewrapBatch,
    TakeCensus,
    VerifyWraps,
)
from vault_service.kms.service import KeyService
from vault_service.kms.verify_wraps import report_verified, verify_wraps

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    CreateKey: create_key,
    DestroyKey: destroy_key,
    ListGenerations: list_generations,
    MakeKeyCurrent: make_key_current,
    ReportVerified: report_verified,
    RewrapBatch: rewrap_batch,
    RetireKey: retire_key,
    TakeCensus: take_census,
    VerifyWraps: verify_wraps,
}
