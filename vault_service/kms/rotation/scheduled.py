"""What the keys side's worker may do about keys by itself: what its schedule says, and no more.

Whoever has taken that worker over could make one generation after another current. A login's index is
computed under every live one at each sign-in, and no manifest ever leaves one out again. So the key service
judges by its own policy and clock: only kinds of a schedule that is switched on, and once a day each. An
operator is bound by neither.
"""

from datetime import datetime, timedelta

from vault_service.domain.rotation import OnlineKind
from vault_service.domain.rotation_errors import GenerationRefusedError
from vault_service.kms.protocol.rotation_messages import CreateKey, GenerationIs, MakeKeyCurrent
from vault_service.kms.rotation.generations import create_key, make_key_current, refusals_recorded, since
from vault_service.kms.rotation.online_keys import generations
from vault_service.kms.service import KeyService

WORKER = "worker_keys"
ONCE_IN = timedelta(days=1)


def create_key_for(service: KeyService, role: str, request: CreateKey) -> GenerationIs:
    """`create_key`, for whoever may. Raises GenerationRefusedError, with its event, and as that does."""
    if role == WORKER:
        _demand_scheduled(service, request.kind, None)
    return create_key(service, request)


def make_key_current_for(service: KeyService, role: str, request: MakeKeyCurrent) -> GenerationIs:
    """`make_key_current` likewise; for one that is current already it is the same answer again."""
    if role == WORKER:
        _demand_scheduled(service, request.kind, request.gen)
    return make_key_current(service, request)


def _demand_scheduled(service: KeyService, kind: OnlineKind, gen: int | None) -> None:
    rule = service.policies.rotation.schedule
    with refusals_recorded(service, kind, gen):
        if not rule.enabled or kind not in rule.kinds:
            raise GenerationRefusedError(f"no schedule of policies/rotation.toml is for the {kind} key")
        with service.db.connection() as conn:
            history = tuple(service.manifests.verified_chain(conn).history())
        keys = generations(history[-1].keys, kind)
        current = next(key.gen for key in keys if key.state == "current")
        if gen == current or current == min(key.gen for key in keys):  # the first one took nobody's place
            return
        if service.now() - datetime.fromisoformat(since(history, kind, current)) < ONCE_IN:
            raise GenerationRefusedError(f"a schedule replaces the {kind} key once a day at most")
