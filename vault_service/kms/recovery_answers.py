"""Which answer belongs to which request of a recovery; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Done, Request
from vault_service.kms.recovery_messages import (
    CeremonyOpened,
    CloseCeremony,
    CompleteCase,
    DoneCase,
    OpenCeremony,
    Peel,
    Peeled,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    OpenCeremony: CeremonyOpened,
    Peel: Peeled,
    CompleteCase: DoneCase,
    CloseCeremony: Done,
}
