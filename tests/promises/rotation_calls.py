"""The calls that begin, hold and end rotations, and a flow for each of their events."""

import itertools
from collections.abc import Callable
from uuid import UUID

from tests.promises.every_call import Called, Somebody
from tests.promises.flows import Life
from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import new_uuid
from vault_service.kms.protocol.rotation_messages import (
    BatchRewrapped,
    FinishRotation,
    PauseRotation,
    ResumeRotation,
    RewrapBatch,
    RotationIs,
    RotationStatus,
    StartRotation,
)
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys.rotation_plans import LAST

ROTATION = new_uuid()
"""Of the pepper, under way."""
_rates = itertools.count(1)


def begin_rotation(who: Somebody) -> None:
    """Unless it is there."""
    with who.vault.keys.superuser() as conn:
        conn.execute(
            """INSERT INTO rotations (rotation_id, kind, to_gen, started_at) VALUES (%s, 'pepper', 1, now())
               ON CONFLICT DO NOTHING""",
            (ROTATION,),
        )


def _leave_behind(vault: Vault, user: UUID) -> None:
    """As if the user's login were on a generation of the index that there is no more."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")  # foreign keys aside
        conn.execute("UPDATE users SET login_index_gen = 0 WHERE user_id = %s", (user,))


ROTATION_CALLS: dict[str, Called] = {
    "pause_rotation": Called("operator", lambda _: PauseRotation("pepper"), begin_rotation),
    "resume_rotation": Called(
        "operator", lambda _: ResumeRotation("pepper", rate=next(_rates)), begin_rotation
    ),
    "finish_rotation": Called("worker_keys", lambda _: FinishRotation(ROTATION), begin_rotation),
    "start_rotation": Called(
        "operator",
        lambda _: StartRotation("login-index"),
        lambda who: _leave_behind(who.vault, UUID(who.user)),
    ),
}
ROTATION_SILENT: dict[str, Called] = {"rotation_status": Called("operator", lambda _: RotationStatus())}


def _under_way(life: Life) -> UUID:
    rotation = new_uuid()
    with life.vault.keys.superuser() as conn:
        conn.execute("UPDATE rotations SET state = 'finished' WHERE state <> 'finished'")
        conn.execute(
            """INSERT INTO rotations (rotation_id, kind, to_gen, started_at)
               VALUES (%s, 'pepper', 1, now() - interval '1 day')""",
            (rotation,),
        )
    return rotation


def _started(life: Life) -> None:
    _under_way(life)
    _leave_behind(life.vault, life.somebody().user)
    life.operator.call(StartRotation("login-index"), RotationIs)


def _paused(life: Life) -> None:
    _under_way(life)
    life.operator.call(PauseRotation("pepper"), RotationIs)


def _resumed(life: Life) -> None:
    _paused(life)
    life.operator.call(ResumeRotation("pepper"), RotationIs)


def _by_worker(life: Life, request: RewrapBatch | FinishRotation) -> None:
    kms = kms_client(KmsClientSettings(url=life.vault.socket("worker_keys")))
    kms.call(request, BatchRewrapped if isinstance(request, RewrapBatch) else RotationIs)
    kms.close()


def _progressed(life: Life) -> None:
    """A batch, when the last event is long ago."""
    _by_worker(life, RewrapBatch(_under_way(life), LAST, LAST))


def _finished(life: Life) -> None:
    """Whatever other flows left on an older key is moved before."""
    rotation = _under_way(life)
    _by_worker(life, RewrapBatch(rotation, UUID(int=0), LAST))
    _by_worker(life, FinishRotation(rotation))


ROTATION_LEAVES: dict[KeysEvent | RecordsEvent, Callable[[Life], None]] = {
    KeysEvent.ROTATION_STARTED: _started,
    KeysEvent.ROTATION_PROGRESSED: _progressed,
    KeysEvent.ROTATION_PAUSED: _paused,
    KeysEvent.ROTATION_RESUMED: _resumed,
    KeysEvent.ROTATION_FINISHED: _finished,
}
