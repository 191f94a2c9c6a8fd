"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    CensusIs,
    CreateKey,
    DestroyKey,
    EscrowRewrapped,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    RetireKey,
    RewrapEscrow,
    TakeCensus,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    CreateKey: GenerationIs,
    DestroyKey: GenerationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    RetireKey: GenerationIs,
    RewrapEscrow: EscrowRewrapped,
    TakeCensus: CensusIs,
}
