"""What still needs a generation of a key, counted by table.

No index stands on a generation: every rewrap would have to keep it, and be slower by more than the few
seconds that it would save here. So these look at every row; see storage/patience.py.
"""

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import CaseId

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


def count_older_escrow(conn: Connection, current: int) -> int:
    """Escrow wraps that are not to the current key."""
    return _one(conn, "SELECT count(*) FROM escrow_wraps WHERE escrow_gen <> %(g)s", current)


@dataclass(frozen=True, slots=True)
class CaseMac:
    """What tells which generation a case was authenticated with."""

    case: CaseId
    body: bytes
    mac: bytes
    decoy: bool


@dataclass(frozen=True, slots=True)
class Identified:
    """The key service's word that an officer typed login and phrase of a case."""

    case: CaseId
    body: bytes
    officer: UUID
    mac: bytes


def cases_by_mac(conn: Connection) -> tuple[CaseMac, ...]:
    """Cases under way, decoys too."""
    rows = conn.execute("SELECT case_id, body, mac, decoy FROM cases WHERE state IN ('open', 'executing')")
    return tuple(CaseMac(*row) for row in rows)


def identified_by(conn: Connection) -> tuple[Identified, ...]:
    """Who was identified for cases under way."""
    rows = conn.execute(
        """SELECT DISTINCT case_id, c.body, a.officer_id, a.identified
             FROM cases c JOIN approvals a USING (case_id)
            WHERE c.state IN ('open', 'executing') AND a.identified IS NOT NULL"""
    )
    return tuple(Identified(*row) for row in rows)


def _one(conn: Connection, statement: LiteralString, gen: int) -> int:
    row = conn.execute(statement, {"g": gen}).fetchone()
    return int(row[0]) if row else 0


def _some(*counts: Count) -> tuple[Count, ...]:
    return tuple(each for each in counts if each[1])
