"""Ceremonies' notes, and the shares that were released to them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import CeremonyId, OfficerId


@dataclass(frozen=True, slots=True)
class CeremonyRow:
    """A note as it is stored; believed only by its signature."""

    ceremony: CeremonyId
    note: bytes
    signature: bytes
    expires_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A share sealed to a ceremony's ephemeral key."""

    officer: OfficerId
    pin_gen: int
    sealed: bytes = field(repr=False)


def insert_ceremony(
    conn: Connection, ceremony: CeremonyId, note: bytes, signature: bytes, expires_at: datetime
) -> None:
    """A note that the key service has signed."""
    conn.execute(
        """INSERT INTO ceremonies (ceremony_id, note, signature, expires_at)
           VALUES (%(id)s, %(note)s, %(signature)s, %(expires)s)""",
        {"id": ceremony, "note": note, "signature": signature, "expires": expires_at},
    )


def find_ceremony(conn: Connection, ceremony: CeremonyId) -> CeremonyRow | None:
    """One ceremony."""
    row = conn.execute(
        """SELECT ceremony_id, note, signature, expires_at, closed_at FROM ceremonies
           WHERE ceremony_id = %(id)s""",
        {"id": ceremony},
    ).fetchone()
    return CeremonyRow(*row) if row else None


def open_ceremonies(conn: Connection, now: datetime) -> tuple[CeremonyRow, ...]:
    """Those that still wait for shares, newest first."""
    rows = conn.execute(
        """SELECT ceremony_id, note, signature, expires_at, closed_at FROM ceremonies
           WHERE closed_at IS NULL AND expires_at > %(now)s ORDER BY expires_at DESC, ceremony_id""",
        {"now": now},
    )
    return tuple(CeremonyRow(*row) for row in rows)


def close_ceremony(conn: Connection, ceremony: CeremonyId, now: datetime) -> bool:
    """Nothing more is released to it. False when it was closed before."""
    done = conn.execute(
        "UPDATE ceremonies SET closed_at = %(now)s WHERE ceremony_id = %(id)s AND closed_at IS NULL",
        {"id": ceremony, "now": now},
    )
    return done.rowcount == 1


def insert_release(
    conn: Connection, ceremony: CeremonyId, release_id: UUID, release: ReleaseRow, now: datetime
) -> None:
    """Append a released share."""
    conn.execute(
        """INSERT INTO releases (ceremony_id, release_id, officer_id, pin_gen, sealed, at)
           VALUES (%(ceremony)s, %(id)s, %(officer)s, %(gen)s, %(sealed)s, %(now)s)""",
        {
            "ceremony": ceremony,
            "id": release_id,
            "officer": release.officer,
            "gen": release.pin_gen,
            "sealed": release.sealed,
            "now": now,
        },
    )


def list_releases(conn: Connection, ceremony: CeremonyId) -> tuple[ReleaseRow, ...]:
    """All that was released to a ceremony, in order; any of them may be rubbish."""
    rows = conn.execute(
        """SELECT officer_id, pin_gen, sealed FROM releases
           WHERE ceremony_id = %(id)s ORDER BY at, release_id""",
        {"id": ceremony},
    )
    return tuple(ReleaseRow(*row) for row in rows)


def released_by(
    conn: Connection, officer: OfficerId, ceremonies: Sequence[CeremonyId]
) -> tuple[CeremonyId, ...]:
    """To which of these ceremonies something was released in this officer's name, in the order given."""
    rows = conn.execute(
        """SELECT DISTINCT ceremony_id FROM releases
           WHERE officer_id = %(officer)s AND ceremony_id = ANY (%(ceremonies)s)""",
        {"officer": officer, "ceremonies": list(ceremonies)},
    )
    found = {row[0] for row in rows}
    return tuple(each for each in ceremonies if each in found)
