"""policies/rotation.toml as frozen objects: how long a key serves, and how fast a rotation goes."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vault_service.domain.rotation import DueKind, OnlineKind

_Days = Annotated[float, Meta(gt=0, le=36_600)]


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    pass


class Cryptoperiods(_Rule, frozen=True):
    """Days from a generation's first use until the next one is due (NIST SP 800-57 part 1, section 5.3.6)."""

    escrow: _Days
    pepper: _Days
    login_index: _Days
    case: _Days
    note: _Days
    audit_signing: _Days
    manifest: _Days
    data_key: _Days
    argon2_cost: _Days
    app_key: _Days
    officer_shares: _Days

    def of(self, kind: DueKind) -> float:
        """Days."""
        days: float = getattr(self, kind.replace("-", "_"))
        return days


class EngineRule(_Rule, frozen=True):
    """How a rotation of wraps goes; --rate and --workers overrule it."""

    batch: Annotated[int, Meta(ge=1, le=2000)]  # users
    rate: Annotated[int, Meta(ge=0, le=1_000_000)]  # users a second over all workers; 0: no limit
    workers: Annotated[int, Meta(ge=1, le=64)]  # batches at once over all workers
    progress_every_s: Annotated[float, Meta(ge=1, le=86_400)]  # an event about it


class ScheduleRule(_Rule, frozen=True):
    """What the worker of the keys side begins by itself once it is due."""

    enabled: bool
    kinds: tuple[OnlineKind, ...]


class DataKeyRule(_Rule, frozen=True):
    """How a user's records are re-encrypted."""

    batch: Annotated[int, Meta(ge=1, le=1000)]  # records in one transaction
    at_sign_in: Annotated[int, Meta(ge=0, le=10_000)]  # at most so many before the sign-in is answered


class RotationPolicy(_Rule, frozen=True):
    """policies/rotation.toml."""

    cryptoperiod_days: Cryptoperiods
    engine: EngineRule
    schedule: ScheduleRule
    data_key: DataKeyRule
