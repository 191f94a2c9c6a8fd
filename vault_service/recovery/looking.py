"""Whether an officer may look at something that belongs to no case: the policy decides, a refusal is kept."""

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId
from vault_service.domain.recovery_errors import NotPermittedError
from vault_service.policy.authority import VaultAction
from vault_service.recovery.acting import Acting
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.events import insert_event


def may_look(parts: RecoveryParts, acting: Acting, action: VaultAction) -> bool:
    """Whether to show the way there; whoever goes is asked by `demand_may_look`."""
    return bool(parts.authority.rules_that_permit_in_general(acting.officer, action))


def demand_may_look(parts: RecoveryParts, acting: Acting, action: VaultAction) -> None:
    """Raises NotPermittedError, of which there is an event then; OfficerRefusedError for no officer."""
    officer = acting.officer
    try:
        parts.authority.demand_in_general(officer, action)
    except NotPermittedError:
        with parts.db.transaction() as conn:
            insert_event(conn, KeysEvent.OFFICER_REFUSED, parts.now(), officer=OfficerId(officer.officer_id))
        raise
