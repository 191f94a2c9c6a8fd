"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CountOldCosts,
    CreateKey,
    DestroyKey,
    EscrowRewrapped,
    FinishRotation,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    OldCosts,
    PauseRotation,
    ResumeRotation,
    RetireKey,
    RewrapBatch,
    RewrapEscrow,
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
    PauseRotation: RotationIs,
    ResumeRotation: RotationIs,
    RetireKey: GenerationIs,
    RewrapBatch: BatchRewrapped,
    RewrapEscrow: EscrowRewrapped,
    RotationStatus: RotationsAre,
    StartRotation: RotationIs,
    TakeCensus: CensusIs,
}
