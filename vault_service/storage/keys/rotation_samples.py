"""How far a rotation was when: one row for each event about it. For pictures, and for no decision."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a rotation."""

    rotation: UUID
    at: datetime
    looked_at: int  # users
    rewrapped: int  # wraps


def insert_sample(conn: Connection, sample: Sample) -> None:
    """In the transaction of the event; two of the same microsecond are one."""
    conn.execute(
        """INSERT INTO rotation_samples (rotation_id, at, looked_at, rewrapped)
           VALUES (%(id)s, %(at)s, %(looked)s, %(rewrapped)s) ON CONFLICT DO NOTHING""",
        {
            "id": sample.rotation,
            "at": sample.at,
            "looked": sample.looked_at,
            "rewrapped": sample.rewrapped,
        },
    )


def list_samples(conn: Connection, rotation: UUID, *, limit: int = 200) -> tuple[Sample, ...]:
    """Oldest first; of more than `limit`, as many spread evenly over the rotation, and the last one."""
    rows = conn.execute(
        """SELECT rotation_id, at, looked_at, rewrapped
           FROM (SELECT *, row_number() OVER (ORDER BY at) AS n, count(*) OVER () AS all_of_them
                 FROM rotation_samples WHERE rotation_id = %(id)s) s
           WHERE all_of_them <= %(limit)s OR n %% ceil(all_of_them::float8 / %(limit)s)::bigint = 1
              OR n = all_of_them
           ORDER BY at""",
        {"id": rotation, "limit": limit},
    )
    return tuple(Sample(*row) for row in rows)
