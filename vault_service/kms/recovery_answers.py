"""Which answer belongs to which request of a recovery; a part of the interface in messages.py."""

from vault_service.kms.message_base import Answer, Request
from vault_service.kms.recovery_messages import (
    Changes,
    ChangesSince,
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)

ANSWERS: dict[type[Request], type[Answer]] = {
    ChangesSince: Changes,
    CreateRecoveryCode: RecoveryCodeIs,
    RedeemRecoveryCode: CodeRedeemed,
}
