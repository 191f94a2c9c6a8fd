"""Can the key service be used: each part is really tried."""

from collections.abc import Callable

from vault_service.domain.errors import VaultError
from vault_service.domain.ids import UserId
from vault_service.kms.protocol.messages import Epoch, EpochIs, Health, HealthIs
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import check_writable
from vault_service.storage.keys.users import find_epoch


def _state(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except VaultError as error:
        return error.code
    return "ok"


def health(service: KeyService, request: Health) -> HealthIs:
    """Each part: "ok" or the code of what is wrong."""
    del request
    database = _state(service.db.ping)
    return HealthIs(
        token=_state(service.keyring.token.ping),
        database=database,
        # Not waited for twice: who asks wants an answer within 2 s.
        audit=_state(lambda: _check_audit(service)) if database == "ok" else database,
        manifest=_state(service.manifests.current),
        sealing=_state(service.sealing.demand),
        logs=service.sealing.logs(),
    )


def _check_audit(service: KeyService) -> None:
    """The trail can be written, and goes on from what was signed."""
    service.restored.demand()
    check_writable(service.db)


def epoch(service: KeyService, request: Epoch) -> EpochIs:
    """A user's epoch, for those who finish what a crash left."""
    with service.db.connection() as conn:
        return EpochIs(find_epoch(conn, UserId(request.user_id)))
