"""Recovery cases; every move of a case is a compare-and-set (the rules: domain/case_states.py)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.domain.case import CaseKind
from vault_service.domain.case_states import FINAL, MOVES, CaseState
from vault_service.domain.ids import AppId, CaseId, CeremonyId, UserId


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as it is stored; nothing but `body` under `mac` is believed."""

    case: CaseId
    kind: CaseKind
    user: UserId | None
    login_index: bytes | None = field(repr=False)
    app: AppId | None
    body: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    state: CaseState
    decoy: bool
    opened_at: datetime
    not_before: datetime
    expires_at: datetime
    waited_s: float
    wrong_identifications: int
    ceremony: CeremonyId | None
    result: bytes | None
    closed_at: datetime | None


COLUMNS: LiteralString = """case_id, kind, user_id, login_index, app_id, body, mac, state, decoy, opened_at,
  not_before, expires_at, waited_s, wrong_identifications, ceremony_id, result, closed_at"""


def insert_case(conn: Connection, row: CaseRow, *, login_index_gen: int | None = None) -> bool:
    """Open a case. False when there is one of this id already.

    `login_index_gen`: which generation made its login index, where it has one.
    """
    done = conn.execute(
        """INSERT INTO cases (case_id, kind, user_id, login_index, login_index_gen, app_id, body, mac, decoy,
                              opened_at, not_before, expires_at)
           VALUES (%(case)s, %(kind)s, %(user)s, %(index)s, %(index_gen)s, %(app)s, %(body)s, %(mac)s,
                   %(decoy)s, %(opened)s, %(not_before)s, %(expires)s)
           ON CONFLICT DO NOTHING""",
        {
            "case": row.case,
            "kind": row.kind,
            "user": row.user,
            "index": row.login_index,
            "index_gen": login_index_gen,
            "app": row.app,
            "body": row.body,
            "mac": row.mac,
            "decoy": row.decoy,
            "opened": row.opened_at,
            "not_before": row.not_before,
            "expires": row.expires_at,
        },
    )
    return done.rowcount == 1


def find_case(conn: Connection, case: CaseId) -> CaseRow | None:
    """One case, decoys too."""
    row = conn.execute(
        "SELECT " + COLUMNS + " FROM cases WHERE case_id = %(case)s", {"case": case}
    ).fetchone()
    return CaseRow(*row) if row else None


def list_cases(
    conn: Connection, *, under_way: bool, limit: int = 500, after: tuple[datetime, UUID] | None = None
) -> tuple[CaseRow, ...]:
    """Newest first, decoys left out; those under way, or all. `after`: when the last one that was listed
    was opened, and its id.
    """
    at, last = after or (None, None)
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + """ FROM cases WHERE NOT decoy AND (NOT %(under_way)s OR state IN ('open', 'executing'))
                AND (%(at)s::timestamptz IS NULL OR opened_at < %(at)s
                     OR (opened_at = %(at)s AND case_id > %(last)s::uuid))
              ORDER BY opened_at DESC, case_id LIMIT %(limit)s""",
        {"under_way": under_way, "limit": limit, "at": at, "last": last},
    )
    return tuple(CaseRow(*row) for row in rows)


def newest_cases(conn: Connection, kinds: Sequence[CaseKind], *, limit: int = 100) -> tuple[CaseRow, ...]:
    """Of these kinds, whatever their state, newest first."""
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + """ FROM cases WHERE kind = ANY (%(kinds)s) AND NOT decoy
              ORDER BY opened_at DESC, case_id LIMIT %(limit)s""",
        {"kinds": list(kinds), "limit": limit},
    )
    return tuple(CaseRow(*row) for row in rows)


def cases_under_way_of(
    conn: Connection, user: UserId, login_indexes: Sequence[bytes] = ()
) -> tuple[CaseRow, ...]:
    """A user's cases that are open or being executed, and decoys about a login; not locked."""
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + """ FROM cases WHERE (user_id = %(user)s OR (decoy AND login_index = ANY(%(indexes)s::bytea[])))
                AND state IN ('open', 'executing') ORDER BY case_id""",
        {"user": user, "indexes": list(login_indexes)},
    )
    return tuple(CaseRow(*row) for row in rows)


def expired_cases(conn: Connection, now: datetime, limit: int) -> tuple[CaseRow, ...]:
    """Open cases, decoys too, that nobody decided in time; locked, but for those locked elsewhere."""
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + """ FROM cases WHERE state = 'open' AND expires_at <= %(now)s
              ORDER BY expires_at, case_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED""",
        {"now": now, "limit": limit},
    )
    return tuple(CaseRow(*row) for row in rows)


def open_cases_of(conn: Connection, user: UserId) -> tuple[CaseRow, ...]:
    """A user's open cases, locked until the end of the transaction."""
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + " FROM cases WHERE user_id = %(user)s AND state = 'open' ORDER BY case_id FOR UPDATE",
        {"user": user},
    )
    return tuple(CaseRow(*row) for row in rows)


def move_case(
    conn: Connection,
    case: CaseId,
    before: CaseState,
    after: CaseState,
    now: datetime,
    *,
    ceremony: CeremonyId | None = None,
    result: bytes | None = None,
) -> bool:
    """Compare-and-set. False when the case is not in the state `before` (any more).

    `ceremony`: set when a case begins to be executed; in any other move it must match what is set, where
    given.
    """
    if (before, after) not in MOVES:
        raise ValueError(f"no case goes from {before} to {after}")
    done = conn.execute(
        """UPDATE cases SET state = %(after)s, result = coalesce(%(result)s, result),
             closed_at = CASE WHEN %(final)s THEN %(now)s::timestamptz END,
             ceremony_id = CASE %(after)s WHEN 'open' THEN NULL
                                          WHEN 'executing' THEN %(ceremony)s::uuid ELSE ceremony_id END
           WHERE case_id = %(case)s AND state = %(before)s
             AND (%(after)s = 'executing' OR %(ceremony)s::uuid IS NULL
                  OR ceremony_id = %(ceremony)s::uuid)""",
        {
            "case": case,
            "before": before,
            "after": after,
            "now": now,
            "ceremony": ceremony,
            "result": result,
            "final": after in FINAL,
        },
    )
    return done.rowcount == 1
