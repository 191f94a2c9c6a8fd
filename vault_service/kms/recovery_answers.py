"""Which answer belongs to which request of a recovery; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Done, Request
from vault_service.kms.recovery_messages import (
    BeginRecovery,
    CancelRecovery,
    CaseOpened,
    CeremonyOpened,
    CloseCeremony,
    CompleteCase,
    DoneCase,
    FindUser,
    Identified,
    Identify,
    ManifestSigned,
    OpenCase,
    OpenCeremony,
    Peel,
    Peeled,
    RecoveryBegun,
    RecoveryStatus,
    RecoveryStatusIs,
    SignManifest,
    UserFound,
    VetoCase,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    OpenCeremony: CeremonyOpened,
    Peel: Peeled,
    CompleteCase: DoneCase,
    CloseCeremony: Done,
    BeginRecovery: RecoveryBegun,
    RecoveryStatus: RecoveryStatusIs,
    CancelRecovery: DoneCase,
    OpenCase: CaseOpened,
    Identify: Identified,
    FindUser: UserFound,
    VetoCase: DoneCase,
    SignManifest: ManifestSigned,
}
