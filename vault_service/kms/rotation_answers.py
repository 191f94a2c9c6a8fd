"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CountOldCosts,
    CreateKey,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    OldCosts,
    RewrapBatch,
    TakeCensus,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    CountOldCosts: OldCosts,
    CreateKey: GenerationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    RewrapBatch: BatchRewrapped,
    TakeCensus: CensusIs,
}
