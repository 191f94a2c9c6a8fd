"""Destroy in the escrow token what the manifest calls destroyed, once the token is open anyway.

That no wrap needs it was counted under a lock when the manifest was signed, and since then the database takes
no wrap to it. The event stands before the key goes: whoever dies in between leaves one event too many and not
one too few, and the next ceremony destroys the key, with another event.
"""

import hashlib

import structlog

from vault_service.ceremony.escrow_token import EscrowToken
from vault_service.ceremony.parts import CeremonyParts
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest
from vault_service.storage.keys.events import insert_event

_log = structlog.get_logger("ceremony")


def destroy_gone(parts: CeremonyParts, token: EscrowToken, manifest: Manifest) -> None:
    """Never raises for a key: the PIN has to be replaced all the same, and the next ceremony tries again."""
    for key in manifest.keys.escrow:
        label, point = f"escrow/{key.gen}", bytes.fromhex(key.public_key)
        if key.state != "destroyed" or not token.has_key(label):
            continue
        try:
            with parts.db.transaction() as conn:
                now = parts.now()
                insert_event(conn, KeysEvent.KEY_DESTROYED, now, digest=hashlib.sha256(point).digest())
            token.destroy_escrow_key(label, point)
        except VaultError as error:
            _log.error("ceremony.key_not_destroyed", part=label, code=error.code)
        else:
            _log.info("ceremony.key_destroyed", part=label)
