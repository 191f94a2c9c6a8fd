"""A user's data keys beside the present one: kept under it until no record is under them any more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import CredentialId, DekId, UserId
from vault_service.storage.keys.users import CredentialRow, EscrowRow, insert_dek, raise_epoch


@dataclass(frozen=True, slots=True)
class KeptDek:
    """An older DEK, sealed under the one that follows it."""

    dek: DekId
    dek_check: bytes = field(repr=False)  # 32 bytes
    under: DekId
    kept: bytes = field(repr=False)  # 93 bytes


def kept_deks(conn: Connection, user: UserId) -> tuple[KeptDek, ...]:
    """Newest first."""
    rows = conn.execute(
        """SELECT dek_id, dek_check, next_dek_id, kept FROM deks
           WHERE user_id = %(user)s AND kept IS NOT NULL ORDER BY created_at DESC, dek_id""",
        {"user": user},
        prepare=True,
    )
    return tuple(KeptDek(*row) for row in rows)


def put_dek(
    conn: Connection,
    user: UserId,
    expected: CredentialId,
    *,
    dek: DekId,
    dek_check: bytes,
    escrow: EscrowRow,
    credential: CredentialRow,
    kept: Iterable[tuple[DekId, bytes]],
    now: datetime,
) -> bool:
    """Give the user another DEK with its credential, and keep older ones under it.

    Compare-and-set on the credential's id. False: it is another one by now, and the caller takes back what
    the transaction wrote. A demand is met by this, and by nothing that keeps the credential.
    """
    insert_dek(conn, user, dek, dek_check, escrow, now)
    if not raise_epoch(conn, user, expected, credential, now):
        return False
    values = {"user": user, "dek": dek}
    conn.execute("UPDATE credentials SET dek_id = %(dek)s WHERE user_id = %(user)s", values)
    conn.execute("UPDATE users SET dek_id = %(dek)s WHERE user_id = %(user)s", values)
    for older, wrap in kept:  # one that was dropped meanwhile is gone
        conn.execute(
            """UPDATE deks SET next_dek_id = %(dek)s, kept = %(kept)s
               WHERE user_id = %(user)s AND dek_id = %(older)s""",
            {**values, "older": older, "kept": wrap},
        )
    conn.execute("DELETE FROM data_key_demands WHERE user_id = %(user)s", values)
    return True


def drop_dek(conn: Connection, user: UserId, dek: DekId) -> bool:
    """Delete an older DEK with its escrow wraps; False when there is none (any more) of this id.

    The wraps first, as a rotation of the escrow key locks them, or the two would wait for one another. Once
    a DEK is an older one it never is the present one again.
    """
    values = {"user": user, "dek": dek}
    conn.execute(
        """DELETE FROM escrow_wraps e USING deks d
           WHERE e.user_id = %(user)s AND e.dek_id = %(dek)s AND d.user_id = e.user_id AND d.dek_id = e.dek_id
             AND d.kept IS NOT NULL""",
        values,
    )
    gone = conn.execute(
        "DELETE FROM deks WHERE user_id = %(user)s AND dek_id = %(dek)s AND kept IS NOT NULL", values
    )
    return gone.rowcount == 1


def demand_data_keys(conn: Connection, users: Sequence[UserId], now: datetime) -> tuple[UserId, ...]:
    """Note that these users' DEKs are to be changed; returns those that there are."""
    rows = conn.execute(
        """WITH known AS (SELECT user_id FROM users WHERE user_id = ANY(%(users)s::uuid[]) FOR KEY SHARE),
             noted AS (INSERT INTO data_key_demands (user_id, demanded_at)
                       SELECT user_id, %(now)s FROM known ON CONFLICT DO NOTHING)
           SELECT user_id FROM known""",
        {"users": list(users), "now": now},
    )
    return tuple(UserId(row[0]) for row in rows)


def kept_escrows(conn: Connection, user: UserId) -> tuple[tuple[DekId, EscrowRow], ...]:
    """The escrow wraps of all older DEKs, of every generation."""
    rows = conn.execute(
        """SELECT d.dek_id, e.escrow_gen, e.pepper_gen, e.wrap
           FROM deks d JOIN escrow_wraps e USING (user_id, dek_id)
           WHERE d.user_id = %(user)s AND d.kept IS NOT NULL""",
        {"user": user},
    )
    return tuple((DekId(dek), EscrowRow(*escrow)) for dek, *escrow in rows)


def replace_kept_escrow(
    conn: Connection, user: UserId, dek: DekId, expected: EscrowRow, escrow: EscrowRow
) -> bool:
    """Compare-and-set on the wrap's bytes; also True when the DEK was dropped meanwhile."""
    values = {
        "user": user,
        "dek": dek,
        "gen": expected.escrow_gen,
        "expected": expected.wrap,
        "wrap": escrow.wrap,
        "pepper": escrow.pepper_gen,
    }
    done = conn.execute(
        """UPDATE escrow_wraps SET wrap = %(wrap)s, pepper_gen = %(pepper)s
           WHERE user_id = %(user)s AND dek_id = %(dek)s AND escrow_gen = %(gen)s AND wrap = %(expected)s""",
        values,
    )
    if done.rowcount:
        return True
    left = conn.execute("SELECT 1 FROM deks WHERE user_id = %(user)s AND dek_id = %(dek)s", values)
    return left.fetchone() is None
