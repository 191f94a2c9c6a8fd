"""How many one-time passwords this process lets be redeemed: it takes no app key, so anybody may ask.

The key service counts them as well, for whatever host; but there each is also a call of this host's, of the
budget that everybody's sign-ins share, and here it is an intent that is written and taken back. So what is
beyond the same rule ends here, before it costs anything.
"""

from vault_service.domain.buckets import Buckets
from vault_service.domain.errors import ThrottledError
from vault_service.policy.rules import BudgetRule


class Redeeming:
    """One bucket; one a process."""

    def __init__(self, rule: BudgetRule) -> None:
        self._bucket = Buckets(rule.keyless_calls_per_s, rule.keyless_burst)

    def spend(self) -> None:
        """One. Raises ThrottledError."""
        if not self._bucket.take(None):
            raise ThrottledError("too many one-time passwords are being redeemed", retry_after_s=1)
