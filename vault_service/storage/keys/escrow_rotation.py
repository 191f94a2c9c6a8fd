"""Escrow wraps that are not on the current escrow key: a page of them, and how new ones take their place.

Of all DEKs of a user, also of those that are kept under a newer one. A wrap that its DEK's row does not name
was put there by nobody of ours: it comes without a check value, so that it opens for nobody and is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import NOBODY, DekId, TenantId, UserId
from vault_service.storage.keys.peel import EscrowPageRow


@dataclass(frozen=True, slots=True)
class OldWrap:
    """An escrow wrap that is to be replaced, and what the context of its outer layer is made of."""

    tenant: TenantId
    user: UserId
    dek: DekId
    login_index: bytes = field(repr=False)
    login_index_gen: int
    escrow_gen: int
    wrap: bytes = field(repr=False)  # 174 bytes


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes the place of exactly this old wrap."""

    old: OldWrap
    wrap: bytes = field(repr=False)  # 174 bytes


def older_escrow_page(
    conn: Connection, *, current: int, after: UserId | None, limit: int
) -> tuple[EscrowPageRow, ...]:
    """About `limit` wraps of the next users, in order; all of a user's stand on one page."""
    rows = conn.execute(
        """SELECT u.tenant_id, e.user_id, e.dek_id, u.epoch, u.login_index, u.login_index_gen,
                  d.dek_check, e.escrow_gen, e.pepper_gen, e.wrap
           FROM escrow_wraps e JOIN users u ON u.user_id = e.user_id
             LEFT JOIN deks d
               ON d.user_id = e.user_id AND d.dek_id = e.dek_id AND d.escrow_gen = e.escrow_gen
           WHERE e.user_id > %(after)s AND e.escrow_gen <> %(current)s
           ORDER BY e.user_id FETCH FIRST (%(limit)s) ROWS WITH TIES""",
        {"after": after or NOBODY, "current": current, "limit": limit},
    )
    return tuple(sorted((EscrowPageRow(*row) for row in rows), key=lambda row: (row.user, row.dek)))


def older_wraps(
    conn: Connection, *, current: int, users: Sequence[UUID], deks: Sequence[UUID]
) -> tuple[OldWrap, ...]:
    """Of these users' DEKs, as they are now; those that are on the current escrow key are left out."""
    rows = conn.execute(
        """SELECT u.tenant_id, e.user_id, e.dek_id, u.login_index, u.login_index_gen, e.escrow_gen, e.wrap
           FROM unnest(%(users)s::uuid[], %(deks)s::uuid[]) AS w (user_id, dek_id)
             JOIN escrow_wraps e ON e.user_id = w.user_id AND e.dek_id = w.dek_id
             JOIN deks d ON d.user_id = e.user_id AND d.dek_id = e.dek_id AND d.escrow_gen = e.escrow_gen
             JOIN users u ON u.user_id = e.user_id
           WHERE e.escrow_gen <> %(current)s""",
        {"users": list(users), "deks": list(deks), "current": current},
    )
    return tuple(OldWrap(*row) for row in rows)


def replace_wraps(
    conn: Connection, replacements: Sequence[Replacement], *, escrow_gen: int, pepper_gen: int
) -> int:
    """Compare-and-set on the old wrap's bytes and generation; how many stand now.

    Nothing else of the rows changes, so that it shows for good when each was made.
    """
    done = conn.execute(
        """WITH n AS (
             SELECT * FROM unnest(%(users)s::uuid[], %(deks)s::uuid[], %(gens)s::integer[],
                                  %(old)s::bytea[], %(new)s::bytea[])
               AS n (user_id, dek_id, escrow_gen, old, new)),
           moved AS (
             UPDATE escrow_wraps e
             SET escrow_gen = %(escrow_gen)s, pepper_gen = %(pepper_gen)s, wrap = n.new
             FROM n WHERE e.user_id = n.user_id AND e.dek_id = n.dek_id AND e.escrow_gen = n.escrow_gen
               AND e.wrap = n.old
             RETURNING e.user_id, e.dek_id)
           UPDATE deks d SET escrow_gen = %(escrow_gen)s
           FROM moved m WHERE d.user_id = m.user_id AND d.dek_id = m.dek_id""",
        {
            "users": [each.old.user for each in replacements],
            "deks": [each.old.dek for each in replacements],
            "gens": [each.old.escrow_gen for each in replacements],
            "old": [each.old.wrap for each in replacements],
            "new": [each.wrap for each in replacements],
            "escrow_gen": escrow_gen,
            "pepper_gen": pepper_gen,
        },
    )
    return done.rowcount


def users_on_older(conn: Connection, current: int) -> int:
    """How many users have a wrap that is not on the current escrow key; without a lock."""
    row = conn.execute(
        "SELECT count(DISTINCT user_id) FROM escrow_wraps WHERE escrow_gen <> %(current)s",
        {"current": current},
    ).fetchone()
    return int(row[0]) if row else 0


def users_left(conn: Connection, current: int, rotation: UUID) -> int:
    """The same without those whose wraps are known not to open."""
    row = conn.execute(
        """SELECT count(DISTINCT e.user_id) FROM escrow_wraps e
           WHERE e.escrow_gen <> %(current)s AND NOT EXISTS (
             SELECT 1 FROM rotation_failures f
             WHERE f.rotation_id = %(rotation)s AND f.user_id = e.user_id AND f.wrap = 'escrow')""",
        {"current": current, "rotation": rotation},
    ).fetchone()
    return int(row[0]) if row else 0


def is_needed(conn: Connection, escrow_gen: int) -> bool:
    """Whether a wrap is on it; without a lock."""
    row = conn.execute(
        "SELECT 1 FROM escrow_wraps WHERE escrow_gen = %(gen)s LIMIT 1", {"gen": escrow_gen}
    ).fetchone()
    return row is not None


def any_on_older(conn: Connection, current: int) -> bool:
    """Whether there is anything for a rotation to do; without a lock."""
    row = conn.execute(
        "SELECT 1 FROM escrow_wraps WHERE escrow_gen <> %(current)s LIMIT 1", {"current": current}
    ).fetchone()
    return row is not None
