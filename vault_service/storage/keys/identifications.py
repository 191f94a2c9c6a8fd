"""Wrong logins and phrases that officers typed for a case: counted in the statement that compares."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import CaseId


def try_identification(
    conn: Connection, case: CaseId, login_index: bytes, *, phrase_is_right: bool, at_most: int, now: datetime
) -> bool | None:
    """Whether login and phrase are the case's; None: it takes no more.

    The statement compares and counts, and waits for the case's row: of any number at once no more than
    `at_most` wrong ones are ever looked at. A decoy's login is never right.
    """
    row = conn.execute(
        """UPDATE cases SET wrong_identifications = wrong_identifications + CASE
             WHEN login_index = %(index)s AND %(phrase)s AND NOT decoy THEN 0 ELSE 1 END
           WHERE case_id = %(case)s AND state = 'open' AND expires_at > %(now)s
             AND wrong_identifications < %(most)s
           RETURNING login_index = %(index)s AND %(phrase)s AND NOT decoy""",
        {"case": case, "index": login_index, "phrase": phrase_is_right, "most": at_most, "now": now},
    ).fetchone()
    return bool(row[0]) if row else None
