"""Which answer belongs to which request about rotation; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.rotation_messages import (
    CensusIs,
    CreateKey,
    DestroyKey,
    GenerationIs,
    GenerationsAre,
    ListGenerations,
    MakeKeyCurrent,
    RetireKey,
    TakeCensus,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    CreateKey: GenerationIs,
    DestroyKey: GenerationIs,
    ListGenerations: GenerationsAre,
    MakeKeyCurrent: GenerationIs,
    RetireKey: GenerationIs,
    TakeCensus: CensusIs,
}
