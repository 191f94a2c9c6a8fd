"""Wrong logins and phrases that officers typed for a case: counted, and no more of them than so many."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import CaseId


def take_identification(
    conn: Connection, case: CaseId, *, is_right: bool, at_most: int, now: datetime
) -> bool:
    """Count a wrong one; False when the case takes none any more, not even a right one.

    The statement waits for the case's row: of any number at once no more than `at_most` wrong ones are ever
    answered.
    """
    done = conn.execute(
        """UPDATE cases SET
             wrong_identifications = wrong_identifications + CASE WHEN %(right)s THEN 0 ELSE 1 END
           WHERE case_id = %(case)s AND state = 'open' AND expires_at > %(now)s
             AND wrong_identifications < %(most)s""",
        {"case": case, "right": is_right, "most": at_most, "now": now},
    )
    return done.rowcount == 1
