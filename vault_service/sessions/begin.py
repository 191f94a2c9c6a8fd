"""Begin a session: wrap the DEK, and older ones, under a new secret that only the client keeps."""

from datetime import datetime, timedelta

from vault_service.crypto.dek import DataKeys, Dek
from vault_service.crypto.seal import seal
from vault_service.domain.contexts import SessionContext
from vault_service.domain.ids import AppId, SessionId, UnlockId, new_uuid
from vault_service.domain.tokens import SessionToken, new_secret, secret_hash
from vault_service.policy.rules import SessionPolicy
from vault_service.storage.records.sessions import SessionRow


def new_session(
    keys: DataKeys,
    *,
    epoch: int,
    app: AppId,
    unlock: UnlockId,
    must_change: bool,
    policy: SessionPolicy,
    now: datetime,
) -> tuple[SessionToken, SessionRow]:
    """The token for the client and the row for the database; neither opens anything without the other."""
    dek, session, secret = keys.current, SessionId(new_uuid()), new_secret()

    def wrapped(key: Dek) -> bytes:
        return seal(secret, SessionContext(key.tenant, key.user, key.dek, session, epoch), key.key)

    row = SessionRow(
        user=dek.user,
        session=session,
        secret_hash=secret_hash(secret),
        dek=dek.dek,
        dek_wrap=wrapped(dek),
        epoch=epoch,
        app=app,
        unlock=unlock,
        must_change=must_change,
        created_at=now,
        idle_s=policy.idle_timeout_s,
        expires_at=now + timedelta(seconds=policy.absolute_timeout_s),
        older=tuple((key.dek, wrapped(key)) for key in keys.older),
    )
    return SessionToken(dek.user, session, secret), row
