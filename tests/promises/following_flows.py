"""What recovery leaves on the users' side, as flows: a code that was kept, and what officers did.

A part of flows.py. Officers' own flows are elsewhere; here the keys log already says what they did.
"""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING
from uuid import UUID

from tests.rig.leaves import plant, with_leaves
from tests.rig.vault import PASSWORD
from vault_service.accounts.follow import follow_keys
from vault_service.accounts.service import AccountParts
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent
from vault_service.settings import KmsClient as KmsClientSettings

if TYPE_CHECKING:
    from tests.promises.flows import Act, Life

NEW_PASSWORD = "nine lanterns behind the old mill"
_WRONG = "000G4-0R40M-30E20-9185G-R38E1-W"


def follow(life: "Life") -> None:
    """A turn of the records side's worker."""
    db = life.vault.records.open("vault_worker_records", size=2)
    with closing(db), closing(kms_client(KmsClientSettings(url=life.vault.socket("worker_records")))) as kms:
        follow_keys(AccountParts(db, kms, life.worker.parts.policies))


def followed(kind: KeysEvent, *, erased: bool = False) -> "Callable[[Life], Act]":
    """The keys log says it of somebody, and nothing that was there before is looked at again."""

    def begin(life: "Life") -> "Act":
        who = life.somebody()
        event = plant(life.vault.keys, kind, who.user, digest=b"\xd1" * 32)
        if erased:
            with life.vault.keys.superuser() as conn, conn.transaction():
                for table in ("recovery_codes", "credentials", "escrow_wraps", "deks", "logins", "users"):
                    conn.execute(f"DELETE FROM {table} WHERE user_id = %s".encode(), (who.user,))
        with life.vault.records.superuser() as conn:
            conn.execute("DELETE FROM officer_actions")

        def act() -> None:
            with with_leaves(life.vault.keys):
                _go_to(life, event)
                follow(life)

        return act

    return begin


def _go_to(life: "Life", event: UUID) -> None:
    """Have followed everything before this event."""
    with life.vault.keys.superuser() as conn:
        row = conn.execute("SELECT leaf_index FROM audit_leaves WHERE event_id = %s", (event,)).fetchone()
    assert row is not None
    with life.vault.records.superuser() as conn:
        conn.execute("UPDATE followed SET generation = 1, next_index = %s", row)


def make_code(life: "Life") -> "Act":
    who = life.somebody()
    return lambda: who.session.create_recovery_code(PASSWORD)


def use_code(life: "Life") -> "Act":
    who = life.somebody()
    code = who.session.create_recovery_code(PASSWORD)
    return lambda: life.client.redeem_recovery_code(who.login, code, NEW_PASSWORD)


def wrong_code(life: "Life") -> "Act":
    who = life.somebody()
    return lambda: life.client.redeem_recovery_code(who.login, _WRONG, NEW_PASSWORD)
