"""Failures in a row of each login: counted and committed before the password is looked at.

Counting afterwards would let a crowd of parallel guesses pass on one count, and a crash between
the check and the count would make a guess free.

While a login has an index under two generations of the index key, a guess counts under both, from the
higher of both counts on. So neither the new generation nor the end of the old one gives anybody a further
guess at a login that was tried meanwhile. The failures of a user who is moved to the new generation without
having been tried are carried over (storage/keys/login_moves.py): they lock as before, but silently. Whoever
could see them would tell that login from one that nobody has, whose failures nobody can carry over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection

from vault_service.policy.rules import GuessRule


@dataclass(frozen=True, slots=True)
class GuessCounted:
    """The guess may be checked."""

    failures: int  # this one included
    silent: bool = False  # the login is locked by what was carried over: do the work, then refuse


@dataclass(frozen=True, slots=True)
class GuessRefused:
    """The guess must not be checked."""

    locked: bool
    wait: timedelta


def count_guess(
    conn: Connection, login_index: bytes, rule: GuessRule, now: datetime
) -> GuessCounted | GuessRefused:
    """Count one guess in a single statement; of any number in parallel only the allowed ones count.

    A wait longer than the longest there is was set by a clock that had jumped ahead: it is over. Where no
    wait is due, one of several at once whose clock was read a moment before another's is not refused.
    """
    values = {
        "index": login_index,
        "now": now,
        "free": rule.free,
        "first": rule.first_wait_s,
        "longest": rule.max_wait_s,
        "lock": rule.lock_after,
    }
    row = conn.execute(
        """INSERT INTO guesses AS g (login_index, failures, not_before, updated_at)
           VALUES (%(index)s, 1, %(now)s, %(now)s)
           ON CONFLICT (login_index) DO UPDATE SET
             failures = g.failures + 1,
             not_before = CASE WHEN g.failures < %(free)s::int THEN %(now)s::timestamptz ELSE
               %(now)s::timestamptz + interval '1 s' * least(%(longest)s::float8,
                 %(first)s::float8 * power(2::float8, least(g.failures - %(free)s::int, 30))) END,
             updated_at = %(now)s
           WHERE g.failures < %(lock)s::int AND (g.failures < %(free)s::int OR g.not_before <= %(now)s
             OR g.not_before > %(now)s::timestamptz + interval '1 s' * %(longest)s::float8)
           RETURNING g.failures, g.failures + g.carried > %(lock)s::int""",
        values,
        prepare=True,
    ).fetchone()
    if row:
        return GuessCounted(row[0], silent=row[1])
    row = conn.execute(
        "SELECT failures, not_before FROM guesses WHERE login_index = %(index)s", values, prepare=True
    ).fetchone()
    if row is None:  # reset in between: as good as a short wait
        return GuessRefused(locked=False, wait=timedelta(seconds=1))
    return GuessRefused(locked=row[0] >= rule.lock_after, wait=row[1] - now)


def count_guess_at(
    conn: Connection, indexes: Sequence[bytes], rule: GuessRule, now: datetime
) -> GuessCounted | GuessRefused:
    """The same for a login that has an index under several generations; within a transaction.

    The rows are locked in one order, so that of any number in parallel each counts from what the one before
    has left.
    """
    if len(indexes) == 1:
        return count_guess(conn, indexes[0], rule, now)
    values: dict[str, object] = {"indexes": sorted(indexes), "now": now}
    conn.execute(
        """INSERT INTO guesses (login_index, failures, not_before, updated_at)
           SELECT unnest(%(indexes)s::bytea[]), 0, %(now)s, %(now)s ON CONFLICT DO NOTHING""",
        values,
        prepare=True,
    )
    rows = conn.execute(
        """SELECT failures, carried, not_before FROM guesses WHERE login_index = ANY(%(indexes)s::bytea[])
           ORDER BY login_index FOR UPDATE""",
        values,
        prepare=True,
    ).fetchall()
    failures = max(row[0] for row in rows)
    in_a_row = max(row[0] + row[1] for row in rows)
    longest = timedelta(seconds=rule.max_wait_s)
    wait = max((row[2] - now for row in rows if now < row[2] <= now + longest), default=timedelta())
    if failures >= rule.lock_after:
        return GuessRefused(locked=True, wait=wait)
    if failures >= rule.free and wait:
        return GuessRefused(locked=False, wait=wait)
    next_wait = min(rule.max_wait_s, rule.first_wait_s * 2.0 ** min(failures - rule.free, 30))
    values |= {
        "failures": failures + 1,
        "carried": in_a_row - failures,
        "not_before": now if failures < rule.free else now + timedelta(seconds=next_wait),
    }
    conn.execute(
        """UPDATE guesses SET failures = %(failures)s, carried = %(carried)s, not_before = %(not_before)s,
             updated_at = %(now)s WHERE login_index = ANY(%(indexes)s::bytea[])""",
        values,
        prepare=True,
    )
    return GuessCounted(failures + 1, silent=in_a_row >= rule.lock_after)


def reset_guesses_at(conn: Connection, indexes: Sequence[bytes], now: datetime) -> None:
    """The password was right: the row of failures is broken, under every live index of the login."""
    conn.execute(
        """UPDATE guesses SET failures = 0, carried = 0, not_before = %(now)s, updated_at = %(now)s
           WHERE login_index IN (SELECT login_index FROM guesses
             WHERE login_index = ANY(%(indexes)s::bytea[]) ORDER BY login_index FOR UPDATE)""",
        {"indexes": list(indexes), "now": now},
        prepare=True,
    )


def give_back_guess_at(
    conn: Connection, indexes: Sequence[bytes], counted: GuessCounted, now: datetime
) -> None:
    """The guess could not be checked after all, so nobody learnt anything from it.

    Otherwise an outage or an overload would lock out whoever goes on trying with the right
    password. The wait stays if another guess was counted since.
    """
    conn.execute(
        """UPDATE guesses SET failures = failures - 1, updated_at = %(now)s,
             not_before = CASE WHEN failures = %(counted)s THEN %(now)s ELSE not_before END
           WHERE login_index IN (SELECT login_index FROM guesses
             WHERE login_index = ANY(%(indexes)s::bytea[]) ORDER BY login_index FOR UPDATE)
             AND failures > 0""",
        {"indexes": list(indexes), "counted": counted.failures, "now": now},
        prepare=True,
    )


def purge_guesses(conn: Connection, older_than: datetime, limit: int) -> int:
    """Forget logins whose last guess was right and long ago; returns how many.

    A failure is forgotten for nothing but the right password: otherwise patience alone would give an
    attacker another hundred guesses. Logins that do not exist are kept alike, or the difference would
    tell.
    """
    return conn.execute(
        # An array, so that each row is looked up by its key: else the planner expects a tenth of the table,
        # and reads all of it. The conditions once more, for a guess that is counted meanwhile.
        """DELETE FROM guesses WHERE login_index = ANY(ARRAY(
             SELECT login_index FROM guesses WHERE updated_at < %(old)s AND failures = 0 AND carried = 0
             ORDER BY updated_at LIMIT %(limit)s))
           AND updated_at < %(old)s AND failures = 0 AND carried = 0""",
        {"old": older_than, "limit": limit},
    ).rowcount
