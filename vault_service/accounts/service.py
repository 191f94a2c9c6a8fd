"""What a user of the web API can do with an account; each change is ordered over both databases.

There is no transaction over the keys and the records database. Each flow is ordered so that a
crash between them leaves either nothing or an intent, which the records side's worker finishes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vault_service.accounts.redeeming import Redeeming
from vault_service.domain.ids import SessionId, UserId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.client import KmsClient
from vault_service.policy.rules import Policies
from vault_service.storage.pool import Database


def utc_now() -> datetime:
    """The host's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class AccountParts:
    """What every use case here needs."""

    db: Database
    kms: KmsClient
    policies: Policies
    now: Callable[[], datetime] = utc_now
    redeeming: Redeeming = field(init=False)

    def __post_init__(self) -> None:
        """By its policies."""
        object.__setattr__(self, "redeeming", Redeeming(self.policies.limits.budgets))


@dataclass(frozen=True, slots=True)
class SignedUp:
    """A new user."""

    user_id: UserId
    one_time_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session."""

    token: SessionToken
    user_id: UserId
    expires_at: datetime
    idle_timeout_s: int
    must_change: bool
    data_key_remaining: int = 0  # records that are still under an older data key


@dataclass(frozen=True, slots=True)
class Account:
    """What a user sees of the account."""

    user_id: UserId
    created_at: datetime
    session_id: SessionId
    must_change: bool


def hash_idempotency_key(key: str) -> bytes:
    """32 bytes for the look-up; the key itself is the client's."""
    return hashlib.sha256(key.encode("utf-8")).digest()
