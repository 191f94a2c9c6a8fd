"""A rotation of the escrow key, as far as the key service goes: one wrap is behind, and does not open."""

from uuid import UUID

from tests.promises.ceremonies import DIGEST, Work, by_officers
from tests.promises.every_call import Called, Somebody
from tests.promises.flows import Act, Flow, Life, flow
from tests.rig.vault import Vault
from vault_service.domain.events import KeysEvent as K
from vault_service.kms.protocol.rotation_messages import EscrowRewrapped, RewrapEscrow

_works: dict[str, Work] = {}


def _begin(vault: Vault, user: UUID) -> Work:
    """Its escrow wrap is on a generation that there is no more; no other such rotation is under way."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")  # foreign keys aside
        conn.execute("UPDATE rotations SET state = 'finished' WHERE kind = 'escrow'")
        conn.execute("UPDATE escrow_wraps SET escrow_gen = 0 WHERE user_id = %s", (user,))
        conn.execute("UPDATE deks SET escrow_gen = 0 WHERE user_id = %s", (user,))
    return by_officers(vault, "escrow-rotation")


def _prepare(who: Somebody) -> None:
    _works[who.user] = _begin(who.vault, UUID(who.user)).peel()


def _page(work: Work, user: UUID) -> RewrapEscrow:
    return RewrapEscrow(work.ceremony.ceremony_id, work.case, 1, (), (user,))


ESCROW_ROTATION_CALLS: dict[str, Called] = {
    "rewrap_escrow": Called("ceremony", lambda who: _page(_works[who.user], UUID(who.user)), _prepare),
}


def _beginning(life: Life) -> Act:
    work = _begin(life.vault, life.somebody().user)
    return work.peel


def _ending(life: Life) -> Act:
    user = life.somebody().user
    work = _begin(life.vault, user).peel()
    with life.vault.keys.superuser() as conn:  # of earlier tests
        rows = conn.execute("SELECT user_id FROM escrow_wraps WHERE escrow_gen = 0").fetchall()
    failed = tuple(UUID(str(row[0])) for row in rows)
    page = RewrapEscrow(work.ceremony.ceremony_id, work.case, len(failed), (), failed)
    work.ceremony.call(page, EscrowRewrapped)
    return lambda: work.ceremony.complete(work.case, digest=DIGEST)


ESCROW_ROTATION_FLOWS: dict[str, Flow] = {
    "an escrow rotation that begins": flow(_beginning, K.ROTATION_STARTED, K.WRAPS_PEELED),
    "an escrow rotation that ends": flow(_ending, K.ROTATION_FINISHED),
}
