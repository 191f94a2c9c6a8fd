"""Which function answers which request about rotation; a part of dispatch.py."""

from collections.abc import Callable
from typing import Any

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    FinishRotation,
    PauseRotation,
    ResumeRotation,
    RotationStatus,
    StartRotation,
)
from vault_service.kms.rotations import (
    finish_rotation,
    pause_rotation,
    resume_rotation,
    rotation_status,
    start_rotation,
)
from vault_service.kms.service import KeyService

HANDLERS: dict[type[Request], Callable[[KeyService, Any], Answer]] = {
    FinishRotation: finish_rotation,
    PauseRotation: pause_rotation,
    ResumeRotation: resume_rotation,
    RotationStatus: rotation_status,
    StartRotation: start_rotation,
}
