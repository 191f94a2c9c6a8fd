"""Raise the Argon2 cost of a password wrap at the sign-in, the one moment when the password is there."""

import structlog

from vault_service.crypto.dek import Dek
from vault_service.domain.errors import ConcurrentChangeError, UnavailableError
from vault_service.domain.events import KeysEvent
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.old_costs import replace_wrap
from vault_service.storage.keys.users import UserRow

_log = structlog.get_logger("kms")


def raise_cost(service: KeyService, row: UserRow, dek: Dek, password: str) -> None:
    """Wrap the DEK again at the policy's cost, if the wrap's is below it; never the other way round.

    Epoch, credential and recovery code stay as they are, and so do all sessions. Whoever changed the wrap
    meanwhile has the last word. At most one Argon2, out of memory that nobody waits for: a sign-in neither
    fails nor waits for it, and the next one tries again.
    """
    cost = service.policies.passwords.argon2id.params()
    old = row.credential
    if old.regain is not None or not old.kdf.is_below(cost):
        return
    try:
        manifest = service.manifests.current()
        new = service.wraps.seal_password(
            dek, password, epoch=old.epoch, login=login_of(row), kdf=cost, pepper_gen=manifest.pepper_gen,
            wait=False,
        )  # fmt: skip
        with service.db.transaction() as conn:
            if replace_wrap(conn, row.user, old, new):
                insert_event(
                    conn, KeysEvent.PASSWORD_REWRAPPED, service.now(), user=row.user, epoch=old.epoch
                )
    except (UnavailableError, ConcurrentChangeError) as error:
        _log.info("unlock.cost_not_raised", code=error.code)
