"""What still needs a generation of a key, counted by table.

No index stands on a generation: every rewrap would have to keep it, and be slower by more than the few
seconds that it would save here. So these look at every row; see storage/patience.py.
"""

from typing import LiteralString

from psycopg import Connection

Count = tuple[str, int]


def count_pepper(conn: Connection, gen: int) -> tuple[Count, ...]:
    """Outer layers."""
    row = conn.execute(
        """SELECT count(*) FILTER (WHERE kind = 'password' AND pepper_gen = %(gen)s),
                  count(*) FILTER (WHERE kind = 'regain' AND pepper_gen = %(gen)s),
                  count(*) FILTER (WHERE regain_key_pepper_gen = %(gen)s)
             FROM credentials WHERE pepper_gen = %(gen)s OR regain_key_pepper_gen = %(gen)s""",
        {"gen": gen},
    ).fetchone()
    password, regain, regain_key = row or (0, 0, 0)
    waiting = _one(conn, "SELECT count(*) FROM regain_keys WHERE pepper_gen = %(g)s", gen)
    codes = _one(conn, "SELECT count(*) FROM recovery_codes WHERE pepper_gen = %(g)s", gen)
    escrow = _one(conn, "SELECT count(*) FROM escrow_wraps WHERE pepper_gen = %(g)s", gen)
    logins = _one(conn, "SELECT count(*) FROM users WHERE pepper_gen = %(g)s", gen)
    return _some(
        ("password wraps", password), ("regain wraps", regain), ("regain keys", regain_key + waiting),
        ("recovery codes", codes), ("escrow wraps", escrow), ("sealed logins", logins),
    )  # fmt: skip


def count_login_index(conn: Connection, gen: int) -> tuple[Count, ...]:
    """Logins, users whose wraps are bound to one, and cases about somebody who is named by one.

    A case from before its generation was written down counts for each.
    """
    logins = _one(conn, "SELECT count(*) FROM logins WHERE login_index_gen = %(g)s", gen)
    users = _one(conn, "SELECT count(*) FROM users WHERE login_index_gen = %(g)s", gen)
    cases = _one(
        conn,
        """SELECT count(*) FROM cases
            WHERE state IN ('open', 'executing') AND login_index IS NOT NULL
              AND (login_index_gen = %(g)s OR login_index_gen IS NULL)""",
        gen,
    )
    return _some(("logins", logins), ("users", users), ("open cases", cases))


def count_escrow(conn: Connection, gen: int) -> tuple[Count, ...]:
    """Escrow wraps to one key."""
    wraps = _one(conn, "SELECT count(*) FROM escrow_wraps WHERE escrow_gen = %(g)s", gen)
    return _some(("escrow wraps", wraps))


def _one(conn: Connection, statement: LiteralString, gen: int) -> int:
    row = conn.execute(statement, {"g": gen}).fetchone()
    return int(row[0]) if row else 0


def _some(*counts: Count) -> tuple[Count, ...]:
    return tuple(each for each in counts if each[1])
