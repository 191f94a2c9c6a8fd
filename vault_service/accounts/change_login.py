"""Change a login: the key service rewrites outer layers; sessions and records stay as they are."""

from vault_service.accounts.across import keys_side_done
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import KmsUnavailableError, MustChangePasswordError, OutcomeUnknownError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.messages import ChangeLogin, Done
from vault_service.sessions.open import open_session
from vault_service.storage.records.events import check_writable, insert_event


def change_login(parts: AccountParts, token: SessionToken, password: str, new_login: str) -> None:
    """Raises LoginTakenError, LoginRefusedError, ThrottledError, ConcurrentChangeError."""
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    check_writable(parts.db)  # else the login would change, and this side's trail never say so
    try:
        parts.kms.call(ChangeLogin(session.user, password, new_login), Done)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None
    with keys_side_done(), parts.db.transaction() as conn:
        insert_event(
            conn, user=session.user, kind=RecordsEvent.LOGIN_CHANGED, at=parts.now(), app=session.app,
            session=session.session, unlock=session.unlock,
        )  # fmt: skip
