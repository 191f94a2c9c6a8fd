"""The accounts' use cases as one object, for the faces."""

from collections.abc import Iterator
from dataclasses import dataclass

from vault_service.accounts import accesses as _accesses
from vault_service.accounts import change_login as _change_login
from vault_service.accounts import change_password as _change_password
from vault_service.accounts import erase as _erase
from vault_service.accounts import receipts as _receipts
from vault_service.accounts import sign_in as _sign_in
from vault_service.accounts import sign_up as _sign_up
from vault_service.accounts.readiness import readiness
from vault_service.accounts.service import Account, AccountParts, SignedIn, SignedUp
from vault_service.domain.ids import UserId
from vault_service.domain.tokens import SessionToken


@dataclass(frozen=True, slots=True)
class Accounts:
    """Each method is described where its function stands."""

    parts: AccountParts

    def sign_up(
        self, app_key: str, login: str, password: str | None, idempotency_key: str | None
    ) -> SignedUp:
        """See accounts/sign_up.py."""
        return _sign_up.sign_up(self.parts, app_key, login, password, idempotency_key)

    def sign_in(self, app_key: str, login: str, password: str) -> SignedIn:
        """See accounts/sign_in.py."""
        return _sign_in.sign_in(self.parts, app_key, login, password)

    def redeem_one_time_password(self, user: UserId, one_time: str, new_password: str) -> None:
        """See accounts/change_password.py."""
        _change_password.redeem_one_time_password(self.parts, user, one_time, new_password)

    def change_password(self, token: SessionToken, current: str, new: str) -> None:
        """See accounts/change_password.py."""
        _change_password.change_password(self.parts, token, current, new)

    def change_login(self, token: SessionToken, password: str, new_login: str) -> None:
        """See accounts/change_login.py."""
        _change_login.change_login(self.parts, token, password, new_login)

    def erase(self, token: SessionToken, password: str) -> None:
        """See accounts/erase.py."""
        _erase.erase(self.parts, token, password)

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
