"""What a ceremony reads of cases: those that it may be for, and what officers signed about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import Connection

from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.ids import CaseId
from vault_service.storage.keys.cases import COLUMNS, CaseRow

_DUE: LiteralString = """ FROM cases
              WHERE state IN ('open', 'executing') AND NOT decoy
                AND not_before <= %(now)s AND expires_at > %(now)s AND case_id <> ALL(%(left_out)s)"""


def is_any_due(conn: Connection, now: datetime, left_out: Sequence[CaseId]) -> bool:
    """Whether `due_cases` would find one."""
    row = conn.execute(
        "SELECT EXISTS (SELECT 1" + _DUE + ")", {"now": now, "left_out": list(left_out)}
    ).fetchone()
    return row is not None and bool(row[0])


def due_cases(conn: Connection, now: datetime, left_out: Sequence[CaseId], limit: int) -> tuple[CaseRow, ...]:
    """Open, or held by another ceremony, past their waiting period and not expired.

    First those that somebody has decided on, or says so; then the oldest. `left_out`: as if they were not
    there, so that however many they are they hide no other.
    """
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + _DUE
        + """ ORDER BY NOT EXISTS (SELECT 1 FROM approvals a WHERE a.case_id = cases.case_id),
              opened_at, case_id LIMIT %(limit)s""",
        {"now": now, "left_out": list(left_out), "limit": limit},
    )
    return tuple(CaseRow(*row) for row in rows)


def cases_by_id(conn: Connection, cases: Sequence[CaseId]) -> tuple[CaseRow, ...]:
    """These, as they stand now."""
    rows = conn.execute(
        "SELECT " + COLUMNS + " FROM cases WHERE case_id = ANY(%(cases)s) ORDER BY opened_at, case_id",
        {"cases": list(cases)},
    )
    return tuple(CaseRow(*row) for row in rows)


def decisions_on(conn: Connection, cases: Sequence[CaseId]) -> dict[CaseId, tuple[SignedDecision, ...]]:
    """All decisions on each of these cases in their order, believed or not."""
    rows = conn.execute(
        """SELECT case_id, officer_id, authenticator_id, decision, signature, identified, endorsement, reason
           FROM approvals WHERE case_id = ANY(%(cases)s) ORDER BY at, approval_id""",
        {"cases": list(cases)},
    )
    found: dict[CaseId, list[SignedDecision]] = {case: [] for case in cases}
    for row in rows:
        found[row[0]].append(SignedDecision(*row[1:]))
    return {case: tuple(decisions) for case, decisions in found.items()}
