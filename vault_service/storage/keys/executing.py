"""Which cases ceremonies hold, and the clock of cases that wait."""

from psycopg import Connection

from vault_service.domain.ids import CaseId, CeremonyId


def held_cases(conn: Connection, limit: int = 1000) -> tuple[tuple[CaseId, CeremonyId | None], ...]:
    """Every case that is being executed, and by which ceremony."""
    rows = conn.execute(
        "SELECT case_id, ceremony_id FROM cases WHERE state = 'executing' ORDER BY case_id LIMIT %(limit)s",
        {"limit": limit},
    )
    return tuple((CaseId(row[0]), row[1]) for row in rows)


def let_cases_wait(conn: Connection, seconds: float, longest_s: float) -> int:
    """Add a tick to every open case whose wait is not over; returns to how many.

    Never to more than the time since the case was opened by the database's own clock: of two workers
    that both add their ticks none makes the time run twice as fast.
    `longest_s`: the longest waiting period that the policy knows.
    """
    return conn.execute(
        """UPDATE cases SET waited_s = greatest(waited_s, least(waited_s + %(seconds)s::float8,
             extract(epoch FROM clock_timestamp() - opened_at)::float8))
           WHERE state = 'open' AND waited_s <
             greatest(%(longest)s::float8, extract(epoch FROM not_before - opened_at)::float8)""",
        {"seconds": seconds, "longest": longest_s},
    ).rowcount
