"""Open a session: the token's secret unwraps the DEK. Between two requests no server holds a usable one."""

from dataclasses import dataclass, field
from datetime import datetime

from vault_service.crypto.dek import DataKeys, Dek
from vault_service.crypto.seal import WRAPPED_KEY_BYTES, open_sealed
from vault_service.domain.contexts import SessionContext
from vault_service.domain.errors import SealBrokenError, SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, DekId, SessionId, TenantId, UnlockId, UserId
from vault_service.domain.tokens import SessionToken, secret_hash
from vault_service.storage.pool import Database
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.sessions import LiveSession, SessionKey, find_live_session


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user's request, with the key to that user's data."""

    keys: DataKeys
    user: UserId
    tenant: TenantId
    session: SessionId
    app: AppId
    unlock: UnlockId
    epoch: int
    must_change: bool
    secret_hash: bytes = field(repr=False)

    @property
    def dek(self) -> Dek:
        """What is written is sealed under this one."""
        return self.keys.current

    @property
    def key(self) -> SessionKey:
        """How storage looks the session up."""
        return SessionKey(self.user, self.session, self.secret_hash)


def session_key(token: SessionToken) -> SessionKey:
    """What the database may know of a token."""
    return SessionKey(token.user, token.session, secret_hash(token.secret))


def seen_to_s(idle_s: int) -> int:
    """How exactly it is kept when a session was used last, by how long it lasts unused: so many seconds, as
    _SEEN of storage/records/sessions.py has it.
    """
    return min(60, idle_s // 10)


def open_session(db: Database, token: SessionToken, now: datetime) -> Session:
    """One statement, then the unwrapping.

    Raises SessionRefusedError when the session is unknown, ended, expired, idle for too long, below
    the user's epoch, or does not open.
    """
    key = session_key(token)
    return unwrap_session(db, token, db.run(lambda conn: find_live_session(conn, key, now)), now)


def unwrap_session(db: Database, token: SessionToken, live: LiveSession | None, now: datetime) -> Session:
    """The session of a row that a combined statement read. Raises SessionRefusedError.

    The database compared the secret's hash: if the secret does not open the row's wrap, then the row
    was altered or moved. The caller is not told, the trail is.
    """
    if live is None:
        raise SessionRefusedError
    try:
        current = _opened(token, live, live.dek, live.dek_wrap)
        pairs = zip(live.older_deks or (), live.older_wraps or (), strict=True)
        older = tuple(_opened(token, live, dek, wrap) for dek, wrap in pairs)
    except SealBrokenError:
        with db.connection() as conn:
            insert_event(
                conn, user=token.user, kind=RecordsEvent.RECORD_INTEGRITY_FAILED, at=now, app=live.app,
                session=token.session, unlock=live.unlock,
            )  # fmt: skip
        raise SessionRefusedError from None
    return Session(
        keys=DataKeys(current, older),
        user=token.user,
        tenant=live.tenant,
        session=token.session,
        app=live.app,
        unlock=live.unlock,
        epoch=live.epoch,
        must_change=live.must_change,
        secret_hash=secret_hash(token.secret),
    )


def _opened(token: SessionToken, live: LiveSession, dek: DekId, wrap: bytes) -> Dek:
    place = SessionContext(live.tenant, token.user, dek, token.session, live.epoch)
    return Dek(live.tenant, token.user, dek, open_sealed(token.secret, place, wrap, length=WRAPPED_KEY_BYTES))
