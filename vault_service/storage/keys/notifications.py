"""Who is to be told of a case: the app whose user it concerns, and the officers. The worker sends it.

Officers are told of nothing about a login that nobody has; the app is told of it just the same, since
what an app is told must not tell who has an account.
"""

from datetime import datetime
from typing import Literal

from psycopg import Connection

from vault_service.domain.ids import new_uuid
from vault_service.storage.keys.cases import CaseRow

What = Literal["opened", "approved", "executed", "cancelled", "vetoed", "expired"]


def insert_notifications(
    conn: Connection, case: CaseRow, what: What, now: datetime, *, officers_every_s: float
) -> None:
    """One for the app, if it is a regain, and one for the officers, in one statement.

    About one login the officers get at most one message in `officers_every_s`: of several cases opened in
    that time one is told, the list shows the others; how a case ended is always told, but later.
    """
    conn.execute(
        """WITH before AS (
             SELECT n.what, n.created_at, n.not_before FROM notifications n JOIN cases c USING (case_id)
             WHERE n.audience = 'officers' AND (c.case_id = %(case)s OR c.login_index = %(index)s)
               -- later than this was set by a clock that had jumped ahead
               AND n.not_before < %(now)s::timestamptz + interval '1 day'
               AND n.not_before > %(now)s::timestamptz - interval '1 s' * %(every)s::float8)
           INSERT INTO notifications (notification_id, case_id, audience, what, created_at, not_before)
           SELECT %(app_id)s::uuid, %(case)s::uuid, 'app', %(what)s::text, %(now)s::timestamptz,
             %(now)s::timestamptz WHERE %(to_app)s
           UNION ALL
           SELECT %(officers_id)s::uuid, %(case)s::uuid, 'officers', %(what)s::text, %(now)s::timestamptz,
             greatest(%(now)s::timestamptz,
                      (SELECT max(not_before) FROM before) + interval '1 s' * %(every)s::float8)
           WHERE %(to_officers)s AND NOT (%(what)s = 'opened' AND EXISTS (
             SELECT 1 FROM before WHERE before.what = 'opened'))""",
        {
            "app_id": new_uuid(),
            "officers_id": new_uuid(),
            "case": case.case,
            "index": case.login_index,
            "what": what,
            "now": now,
            "every": officers_every_s,
            "to_app": case.app is not None,
            "to_officers": not case.decoy,
        },
    )
