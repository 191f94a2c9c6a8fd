"""The calls that rewrite wraps and look at them again, and the event that they leave."""

import os

from tests.promises.every_call import Called, Somebody
from tests.promises.flows import Life
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.kms.messages import Done
from vault_service.kms.rotation_messages import ReportVerified, RewrapBatch, VerifyWraps
from vault_service.storage.keys.peppered import HIGHEST

_ROTATION = new_uuid()


def _begin_rotation(who: Somebody) -> None:
    with who.vault.keys.superuser() as conn:
        conn.execute(
            "INSERT INTO rotations (rotation_id, kind, to_gen, started_at) VALUES (%s, 'pepper', 1, now())",
            (_ROTATION,),
        )


REWRAP_CALLS: dict[str, Called] = {
    "report_verified": Called("operator", lambda _: ReportVerified(os.urandom(32))),
}
REWRAP_SILENT: dict[str, Called] = {
    # A batch without a wrap that does not open: the rotation's beginning and end are the events.
    "rewrap_batch": Called(
        "worker_keys", lambda _: RewrapBatch(_ROTATION, HIGHEST, HIGHEST), _begin_rotation
    ),
    "verify_wraps": Called("operator", lambda _: VerifyWraps(NOBODY, limit=5)),
}


def report_verified(life: Life) -> None:
    """At the end of a verification."""
    life.operator.call(ReportVerified(os.urandom(32)), Done)
