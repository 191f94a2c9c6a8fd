"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CountOldCosts,
    CreateKey,
    FinishRotation,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    OldCosts,
    PauseRotation,
    ResumeRotation,
    RewrapBatch,
    RotationIs,
    RotationsAre,
    RotationStatus,
    StartRotation,
    TakeCensus,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    CountOldCosts: OldCosts,
    CreateKey: GenerationIs,
    FinishRotation: RotationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    PauseRotation: RotationIs,
    ResumeRotation: RotationIs,
    RewrapBatch: BatchRewrapped,
    RotationStatus: RotationsAre,
    StartRotation: RotationIs,
    TakeCensus: CensusIs,
}
