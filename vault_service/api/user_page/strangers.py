"""How often people who are not signed in may have the key service work for the page.

For an app's routes a caller needs the app's key. On the page anybody on the network has one, in effect: each
form costs an Argon2 of the key service, whose memory all apps share. So all strangers together get less
than it can bear: a flood closes the page's forms for as long as it lasts, and nothing else.
"""

from dataclasses import dataclass
from typing import Self

from vault_service.domain.buckets import Buckets
from vault_service.domain.errors import ThrottledError
from vault_service.policy.page_rules import UserPageRule


@dataclass(frozen=True, slots=True)
class StrangersBudget:
    """One bucket of forms; one a process."""

    forms: Buckets

    @classmethod
    def of(cls, rule: UserPageRule) -> Self:
        """As the policy has it."""
        return cls(Buckets(rule.strangers_per_s, rule.strangers_burst))

    def spend(self) -> None:
        """One form. Raises ThrottledError."""
        if not self.forms.take(None):
            raise ThrottledError("too many people are at this page at present", retry_after_s=1)
