"""Sign in: the key service opens the DEK, and the session keeps it wrapped under the token's secret."""

import msgspec

from vault_service.accounts.across import is_put_back
from vault_service.accounts.data_key import changed_at_sign_in, go_on_at_sign_in
from vault_service.accounts.service import AccountParts, SignedIn
from vault_service.crypto.dek import DataKeys, Dek
from vault_service.domain.errors import LoginRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, DekId, TenantId, UnlockId, UserId
from vault_service.kms.protocol.messages import Unlock, Unlocked
from vault_service.sessions.begin import new_session
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.sessions import insert_session, trim_sessions
from vault_service.storage.records.users import delete_user, ensure_user, name_app, was_erased


def sign_in(
    parts: AccountParts, app_key: str, login: str, password: str, *, idle_s: int | None = None
) -> SignedIn:
    """Open a session. Raises LoginRefusedError, ThrottledError, AppKeyRefusedError.

    `idle_s`: it ends after so many seconds without a request, where the policy does not end it sooner.
    """
    request = Unlock(app_key, login, password)
    opened = parts.kms.call(request, Unlocked)
    if opened.change_data_key and not is_put_back(parts, UserId(opened.user_id), opened.epoch):
        opened = changed_at_sign_in(parts, request, opened)
    user, app, unlock = UserId(opened.user_id), AppId(opened.app_id), UnlockId(opened.unlock_id)
    tenant = TenantId(opened.tenant_id)
    dek = Dek(tenant, user, DekId(opened.dek_id), opened.dek)
    older = tuple(Dek(tenant, user, DekId(each.dek_id), each.dek) for each in opened.older)
    policy = parts.policies.sessions
    if idle_s is not None:
        policy = msgspec.structs.replace(policy, idle_timeout_s=min(idle_s, policy.idle_timeout_s))
    now = parts.now()
    token, row = new_session(
        DataKeys(dek, older),
        epoch=opened.epoch,
        app=app,
        unlock=unlock,
        must_change=opened.must_change,
        policy=policy,
        now=now,
    )
    with parts.db.transaction() as conn:
        name_app(conn, app, opened.app_name)
        floor, is_new = ensure_user(conn, user, tenant, opened.epoch, now)
        # Erased after the key service had opened the DEK: a session would outlive its user.
        erased = is_new and was_erased(conn, user)
        if erased:
            delete_user(conn, user)
        # A superuser of the keys database may put an old password wrap back: its epoch gives it away.
        current = floor <= opened.epoch and not erased
        if current:
            insert_session(conn, row)
            trimmed = trim_sessions(conn, user, policy.max_per_user)
            if trimmed:
                insert_event(conn, user=user, kind=RecordsEvent.SESSIONS_ENDED, at=now, app=app, n=trimmed)
        kind = RecordsEvent.SESSION_OPENED if current else RecordsEvent.SESSION_REFUSED
        insert_event(conn, user=user, kind=kind, at=now, app=app, session=token.session, unlock=unlock)
    if not current:
        raise LoginRefusedError
    remaining = go_on_at_sign_in(parts, token) if older else 0
    return SignedIn(token, user, row.expires_at, policy.idle_timeout_s, opened.must_change, remaining)
