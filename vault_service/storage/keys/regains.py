"""What a regain has beside its case: a sealed private key; and how many there are of a login or an app."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import Connection

from vault_service.domain.contexts import KdfParams
from vault_service.domain.ids import AppId, CaseId


@dataclass(frozen=True, slots=True)
class RegainKeyRow:
    """A case's private key under the new password, then under the pepper."""

    kdf: KdfParams
    salt: bytes = field(repr=False)  # 16 bytes
    pepper_gen: int
    wrap: bytes = field(repr=False)  # 154 bytes


@dataclass(frozen=True, slots=True)
class Regains:
    """How many regains count against the limits; times are those at which one of them stops to count."""

    open: int  # of the login, undecided and not expired
    open_here: int  # of them through this app
    open_until: datetime | None
    today: int  # of the login, opened within a day; those that an officer vetoed do not count
    today_here: int
    today_since: datetime | None
    this_hour: int  # of the app
    this_hour_since: datetime | None


def insert_regain_key(conn: Connection, case: CaseId, key: RegainKeyRow) -> None:
    """The key of a case that is being opened."""
    conn.execute(
        """INSERT INTO regain_keys (case_id, kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen,
                                    wrap)
           VALUES (%(case)s, %(mem)s, %(iters)s, %(lanes)s, %(salt)s, %(pepper)s, %(wrap)s)""",
        {
            "case": case,
            "mem": key.kdf.memory_kib,
            "iters": key.kdf.iterations,
            "lanes": key.kdf.lanes,
            "salt": key.salt,
            "pepper": key.pepper_gen,
            "wrap": key.wrap,
        },
    )


def find_regain_key(conn: Connection, case: CaseId) -> RegainKeyRow | None:
    """The key of a case that can still be executed."""
    row = conn.execute(
        """SELECT kdf_memory_kib, kdf_iterations, kdf_lanes, salt, pepper_gen, wrap FROM regain_keys
           WHERE case_id = %(case)s""",
        {"case": case},
    ).fetchone()
    return RegainKeyRow(KdfParams(row[0], row[1], row[2]), row[3], row[4], row[5]) if row else None


def delete_regain_key(conn: Connection, case: CaseId) -> None:
    """The case has ended: nothing under that password is kept for it."""
    conn.execute("DELETE FROM regain_keys WHERE case_id = %(case)s", {"case": case})


def lock_login(conn: Connection, indexes: Sequence[bytes]) -> None:
    """Until the end of the transaction nobody else counts or opens regains of this login.

    `indexes`: under each live generation; two who know of different ones have one in common.
    """
    for index in sorted(indexes):
        conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('regains/' || encode(%(index)s, 'hex'), 0))",
            {"index": index},
        )


def count_regains(
    conn: Connection, indexes: Sequence[bytes], app: AppId, now: datetime, *, per_hour: int
) -> Regains:
    """Decoys count alike. `per_hour`: further than this the app's are not counted.

    What was opened in the far future was opened by a clock that had jumped ahead, and does not count.
    """
    row = conn.execute(
        """WITH of_login AS (
             SELECT app_id = %(app)s AS here, opened_at, expires_at,
               state IN ('open', 'executing') AND expires_at > %(now)s AS is_open,
               state <> 'vetoed' AND opened_at > %(now)s::timestamptz - interval '1 day'
                 AND opened_at < %(now)s::timestamptz + interval '1 day' AS is_today
             FROM cases WHERE login_index = ANY(%(indexes)s::bytea[]) AND kind = 'regain'),
           of_app AS (
             SELECT opened_at FROM cases WHERE app_id = %(app)s AND kind = 'regain'
               AND opened_at > %(now)s::timestamptz - interval '1 hour'
               AND opened_at < %(now)s::timestamptz + interval '1 hour'
             ORDER BY opened_at DESC LIMIT %(per_hour)s)
           SELECT count(*) FILTER (WHERE is_open), count(*) FILTER (WHERE is_open AND here),
             min(expires_at) FILTER (WHERE is_open),
             count(*) FILTER (WHERE is_today), count(*) FILTER (WHERE is_today AND here),
             min(opened_at) FILTER (WHERE is_today),
             (SELECT count(*) FROM of_app), (SELECT min(opened_at) FROM of_app)
           FROM of_login""",
        {"indexes": list(indexes), "app": app, "now": now, "per_hour": per_hour},
    ).fetchone()
    assert row is not None, "an aggregate always has a row"
    return Regains(*row)
