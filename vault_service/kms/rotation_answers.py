"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Done, Request
from vault_service.kms.rotation_messages import (
    BatchRewrapped,
    CensusIs,
    CreateKey,
    DestroyKey,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    ReportVerified,
    RetireKey,
    RewrapBatch,
    TakeCensus,
    VerifyWraps,
    WrapsVerified,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    CreateKey: GenerationIs,
    DestroyKey: GenerationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    ReportVerified: Done,
    RewrapBatch: BatchRewrapped,
    RetireKey: GenerationIs,
    TakeCensus: CensusIs,
    VerifyWraps: WrapsVerified,
}
