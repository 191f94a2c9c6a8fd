"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    FinishRotation,
    PauseRotation,
    ResumeRotation,
    RotationIs,
    RotationsAre,
    RotationStatus,
    StartRotation,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    FinishRotation: RotationIs,
    PauseRotation: RotationIs,
    ResumeRotation: RotationIs,
    RotationStatus: RotationsAre,
    StartRotation: RotationIs,
}
