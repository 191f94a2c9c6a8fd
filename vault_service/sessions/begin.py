"""Begin a session: wrap the DEK under a new secret that only the client keeps."""

from datetime import datetime, timedelta

from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import seal
from vault_service.domain.contexts import SessionContext
from vault_service.domain.ids import AppId, SessionId, UnlockId, new_uuid
from vault_service.domain.tokens import SessionToken, new_secret, secret_hash
from vault_service.policy.rules import SessionPolicy
from vault_service.storage.records.sessions import SessionRow


def new_session(
    dek: Dek,
    *,
    epoch: int,
    app: AppId,
    unlock: UnlockId,
    must_change: bool,
    policy: SessionPolicy,
    now: datetime,
) -> tuple[SessionToken, SessionRow]:
    """The token for the client and the row for the database; neither opens anything without the other."""
    session = SessionId(new_uuid())
    secret = new_secret()
    row = SessionRow(
        user=dek.user,
        session=session,
        secret_hash=secret_hash(secret),
        dek=dek.dek,
        dek_wrap=seal(secret, SessionContext(dek.tenant, dek.user, dek.dek, session, epoch), dek.key),
        epoch=epoch,
        app=app,
        unlock=unlock,
        must_change=must_change,
        created_at=now,
        idle_s=policy.idle_timeout_s,
        expires_at=now + timedelta(seconds=policy.absolute_timeout_s),
    )
    return SessionToken(dek.user, session, secret), row
