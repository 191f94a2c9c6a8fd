"""Register, rotate and revoke apps: the operator's calls."""

from datetime import timedelta
from uuid import UUID

from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import AppId, TenantId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret, secret_hash
from vault_service.kms.protocol.messages import (
    AppKeyIssued,
    AppRow,
    Apps,
    CreateApp,
    Done,
    ListApps,
    RevokeApp,
    RotateAppKey,
)
from vault_service.kms.service import KeyService
from vault_service.storage.keys import apps as stored
from vault_service.storage.keys.events import insert_event


def _new_key(app: AppId) -> AppKey:
    return AppKey(app, UUID(int=new_uuid().int), new_secret())


def create_app(service: KeyService, request: CreateApp) -> AppKeyIssued:
    """Raises InvalidInputError when the tenant has an app of that name."""
    key = _new_key(AppId(new_uuid()))
    with service.db.transaction() as conn:
        now = service.now()
        tenant = stored.ensure_tenant(conn, TenantId(new_uuid()), request.tenant, now)
        created = stored.insert_app(conn, key.app, tenant, request.app_name, now)
        if created:
            stored.insert_key(conn, key.app, key.key, secret_hash(key.secret), now)
            insert_event(conn, KeysEvent.APP_CREATED, now, app=key.app)
    if not created:
        raise InvalidInputError("app_name", "this tenant has an app of that name; rotate its key instead")
    return AppKeyIssued(key.app, key.reveal())


def rotate_app_key(service: KeyService, request: RotateAppKey) -> AppKeyIssued:
    """Add a key; the others end after the overlap. Raises NotFoundError."""
    with service.db.transaction() as conn:
        now = service.now()
        app = stored.find_app(conn, request.tenant, request.app_name)
        if app is not None:
            stored.expire_keys(conn, app, now + timedelta(seconds=request.overlap_s))
            key = _new_key(app)
            stored.insert_key(conn, app, key.key, secret_hash(key.secret), now)
            insert_event(conn, KeysEvent.APP_KEY_ADDED, now, app=app)
            return AppKeyIssued(app, key.reveal())
    raise NotFoundError(f"no app {request.app_name} of tenant {request.tenant}")


def revoke_app(service: KeyService, request: RevokeApp) -> Done:
    """End an app's keys at once; sessions that it opened go on until they expire. Raises NotFoundError."""
    with service.db.transaction() as conn:
        now = service.now()
        app = stored.find_app(conn, request.tenant, request.app_name)
        if app is not None:
            stored.revoke_app(conn, app, now)
            insert_event(conn, KeysEvent.APP_REVOKED, now, app=app)
            return Done()
    raise NotFoundError(f"no app {request.app_name} of tenant {request.tenant}")


def list_apps(service: KeyService, request: ListApps) -> Apps:
    """All apps."""
    del request
    with service.db.connection() as conn:
        rows = stored.list_apps(conn, service.now())
    return Apps(
        tuple(
            AppRow(row.app, row.name, row.tenant, row.created_at.isoformat(), row.valid_keys, row.revoked)
            for row in rows
        )
    )
