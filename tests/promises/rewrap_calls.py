"""The calls that rewrite wraps and look at them again, and the event that they leave."""

import os

from tests.promises.every_call import Called
from tests.promises.flows import Life
from tests.promises.rotation_calls import ROTATION, begin_rotation
from vault_service.domain.ids import NOBODY
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.rotation_messages import ReportVerified, RewrapBatch, VerifyWraps
from vault_service.storage.keys.peppered import HIGHEST

REWRAP_CALLS: dict[str, Called] = {
    "report_verified": Called("operator", lambda _: ReportVerified(os.urandom(32))),
}
REWRAP_SILENT: dict[str, Called] = {
    # A batch without a wrap that does not open: the rotation's beginning and end are the events.
    "rewrap_batch": Called("worker_keys", lambda _: RewrapBatch(ROTATION, HIGHEST, HIGHEST), begin_rotation),
    "verify_wraps": Called("operator", lambda _: VerifyWraps(NOBODY, limit=5)),
}


def report_verified(life: Life) -> None:
    """At the end of a verification."""
    life.operator.call(ReportVerified(os.urandom(32)), Done)
