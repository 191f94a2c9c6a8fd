"""What a quorum's new manifest does to the generations of the escrow key, which officers alone decide on."""

from datetime import datetime

from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest, State
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.kms.rotation.census import needed_by
from vault_service.kms.rotation.online_keys import fingerprint
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event
from vault_service.storage.pool import Conn

_EVENTS: dict[State, KeysEvent] = {
    "current": KeysEvent.KEY_MADE_CURRENT, "destroyed": KeysEvent.KEY_RETIRED,
}  # fmt: skip


def demand_unneeded(service: KeyService, newest: Manifest, candidate: Manifest) -> None:
    """No wrap is on an escrow key that a proposal calls destroyed, as it stands now.

    Counted once more under a lock when the manifest is signed. Raises GenerationNeededError.
    """
    with service.db.transaction() as conn:
        for gen in _newly(newest, candidate, "destroyed"):
            if needed := needed_by(service, conn, "escrow", gen):
                counts = ", ".join(f"{number} {what}" for what, number in needed)
                raise GenerationNeededError(f"escrow key {gen} is needed by {counts}")


def tell_changes(conn: Conn, newest: Manifest, candidate: Manifest, now: datetime) -> None:
    """An event for each escrow key that a quorum made current or gave up, with its fingerprint."""
    prints = {key.gen: bytes.fromhex(fingerprint(key)) for key in candidate.keys.escrow}
    for state, event in _EVENTS.items():
        for gen in _newly(newest, candidate, state):
            insert_event(conn, event, now, digest=prints[gen])


def _newly(newest: Manifest, candidate: Manifest, state: State) -> tuple[int, ...]:
    """Generations of the escrow key that come to this state."""
    before = {key.gen for key in newest.keys.escrow if key.state == state}
    return tuple(key.gen for key in candidate.keys.escrow if key.state == state and key.gen not in before)
