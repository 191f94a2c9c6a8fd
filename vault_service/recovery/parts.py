"""What the officers' use cases are put together from: for vaultctl, and for the web console."""

from dataclasses import dataclass
from pathlib import Path

from vault_service.domain.clock import Clock, utc_now
from vault_service.kms.client import KmsClient
from vault_service.policy.authority import Authority
from vault_service.policy.recovery_rules import RecoveryPolicy
from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class RecoveryParts:
    """An officers' host."""

    db: Database  # role vault_recovery
    kms: KmsClient  # as the caller console
    rules: RecoveryPolicy
    authority: Authority
    fingerprint: str  # as the settings pin it; each officer's key file must say the same
    state_dir: Path  # the highest manifest serial seen, sealed shares that were kept
    now: Clock = utc_now
