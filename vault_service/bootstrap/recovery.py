"""An officers' host put together: what vaultctl recovery and officer work with, and the web console."""

import contextlib
from collections.abc import Generator

from vault_service.bootstrap.connections import connect, kms_client, missing
from vault_service.policy.load import load_policies
from vault_service.recovery.parts import RecoveryParts
from vault_service.settings import Settings


@contextlib.contextmanager
def officers_host(settings: Settings) -> Generator[RecoveryParts]:
    """The parts, for as long as they are used. Raises ConfigurationError on any other host."""
    section = settings.recovery
    if section is None:
        raise missing("recovery")
    policies = load_policies(settings.policies_dir, recovery=settings.recovery_policy)
    db = connect(section.database, size=2, name="recovery")
    kms = kms_client(section.kms)
    try:
        yield RecoveryParts(
            db=db,
            kms=kms,
            rules=policies.recovery,
            authority=policies.authority,
            fingerprint=settings.manifest_fingerprint,
            state_dir=section.state_dir,
        )
    finally:
        kms.close()
        db.close()
