"""What is due: how long each key has been in use, and when its cryptoperiod ends (policies/rotation.toml).

Whatever is rotated has one row, those that stand in no manifest too. A time that nobody knows is None, and
such a row is never called due: an alarm that cannot be ended by doing what it asks for is soon ignored.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote

from vault_service.domain.rotation import DueKind
from vault_service.kms.protocol.rotation_messages import GenerationRow, OthersInUseAre
from vault_service.policy.rotation_rules import Cryptoperiods

_DAY = timedelta(days=1)
_DEFAULT = "default"  # the tenant that the app commands take when none is named


@dataclass(frozen=True, slots=True)
class InUse:
    """One thing that is rotated, and since when it is in use."""

    kind: DueKind
    what: str  # "generation 3", "app shop"
    since: datetime | None  # None: nobody knows
    command: str  # what begins its rotation


@dataclass(frozen=True, slots=True)
class Due:
    """The same, with the end of its cryptoperiod."""

    kind: DueKind
    what: str
    since: datetime | None
    at: datetime | None  # None: nobody knows
    command: str

    def days_left(self, now: datetime) -> float | None:
        """Below zero: overdue."""
        return None if self.at is None else (self.at - now) / _DAY

    def is_due(self, now: datetime) -> bool:
        """Whether its cryptoperiod has ended."""
        return self.at is not None and self.at <= now


def what_is_due(in_use: Iterable[InUse], periods: Cryptoperiods) -> tuple[Due, ...]:
    """Each with the end of its cryptoperiod; in the order in which they came."""
    return tuple(
        Due(each.kind, each.what, each.since, _after(each.since, periods.of(each.kind)), each.command)
        for each in in_use
    )


def _after(since: datetime | None, days: float) -> datetime | None:
    return None if since is None else since + timedelta(days=days)


def generations_in_use(generations: Iterable[GenerationRow]) -> Iterator[InUse]:
    """The current generation of each kind. It is in use since it became current, not since it was made."""
    for row in generations:
        if row.state == "current":
            yield InUse(row.kind, f"generation {row.gen}", _time(row.since), f"vaultctl rotate {row.kind}")


def others_in_use(others: OthersInUseAre) -> Iterator[InUse]:
    """What stands in no manifest."""
    oldest, cost, shares = others.oldest_data_key, others.cost_calibrated, others.officer_shares
    yield InUse("data-key", "the oldest of all users", _time(oldest), "vaultctl rotate data-key --file FILE")
    yield InUse("argon2-cost", "the cost of a password", _time(cost), "vaultctl rotate argon2-cost")
    for app in others.app_keys:
        tenant = "" if app.tenant == _DEFAULT else f" --tenant {quote(app.tenant)}"
        command = f"vaultctl rotate app-key {quote(app.app_name)}{tenant}"
        yield InUse("app-key", app.app_name, _time(app.newest), command)
    yield InUse("officer-shares", "the share set", _time(shares), "vaultctl rotate officer-shares")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def days_left(due: Sequence[Due], kind: DueKind, now: datetime) -> float | None:
    """Of the one of a kind that is due first. None where nobody knows, or there is none."""
    left = (each.days_left(now) for each in due if each.kind == kind)
    return min((days for days in left if days is not None), default=None)
