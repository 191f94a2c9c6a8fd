"""The accounts' use cases as one object, for the faces."""

from collections.abc import Iterator
from dataclasses import dataclass

from vault_service.accounts import accesses as _accesses
from vault_service.accounts import change_login as _change_login
from vault_service.accounts import change_password as _change_password
from vault_service.accounts import data_key as _data_key
from vault_service.accounts import erase as _erase
from vault_service.accounts import receipts as _receipts
from vault_service.accounts import regain as _regain
from vault_service.accounts import sign_in as _sign_in
from vault_service.accounts import sign_up as _sign_up
from vault_service.accounts.readiness import readiness
from vault_service.accounts.service import Account, AccountParts, SignedIn, SignedUp
from vault_service.domain.ids import CaseId, UserId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.recovery_messages import RecoveryBegun, RecoveryStatusIs
from vault_service.records.reencrypt import Progress


@dataclass(frozen=True, slots=True)
class Accounts:
    """Each method is described where its function stands."""

    parts: AccountParts

    def sign_up(
        self, app_key: str, login: str, password: str | None, idempotency_key: str | None
    ) -> SignedUp:
        """See accounts/sign_up.py."""
        return _sign_up.sign_up(self.parts, app_key, login, password, idempotency_key)

    def sign_in(self, app_key: str, login: str, password: str, *, idle_s: int | None = None) -> SignedIn:
        """See accounts/sign_in.py."""
        return _sign_in.sign_in(self.parts, app_key, login, password, idle_s=idle_s)

    def redeem_one_time_password(self, user: UserId, one_time: str, new_password: str) -> None:
        """See accounts/change_password.py."""
        _change_password.redeem_one_time_password(self.parts, user, one_time, new_password)

    def change_password(self, token: SessionToken, current: str, new: str) -> None:
        """See accounts/change_password.py."""
        _change_password.change_password(self.parts, token, current, new)

    def change_data_key(self, token: SessionToken, password: str) -> None:
        """See accounts/data_key.py."""
        _data_key.change_data_key(self.parts, token, password)

    def continue_data_key(self, token: SessionToken) -> Progress:
        """See accounts/data_key.py."""
        return _data_key.continue_data_key(self.parts, token)

    def change_login(self, token: SessionToken, password: str, new_login: str) -> None:
        """See accounts/change_login.py."""
        _change_login.change_login(self.parts, token, password, new_login)

    def erase(self, token: SessionToken, password: str) -> None:
        """See accounts/erase.py."""
        _erase.erase(self.parts, token, password)

    def begin_recovery(
        self, app_key: str, login: str, new_password: str, *, stolen: bool, idempotency_key: str | None
    ) -> RecoveryBegun:
        """See accounts/regain.py."""
        return _regain.begin_recovery(
            self.parts, app_key, login, new_password, stolen=stolen, idempotency_key=idempotency_key
        )

    def recovery_status(self, app_key: str, case: CaseId) -> RecoveryStatusIs:
        """See accounts/regain.py."""
        return _regain.recovery_status(self.parts, app_key, case)

    def cancel_recovery(self, token: SessionToken, case: CaseId) -> None:
        """See accounts/regain.py."""
        _regain.cancel_recovery(self.parts, token, case)

    def create_recovery_code(self, token: SessionToken, password: str) -> str:
        """See accounts/regain.py."""
        return _regain.create_recovery_code(self.parts, token, password)

    def redeem_recovery_code(self, app_key: str, login: str, code: str, new_password: str) -> None:
        """See accounts/regain.py."""
        _regain.redeem_recovery_code(self.parts, app_key, login, code, new_password)

    def account(self, token: SessionToken) -> Account:
        """See accounts/accesses.py."""
        return _accesses.account(self.parts, token)

    def accesses(self, token: SessionToken, limit: int, cursor: str | None) -> _accesses.AccessPage:
        """See accounts/accesses.py."""
        return _accesses.accesses(self.parts, token, limit, cursor)

    def receipts(self, token: SessionToken) -> Iterator[bytes]:
        """See accounts/receipts.py."""
        return _receipts.receipts(self.parts, token)

    def ready(self) -> dict[str, str]:
        """See accounts/readiness.py."""
        return readiness(self.parts)
