"""A key service whose policy demands another Argon2 cost than the vault's."""

from dataclasses import replace

import msgspec

from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams
from vault_service.kms.service import KeyService


def demanding(service: KeyService, cost: KdfParams) -> KeyService:
    """The same parts; what it counts of Argon2 begins anew."""
    passwords = service.policies.passwords
    rule = msgspec.structs.replace(passwords.argon2id, memory_kib=cost.memory_kib, iterations=cost.iterations)
    passwords = msgspec.structs.replace(passwords, argon2id=rule)
    return replace(
        service,
        policies=msgspec.structs.replace(service.policies, passwords=passwords),
        argon2=Argon2(budget_kib=4 * cost.memory_kib, queue_wait_s=20),
    )
