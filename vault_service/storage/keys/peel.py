"""What a ceremony opens: escrow wraps with all that their contexts are made of, a page in one statement."""

from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.ids import NOBODY, DekId, TenantId, UserId


@dataclass(frozen=True, slots=True)
class EscrowPageRow:
    """One user's current DEK; without an escrow wrap where somebody removed it."""

    tenant: TenantId
    user: UserId
    dek: DekId
    epoch: int
    login_index: bytes = field(repr=False)
    login_index_gen: int
    dek_check: bytes | None = field(repr=False)
    escrow_gen: int | None
    pepper_gen: int | None
    wrap: bytes | None = field(repr=False)


_PAGE: LiteralString = """
  SELECT u.tenant_id, u.user_id, u.dek_id, u.epoch, u.login_index, u.login_index_gen,
         d.dek_check, e.escrow_gen, e.pepper_gen, e.wrap
  FROM users u
  LEFT JOIN deks d ON d.user_id = u.user_id AND d.dek_id = u.dek_id
  LEFT JOIN escrow_wraps e
    ON e.user_id = d.user_id AND e.dek_id = d.dek_id AND e.escrow_gen = d.escrow_gen
"""


def find_escrow_of(conn: Connection, user: UserId) -> EscrowPageRow | None:
    """One user's."""
    row = conn.execute(_PAGE + "WHERE u.user_id = %(user)s", {"user": user}).fetchone()
    return EscrowPageRow(*row) if row else None


def escrow_page(conn: Connection, after: UserId | None, limit: int) -> tuple[EscrowPageRow, ...]:
    """The next users in order of their ids; neither a snapshot nor a cursor is kept between pages."""
    rows = conn.execute(
        _PAGE + "WHERE u.user_id > %(after)s ORDER BY u.user_id LIMIT %(limit)s",
        {"after": after or NOBODY, "limit": limit},
    )
    return tuple(EscrowPageRow(*row) for row in rows)


def sampled_escrow_page(
    conn: Connection, *, seed: int, sample: int, after: UserId | None, limit: int
) -> tuple[EscrowPageRow, ...]:
    """The same among `sample` users, chosen by a keyed hash of their ids: the same ones for every page.

    `seed`: 64 bits, signed. Reads an index of all users, about 0.2 s for a million.
    """
    rows = conn.execute(
        _PAGE
        + """WHERE u.user_id > %(after)s AND u.user_id IN (
               SELECT user_id FROM users ORDER BY uuid_hash_extended(user_id, %(seed)s), user_id
               LIMIT %(sample)s)
             ORDER BY u.user_id LIMIT %(limit)s""",
        {"after": after or NOBODY, "limit": limit, "seed": seed, "sample": sample},
    )
    return tuple(EscrowPageRow(*row) for row in rows)


def login_leads_to(conn: Connection, login_index: bytes) -> UserId | None:
    """Which user the row of a login names."""
    row = conn.execute(
        "SELECT user_id FROM logins WHERE login_index = %(index)s", {"index": login_index}
    ).fetchone()
    return UserId(row[0]) if row else None
