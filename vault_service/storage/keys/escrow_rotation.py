"""Escrow wraps that are not on the current escrow key: a page of them, and how new ones take their place.

Of all DEKs of a user, also of those that are kept under a newer one. A wrap that its DEK's row does not name
was put there by nobody of ours: it comes without a check value, so that it opens for nobody and is told. So
does one whose place on the current key is taken. Of several of one DEK the one that its row names comes
first, and the others once that one is not on an older key any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import NOBODY, DekId, TenantId, UserId
from vault_service.storage.keys.peel import EscrowPageRow
from vault_service.storage.keys.rotations import count_failures

_WIDEST = 32_768  # wraps that one statement looks at: some 20 ms


@dataclass(frozen=True, slots=True)
class StoredWrap:
    """An escrow wrap as it is stored, and what the context of its outer layer is made of."""

    tenant: TenantId
    user: UserId
    dek: DekId
    login_index: bytes = field(repr=False)
    login_index_gen: int
    escrow_gen: int
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 174 bytes


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes the place of exactly this old wrap."""

    old: StoredWrap
    wrap: bytes = field(repr=False)  # 174 bytes


def older_escrow_page(
    conn: Connection, *, current: int, after: UserId | None, limit: int
) -> tuple[tuple[EscrowPageRow, ...], bool]:
    """About `limit` wraps of the next users, in order, and whether there may be more.

    All of a user's stand on one page. Looked for in windows, so that no statement is long where nearly
    everything is on the current key: at the end of a sweep, or where another ceremony has been.
    """
    first, window = after or UserId(NOBODY), limit
    while True:
        rows, more, last = _older_in_window(conn, current, first, limit, window)
        if rows or last is None:
            return rows, more
        first, window = last, min(8 * window, _WIDEST)


def _older_in_window(
    conn: Connection, current: int, after: UserId, limit: int, window: int
) -> tuple[tuple[EscrowPageRow, ...], bool, UserId | None]:
    """Those that are older and whether there may be more; if there are none, the last user's id."""
    values = {"after": after, "current": current, "limit": limit, "window": window}
    rows = conn.execute(
        """WITH seen AS MATERIALIZED (
             SELECT user_id, dek_id, escrow_gen FROM escrow_wraps WHERE user_id > %(after)s
             ORDER BY user_id FETCH FIRST (%(window)s) ROWS WITH TIES),
           older AS (
             SELECT * FROM (
               SELECT *, bool_or(escrow_gen = %(current)s) OVER (PARTITION BY user_id, dek_id) AS taken
               FROM seen) AS s
             WHERE escrow_gen <> %(current)s
             ORDER BY user_id FETCH FIRST (%(limit)s) ROWS WITH TIES)
           SELECT u.tenant_id, e.user_id, e.dek_id, u.epoch, u.login_index, u.login_index_gen,
                  d.dek_check, e.escrow_gen, e.pepper_gen, e.wrap, (SELECT count(*) FROM seen)
           FROM older o
             JOIN escrow_wraps e
               ON e.user_id = o.user_id AND e.dek_id = o.dek_id AND e.escrow_gen = o.escrow_gen
             JOIN users u ON u.user_id = e.user_id
             LEFT JOIN deks d ON d.user_id = e.user_id AND d.dek_id = e.dek_id
               AND d.escrow_gen = e.escrow_gen AND NOT o.taken""",
        values,
    ).fetchall()
    if rows:
        seen = int(rows[0][-1])
        found = sorted((EscrowPageRow(*row[:-1]) for row in rows), key=lambda row: row.dek_check is not None)
        page = {(row.user, row.dek): row for row in found}  # the last of each
        return tuple(page[key] for key in sorted(page)), seen >= window or len(rows) >= limit, None
    row = conn.execute(
        """SELECT user_id FROM escrow_wraps WHERE user_id > %(after)s
           ORDER BY user_id OFFSET %(window)s - 1 LIMIT 1""",
        values,
    ).fetchone()
    return (), False, UserId(row[0]) if row else None


def stored_wraps(conn: Connection, *, users: Sequence[UUID], deks: Sequence[UUID]) -> tuple[StoredWrap, ...]:
    """Of these users' DEKs, as they are now; of a DEK the one that its row names."""
    rows = conn.execute(
        """SELECT u.tenant_id, e.user_id, e.dek_id, u.login_index, u.login_index_gen, e.escrow_gen,
                  e.pepper_gen, e.wrap
           FROM unnest(%(users)b::uuid[], %(deks)b::uuid[]) AS w (user_id, dek_id)
             JOIN escrow_wraps e ON e.user_id = w.user_id AND e.dek_id = w.dek_id
             JOIN deks d ON d.user_id = e.user_id AND d.dek_id = e.dek_id AND d.escrow_gen = e.escrow_gen
             JOIN users u ON u.user_id = e.user_id""",
        {"users": list(users), "deks": list(deks)},
    )
    return tuple(StoredWrap(*row) for row in rows)


def replace_wraps(
    conn: Connection, replacements: Sequence[Replacement], *, escrow_gen: int, pepper_gen: int
) -> int:
    """Compare-and-set on the old wrap's bytes and generation; how many stand now.

    Nothing else of the rows changes, so that it shows for good when each was made.
    """
    # A page of another rotation may meet this one: both come to the rows in one order.
    replacements = sorted(replacements, key=lambda each: (each.old.user.int, each.old.dek.int))
    done = conn.execute(
        """WITH n AS (
             SELECT * FROM unnest(%(users)b::uuid[], %(deks)b::uuid[], %(gens)b::integer[],
                                  %(old)b::bytea[], %(new)b::bytea[])
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


def forget_failures(conn: Connection, rotation: UUID, users: Sequence[UserId]) -> None:
    """Escrow wraps of these users did not open once, and were put right."""
    if not count_failures(conn, rotation):  # as nearly always: several hundred ids need not travel
        return
    conn.execute(
        """DELETE FROM rotation_failures
           WHERE rotation_id = %(id)s AND wrap = 'escrow' AND user_id = ANY(%(users)s::uuid[])""",
        {"id": rotation, "users": list(users)},
    )
