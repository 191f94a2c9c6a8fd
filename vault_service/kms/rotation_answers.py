"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CreateKey,
    FinishRotation,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    OthersInUse,
    OthersInUseAre,
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
    CreateKey: GenerationIs,
    FinishRotation: RotationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    OthersInUse: OthersInUseAre,
    PauseRotation: RotationIs,
    ResumeRotation: RotationIs,
    RewrapBatch: BatchRewrapped,
    RotationStatus: RotationsAre,
    StartRotation: RotationIs,
    TakeCensus: CensusIs,
}
