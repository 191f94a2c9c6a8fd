"""The code that a user keeps: a third wrap of the DEK, where the policy allows it."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import DekId, UserId


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A code wrap."""

    code: UUID  # names this wrap, for compare-and-set
    dek: DekId
    epoch: int
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 154 bytes


def find_code(conn: Connection, user: UserId) -> CodeRow | None:
    """The user's one code, if there is one."""
    row = conn.execute(
        "SELECT code_id, dek_id, epoch, pepper_gen, wrap FROM recovery_codes WHERE user_id = %(user)s",
        {"user": user},
        prepare=True,
    ).fetchone()
    return CodeRow(*row) if row else None


def put_code(conn: Connection, user: UserId, row: CodeRow, now: datetime) -> None:
    """The user's one code from now on; an older one ends."""
    conn.execute(
        """INSERT INTO recovery_codes AS c (user_id, code_id, dek_id, epoch, pepper_gen, wrap, created_at)
           VALUES (%(user)s, %(code)s, %(dek)s, %(epoch)s, %(pepper)s, %(wrap)s, %(now)s)
           ON CONFLICT (user_id) DO UPDATE SET code_id = excluded.code_id, dek_id = excluded.dek_id,
             epoch = excluded.epoch, pepper_gen = excluded.pepper_gen, wrap = excluded.wrap,
             created_at = excluded.created_at""",
        {
            "user": user,
            "code": row.code,
            "dek": row.dek,
            "epoch": row.epoch,
            "pepper": row.pepper_gen,
            "wrap": row.wrap,
            "now": now,
        },
    )


def move_code(conn: Connection, user: UserId, expected: CodeRow | None, moved: CodeRow | None) -> bool:
    """Bind the code to another login; False when the user's code is not the expected one (any more)."""
    if expected is None or moved is None:
        row = conn.execute("SELECT 1 FROM recovery_codes WHERE user_id = %(user)s", {"user": user})
        return row.fetchone() is None
    done = conn.execute(
        """UPDATE recovery_codes SET wrap = %(wrap)s, pepper_gen = %(pepper)s
           WHERE user_id = %(user)s AND code_id = %(code)s""",
        {"user": user, "code": expected.code, "wrap": moved.wrap, "pepper": moved.pepper_gen},
    )
    return done.rowcount == 1


def take_code(conn: Connection, user: UserId, code: UUID) -> bool:
    """Use it up: of two at once exactly one does. False when it is gone or another one by now."""
    done = conn.execute(
        "DELETE FROM recovery_codes WHERE user_id = %(user)s AND code_id = %(code)s",
        {"user": user, "code": code},
    )
    return done.rowcount == 1
