"""Invitations to enrol as an officer, and the cards that came in by them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """Whom an officer invited; the token itself is kept nowhere."""

    invitation_id: UUID
    token_hash: bytes = field(repr=False)  # SHA-256
    officer_id: UUID
    name: str
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """A card that was handed in, and on whose invitation."""

    invitation: InvitationRow
    card: bytes = field(repr=False)
    at: datetime


def insert_invitation(conn: Connection, row: InvitationRow) -> None:
    """A new one."""
    conn.execute(
        """INSERT INTO invitations
             (invitation_id, token_hash, officer_id, name, invited_by, created_at, expires_at)
           VALUES (%(id)s, %(hash)s, %(officer)s, %(name)s, %(by)s, %(created)s, %(expires)s)""",
        {
            "id": row.invitation_id,
            "hash": row.token_hash,
            "officer": row.officer_id,
            "name": row.name,
            "by": row.invited_by,
            "created": row.created_at,
            "expires": row.expires_at,
        },
    )


def find_open_invitation(conn: Connection, token_hash: bytes, now: datetime) -> InvitationRow | None:
    """Unless it was used, or its time is over."""
    row = conn.execute(
        """SELECT i.invitation_id, i.token_hash, i.officer_id, i.name, i.invited_by, i.created_at,
                  i.expires_at
           FROM invitations i
           WHERE i.token_hash = %(hash)s AND i.expires_at > %(now)s
             AND NOT EXISTS (SELECT 1 FROM enrolments e WHERE e.invitation_id = i.invitation_id)""",
        {"hash": token_hash, "now": now},
    ).fetchone()
    return None if row is None else InvitationRow(*row)


def insert_enrolment(conn: Connection, invitation: UUID, card: bytes, at: datetime) -> bool:
    """False: a card came in by this invitation already."""
    row = conn.execute(
        """INSERT INTO enrolments (invitation_id, card, at) VALUES (%(id)s, %(card)s, %(at)s)
           ON CONFLICT (invitation_id) DO NOTHING RETURNING invitation_id""",
        {"id": invitation, "card": card, "at": at},
    ).fetchone()
    return row is not None


def find_enrolment(conn: Connection, invitation: UUID) -> EnrolmentRow | None:
    """What came in by this invitation."""
    row = conn.execute(
        """SELECT i.invitation_id, i.token_hash, i.officer_id, i.name, i.invited_by, i.created_at,
                  i.expires_at, e.card, e.at
           FROM enrolments e JOIN invitations i USING (invitation_id) WHERE invitation_id = %(id)s""",
        {"id": invitation},
    ).fetchone()
    return None if row is None else EnrolmentRow(InvitationRow(*row[:7]), bytes(row[7]), row[8])


def list_enrolments(conn: Connection, limit: int) -> tuple[EnrolmentRow, ...]:
    """The newest first."""
    rows = conn.execute(
        """SELECT i.invitation_id, i.token_hash, i.officer_id, i.name, i.invited_by, i.created_at,
                  i.expires_at, e.card, e.at
           FROM enrolments e JOIN invitations i USING (invitation_id)
           ORDER BY invitation_id DESC LIMIT %(limit)s""",
        {"limit": limit},
    )
    return tuple(EnrolmentRow(InvitationRow(*row[:7]), bytes(row[7]), row[8]) for row in rows)
