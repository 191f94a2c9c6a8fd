"""A sign-in that raises the Argon2 cost of a password's wrap, in the vault of all flows."""

from tests.promises.flows import Life
from tests.rig.costs import demanding
from tests.rig.tokens import opened
from tests.rig.vault import PASSWORD, settings_of
from vault_service.bootstrap.kms import build_key_service
from vault_service.domain.contexts import KdfParams
from vault_service.domain.floors import KDF_FLOOR
from vault_service.kms.protocol.messages import Unlock
from vault_service.kms.users.unlock import unlock

_HIGHER = KdfParams(KDF_FLOOR.memory_kib, KDF_FLOOR.iterations + 1, KDF_FLOOR.lanes)


def raise_cost(life: Life) -> None:
    """At a key service whose policy demands more than the wrap was made with."""
    who, settings = life.somebody(), settings_of(life.vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    try:
        unlock(demanding(service, _HIGHER), Unlock(life.vault.app_key, who.login, PASSWORD))
    finally:
        service.db.close()
        service.keyring.token.close()
