"""How an event looks in the Open Cybersecurity Schema Framework (OCSF): class, activity, severity."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """OCSF severity_id."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Class(IntEnum):
    """OCSF class_uid; the thousands are the category."""

    BASE_EVENT = 0
    DETECTION_FINDING = 2004
    ACCOUNT_CHANGE = 3001
    AUTHENTICATION = 3002
    ENTITY_MANAGEMENT = 3004
    DATASTORE_ACTIVITY = 6005


OTHER = 99
ACTIVITIES: Mapping[Class, Mapping[int, str]] = {
    Class.BASE_EVENT: {0: "Unknown"},
    Class.DETECTION_FINDING: {1: "Create"},
    Class.ACCOUNT_CHANGE: {1: "Create", 2: "Enable", 3: "Password Change", 4: "Password Reset", 6: "Delete"},
    Class.AUTHENTICATION: {1: "Logon", 2: "Logoff"},
    Class.ENTITY_MANAGEMENT: {1: "Create", 3: "Update", 4: "Delete"},
    Class.DATASTORE_ACTIVITY: {
        1: "Read", 2: "Update", 3: "Connect", 4: "Query", 6: "Create", 7: "Delete", 8: "List",
    },
}  # fmt: skip
"""What each class calls its activities: those that are used here."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of event looks to a SIEM."""

    of: Class
    activity: int  # activity_id
    message: str
    failed: bool = False
    severity: Severity = Severity.INFORMATIONAL
    other: str = ""  # the activity's name where OCSF has none (activity 99)
    entity: str = ""  # what sort of thing was managed (class 3004)

    @property
    def activity_name(self) -> str:
        """OCSF activity_name."""
        return self.other or ACTIVITIES[self.of][self.activity]
