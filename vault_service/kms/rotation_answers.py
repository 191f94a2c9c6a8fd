"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CountOldCosts,
    CreateKey,
    DestroyKey,
    FinishRotation,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    OldCosts,
    OthersInUse,
    OthersInUseAre,
    PauseRotation,
    ResumeRotation,
    RetireKey,
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
    DestroyKey: GenerationIs,
    FinishRotation: RotationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    OthersInUse: OthersInUseAre,
    PauseRotation: RotationIs,
    ResumeRotation: RotationIs,
    RetireKey: GenerationIs,
    RewrapBatch: BatchRewrapped,
    RotationStatus: RotationsAre,
    StartRotation: RotationIs,
    TakeCensus: CensusIs,
}
