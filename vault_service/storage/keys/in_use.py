"""Since when that is in use which is rotated and stands in no manifest."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class AppKeys:
    """An app that is not revoked."""

    name: str
    tenant: str
    newest: datetime


@dataclass(frozen=True, slots=True)
class DataKeys:
    """Of everybody."""

    oldest: datetime | None
    older: int


def list_app_keys(conn: Connection) -> tuple[AppKeys, ...]:
    """When the newest key of each app was made."""
    rows = conn.execute(
        """SELECT a.name, t.name, max(k.created_at)
           FROM apps a JOIN tenants t USING (tenant_id) JOIN app_keys k USING (app_id)
           WHERE a.revoked_at IS NULL GROUP BY a.app_id, a.name, t.name ORDER BY t.name, a.name"""
    )
    return tuple(AppKeys(*row) for row in rows)


def count_data_keys(conn: Connection, before: datetime) -> DataKeys:
    """The oldest of those that are not being given up, and how many were made before that time."""
    row = conn.execute(
        """SELECT min(created_at), count(*) FILTER (WHERE created_at < %(before)s)
           FROM deks WHERE next_dek_id IS NULL""",
        {"before": before},
    ).fetchone()
    return DataKeys(row[0], int(row[1])) if row else DataKeys(None, 0)


def share_set_made_at(conn: Connection) -> datetime | None:
    """The one whose PIN is the escrow token's now."""
    row = conn.execute("SELECT created_at FROM pin_generations WHERE state = 'active'").fetchone()
    return row[0] if row else None
