"""What the user's page calls, and who its visitors are.

The cookie holds the session's token, as an app would; nothing of a session is kept in this process, so
that every API host can answer.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from vault_service.accounts.accounts import Accounts
from vault_service.accounts.password_advice import PasswordAdvice
from vault_service.api.services import Services
from vault_service.api.user_page.strangers import StrangersBudget
from vault_service.bootstrap.api import UserPage
from vault_service.domain.contexts import context
from vault_service.domain.errors import MustChangePasswordError, SessionRefusedError
from vault_service.domain.ids import made_at_s
from vault_service.domain.tokens import SessionToken
from vault_service.records.store import RecordStore
from vault_service.sessions.open import seen_to_s

COOKIE = "me"
PREFIX = "/me"
HOME = f"{PREFIX}/"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a token; whether it is still good is for the use cases to say."""

    token: SessionToken

    @property
    def csrf_token(self) -> str:
        """The same on every API host, another one for each session; tells nothing of the token's secret."""
        label = context(b"user-page-csrf", self.token.user.bytes, self.token.session.bytes)
        return hmac.new(self.token.secret, label, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Cookies:
    """The site's door: the form of the cookie only."""

    cookie: str = f"__Host-{COOKIE}"

    def who(self, value: str) -> Visitor | None:
        """None for anything but a well-formed token."""
        try:
            return Visitor(SessionToken.parse(value))
        except SessionRefusedError:
            return None


@dataclass(frozen=True, slots=True)
class PageServices:
    """All of them."""

    accounts: Accounts
    records: RecordStore
    page: UserPage
    advice: PasswordAdvice
    strangers: StrangersBudget

    @classmethod
    def of(cls, services: Services, page: UserPage) -> Self:
        """From those of the API's routes."""
        advice = PasswordAdvice(services.accounts.parts.policies.passwords)
        return cls(services.accounts, services.records, page, advice, StrangersBudget.of(page.rule))

    @property
    def app_key(self) -> str:
        """Whose app the page acts as."""
        return self.page.app_key.reveal()

    @property
    def idle_left_s(self) -> int:
        """For how long a session of the page is good at the least after a request that it was good for."""
        idle_s = min(self.page.rule.idle_s, self.accounts.parts.policies.sessions.idle_timeout_s)
        return idle_s - seen_to_s(idle_s)

    def may_last_s(self, who: Visitor) -> float:
        """How long this session lasts at the most if nobody does anything from now on: by its token alone."""
        ends = made_at_s(who.token.session) + self.accounts.parts.policies.sessions.absolute_timeout_s
        return min(self.idle_left_s, ends - self.accounts.parts.now().timestamp())

    def demand_session(self, who: Visitor) -> None:
        """For a page that only shows a form. Raises SessionRefusedError, MustChangePasswordError."""
        if self.accounts.account(who.token).must_change:
            raise MustChangePasswordError
