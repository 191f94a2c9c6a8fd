"""Whether anything of a case has changed: its rows as one text, for whoever asks again and again."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import CaseId


def rows_of_case(conn: Connection, case: CaseId, now: datetime) -> str | None:
    """The same text for as long as the case, the manifest that it proposes and what officers signed are the
    same rows, and `now` is on the same side of its due time and of its end. None: there is no such case.

    How long it was seen to wait, which the keys worker counts all the time, no page shows: it is left out.
    """
    row = conn.execute(
        """SELECT ROW(kind, user_id, sha256(body), state, result, opened_at, not_before, expires_at,
                      not_before <= %(now)s, expires_at <= %(now)s,
                      (SELECT sha256(body) FROM proposed_manifests WHERE case_id = %(case)s),
                      (SELECT array_agg(ROW(approval_id, officer_id, authenticator_id, decision, reason, at,
                                            sha256(signature), sha256(identified), sha256(endorsement))
                                        ORDER BY at, approval_id)
                       FROM approvals WHERE case_id = %(case)s))::text
           FROM cases WHERE case_id = %(case)s""",
        {"case": case, "now": now},
    ).fetchone()
    return str(row[0]) if row else None
