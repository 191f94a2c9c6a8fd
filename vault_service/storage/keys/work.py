"""What waits for officers: the cases under way, the most urgent first, and whose shares are handed in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.case import CaseKind
from vault_service.domain.ids import CeremonyId
from vault_service.storage.keys.cases import COLUMNS, CaseRow


def most_urgent(conn: Connection, *, regains: bool, limit: int) -> tuple[CaseRow, ...]:
    """Cases that are open or being executed, decoys left out; what expires first comes first.

    Regains and others apart: whoever floods an app with regains must not push other cases off the page.
    """
    rows = conn.execute(
        "SELECT "
        + COLUMNS
        + """ FROM cases WHERE state IN ('open', 'executing') AND NOT decoy
                AND (kind = 'regain') = %(regains)s
              ORDER BY expires_at, case_id LIMIT %(limit)s""",
        {"regains": regains, "limit": limit},
    )
    return tuple(CaseRow(*row) for row in rows)


def handed_in(conn: Connection, ceremonies: Sequence[CeremonyId]) -> dict[CeremonyId, dict[UUID, datetime]]:
    """Who has handed in a share to each of them, and when last: as the rows say, which anybody may append."""
    rows = conn.execute(
        """SELECT ceremony_id, officer_id, max(at) FROM releases
           WHERE ceremony_id = ANY(%(ids)s::uuid[]) GROUP BY 1, 2""",
        {"ids": list(ceremonies)},
    )
    found: dict[CeremonyId, dict[UUID, datetime]] = {each: {} for each in ceremonies}
    for ceremony, officer, at in rows:
        found[ceremony][officer] = at
    return found


def last_acts(
    conn: Connection, officers: Sequence[UUID], authenticators: Mapping[UUID, UUID]
) -> dict[UUID, datetime]:
    """When each officer decided, released a share or touched a passkey last: as the rows say.

    `authenticators`: to whom each belongs.
    """
    rows = conn.execute(
        """SELECT o.id, greatest(a.at, r.at)
           FROM unnest(%(officers)s::uuid[]) AS o (id)
             LEFT JOIN LATERAL (SELECT at FROM approvals WHERE officer_id = o.id
                                ORDER BY at DESC LIMIT 1) a ON true
             LEFT JOIN LATERAL (SELECT at FROM releases WHERE officer_id = o.id
                                ORDER BY at DESC LIMIT 1) r ON true""",
        {"officers": list(officers)},
    ).fetchall()
    touched = conn.execute(
        "SELECT authenticator_id, at FROM passkey_counters WHERE authenticator_id = ANY(%(ids)s::uuid[])",
        {"ids": list(authenticators)},
    ).fetchall()
    last: dict[UUID, datetime] = {}
    for officer, at in (*rows, *((authenticators[each], at) for each, at in touched)):
        if at is not None and (officer not in last or at > last[officer]):
            last[officer] = at
    return last


def opened_since(conn: Connection, since: datetime) -> list[tuple[datetime, CaseKind, str, int]]:
    """Day (UTC), kind, state by now, number: of cases that were opened since then; decoys left out."""
    return conn.execute(
        """SELECT date_trunc('day', opened_at, 'UTC'), kind, state, count(*) FROM cases
           WHERE opened_at >= %(since)s AND NOT decoy GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
        {"since": since},
    ).fetchall()


def app_names(conn: Connection) -> dict[UUID, str]:
    """Of every app that ever was."""
    return dict(conn.execute("SELECT app_id, name FROM apps").fetchall())
