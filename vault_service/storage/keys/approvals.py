"""What officers signed about cases; append-only, and judged by signature (crypto/approvals.py)."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.ids import CaseId


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One decision as it is stored."""

    approval_id: UUID
    signed: SignedDecision
    at: datetime = field(compare=False)


def insert_approval(
    conn: Connection, case: CaseId, approval_id: UUID, signed: SignedDecision, now: datetime
) -> bool:
    """Append a decision; False when this one is there already."""
    done = conn.execute(
        """INSERT INTO approvals (case_id, approval_id, officer_id, authenticator_id, decision, signature,
                                  identified, endorsement, reason, at)
           VALUES (%(case)s, %(id)s, %(officer)s, %(auth)s, %(decision)s, %(signature)s, %(identified)s,
                   %(endorsement)s, %(reason)s, %(now)s)
           ON CONFLICT DO NOTHING""",
        {
            "case": case,
            "id": approval_id,
            "officer": signed.officer_id,
            "auth": signed.authenticator_id,
            "decision": signed.decision,
            "signature": signed.signature,
            "identified": signed.identified,
            "endorsement": signed.endorsement,
            "reason": signed.reason,
            "now": now,
        },
    )
    return done.rowcount == 1


def list_approvals(conn: Connection, case: CaseId) -> tuple[ApprovalRow, ...]:
    """All decisions on a case in their order, believed or not."""
    rows = conn.execute(
        """SELECT approval_id, officer_id, authenticator_id, decision, signature, identified, endorsement,
                  reason, at
           FROM approvals WHERE case_id = %(case)s ORDER BY at, approval_id""",
        {"case": case},
    )
    return tuple(ApprovalRow(row[0], SignedDecision(*row[1:8]), row[8]) for row in rows)
