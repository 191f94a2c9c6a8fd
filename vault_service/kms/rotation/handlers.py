"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.protocol.message_base import Answer, Request
from vault_service.kms.protocol.rotation_messages import (
    AddDataKey,
    CountOldCosts,
    CreateKey,
    DemandDataKeys,
    DestroyKey,
    DropDataKey,
    FinishRotation,
    ListGenerations,
    MakeKeyCurrent,
    OthersInUse,
    PauseRotation,
    ReportVerified,
    ResumeRotation,
    RetireKey,
    RewrapBatch,
    RewrapEscrow,
    RotationStatus,
    StartRotation,
    TakeCensus,
    VerifyWraps,
)
from vault_service.kms.rotation.census import take_census
from vault_service.kms.rotation.generations import list_generations
from vault_service.kms.rotation.old_costs import count_old_costs
from vault_service.kms.rotation.others_in_use import others_in_use
from vault_service.kms.rotation.retire import destroy_key, retire_key
from vault_service.kms.rotation.rewrap import rewrap_batch
from vault_service.kms.rotation.rewrap_escrow import rewrap_escrow
from vault_service.kms.rotation.rotations import (
    finish_rotation,
    pause_rotation,
    resume_rotation,
    rotation_status,
    start_rotation,
)
from vault_service.kms.rotation.scheduled import create_key_for, make_key_current_for
from vault_service.kms.rotation.verify_wraps import report_verified, verify_wraps
from vault_service.kms.service import KeyService
from vault_service.kms.users import data_keys

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    AddDataKey: data_keys.add_data_key,
    CountOldCosts: count_old_costs,
    DemandDataKeys: data_keys.demand,
    DestroyKey: destroy_key,
    DropDataKey: data_keys.drop_data_key,
    FinishRotation: finish_rotation,
    ListGenerations: list_generations,
    OthersInUse: others_in_use,
    PauseRotation: pause_rotation,
    ReportVerified: report_verified,
    ResumeRotation: resume_rotation,
    RetireKey: retire_key,
    RewrapBatch: rewrap_batch,
    RewrapEscrow: rewrap_escrow,
    RotationStatus: rotation_status,
    StartRotation: start_rotation,
    TakeCensus: take_census,
    VerifyWraps: verify_wraps,
}
ROLE_HANDLERS: dict[type[Request], Callable[[KeyService, str, Any], Answer]] = {
    CreateKey: create_key_for,
    MakeKeyCurrent: make_key_current_for,
}
