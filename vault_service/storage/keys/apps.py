"""Apps and their keys; tenants that they belong to."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import AppId, TenantId


@dataclass(frozen=True, slots=True)
class AppKeyRow:
    """A key that is valid now, and whose it is."""

    app: AppId
    tenant: TenantId
    name: str
    secret_hash: bytes


@dataclass(frozen=True, slots=True)
class AppSummary:
    """An app as operators see it."""

    app: AppId
    name: str
    tenant: str
    created_at: datetime
    valid_keys: int
    revoked: bool


def find_key(conn: Connection, app: AppId, key: UUID, now: datetime) -> AppKeyRow | None:
    """The key, unless it ended or its app was revoked."""
    row = conn.execute(
        """SELECT a.app_id, a.tenant_id, a.name, k.secret_hash
           FROM app_keys k JOIN apps a USING (app_id)
           WHERE k.app_id = %(app)s AND k.key_id = %(key)s AND a.revoked_at IS NULL
             AND (k.expires_at IS NULL OR k.expires_at > %(now)s)""",
        {"app": app, "key": key, "now": now},
        prepare=True,
    ).fetchone()
    return AppKeyRow(*row) if row else None


def find_names(conn: Connection, tenant: TenantId) -> tuple[str, ...]:
    """What the apps of a tenant are called, at most a hundred of them."""
    rows = conn.execute(
        """SELECT name FROM apps WHERE tenant_id = %(tenant)s AND revoked_at IS NULL
           ORDER BY name LIMIT 100""",
        {"tenant": tenant},
        prepare=True,
    )
    return tuple(row[0] for row in rows)


def find_tenant(conn: Connection, name: str) -> TenantId | None:
    """The tenant of that name."""
    row = conn.execute("SELECT tenant_id FROM tenants WHERE name = %(name)s", {"name": name}).fetchone()
    return TenantId(row[0]) if row else None


def ensure_tenant(conn: Connection, tenant: TenantId, name: str, now: datetime) -> TenantId:
    """The tenant of that name; made if it is new."""
    conn.execute(
        """INSERT INTO tenants (tenant_id, name, created_at) VALUES (%(id)s, %(name)s, %(now)s)
           ON CONFLICT (name) DO NOTHING""",
        {"id": tenant, "name": name, "now": now},
    )
    row = conn.execute("SELECT tenant_id FROM tenants WHERE name = %(name)s", {"name": name}).fetchone()
    assert row is not None, "inserted or there before"
    return TenantId(row[0])


def insert_app(conn: Connection, app: AppId, tenant: TenantId, name: str, now: datetime) -> bool:
    """False when the tenant has an app of that name."""
    done = conn.execute(
        """INSERT INTO apps (app_id, tenant_id, name, created_at)
           VALUES (%(app)s, %(tenant)s, %(name)s, %(now)s) ON CONFLICT (tenant_id, name) DO NOTHING""",
        {"app": app, "tenant": tenant, "name": name, "now": now},
    )
    return done.rowcount == 1


def insert_key(conn: Connection, app: AppId, key: UUID, secret_hash: bytes, now: datetime) -> None:
    """Add a key to an app."""
    conn.execute(
        """INSERT INTO app_keys (app_id, key_id, secret_hash, created_at)
           VALUES (%(app)s, %(key)s, %(hash)s, %(now)s)""",
        {"app": app, "key": key, "hash": secret_hash, "now": now},
    )


def find_app(conn: Connection, tenant: str, name: str) -> AppId | None:
    """An app that is not revoked, by name; locked until the transaction ends."""
    row = conn.execute(
        """SELECT a.app_id FROM apps a JOIN tenants t USING (tenant_id)
           WHERE t.name = %(tenant)s AND a.name = %(name)s AND a.revoked_at IS NULL FOR UPDATE OF a""",
        {"tenant": tenant, "name": name},
    ).fetchone()
    return AppId(row[0]) if row else None


def expire_keys(conn: Connection, app: AppId, at: datetime) -> None:
    """Let the keys that there are end at that time, unless they end sooner."""
    conn.execute(
        """UPDATE app_keys SET expires_at = %(at)s
           WHERE app_id = %(app)s AND (expires_at IS NULL OR expires_at > %(at)s)""",
        {"app": app, "at": at},
    )


def revoke_app(conn: Connection, app: AppId, now: datetime) -> None:
    """End an app with all its keys."""
    conn.execute("UPDATE apps SET revoked_at = %(now)s WHERE app_id = %(app)s", {"app": app, "now": now})


def list_apps(conn: Connection, now: datetime) -> tuple[AppSummary, ...]:
    """All apps, by tenant and name."""
    rows = conn.execute(
        """SELECT a.app_id, a.name, t.name, a.created_at,
                  (SELECT count(*) FROM app_keys k WHERE k.app_id = a.app_id AND a.revoked_at IS NULL
                     AND (k.expires_at IS NULL OR k.expires_at > %(now)s)),
                  a.revoked_at IS NOT NULL
           FROM apps a JOIN tenants t USING (tenant_id) ORDER BY t.name, a.name""",
        {"now": now},
    ).fetchall()
    return tuple(AppSummary(*row) for row in rows)
