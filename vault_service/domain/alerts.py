"""What somebody should look at: a code, how urgent, and what it is about. The words stand in the pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

Level = Literal["now", "soon", "note"]
LEVELS: tuple[Level, ...] = get_args(Level)

AlertCode = Literal[
    # people and shares
    "escrow-locked", "escrow-last", "escrow-thin", "escrow-unseen", "kind-impossible", "kind-fragile",
    "no-share", "stranger-share", "pin-unfinished", "officer-idle", "other-site", "newcomer-waits",
    "below-quorum",
    # cases
    "case-altered", "case-expires", "share-awaited",
    # drills, keys, rotations
    "drill-overdue", "drill-soon", "drill-failed", "key-overdue", "key-soon", "rotation-failures",
    "rotation-quiet", "rotation-paused",
    # the machines
    "parts-slow", "key-service-away", "part-broken", "log-unsealed", "receiver-behind", "log-unseen",
    # what the logs tell of the last day
    "events", "sign-ins-refused", "bulk-read",
]  # fmt: skip
CODES: tuple[AlertCode, ...] = get_args(AlertCode)


@dataclass(frozen=True, slots=True)
class Alert:
    """One of them."""

    code: AlertCode
    level: Level
    about: str = ""  # a name, a kind of key, a log, the name of an event
    n: int = 0  # how many
    of: int = 0  # out of how many, or what is demanded
    at: datetime | None = None  # since when, or until when
    case: UUID | None = None


def sorted_alerts(found: "list[Alert]") -> tuple[Alert, ...]:
    """The most urgent first; those of a level in the order of their codes."""
    return tuple(
        sorted(found, key=lambda each: (LEVELS.index(each.level), CODES.index(each.code), each.about))
    )
