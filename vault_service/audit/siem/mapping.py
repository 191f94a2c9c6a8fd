"""Which class of the Open Cybersecurity Schema Framework (OCSF) each kind of event is.

Complete over both enumerations: a kind without a shape does not let this module load.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from vault_service.audit.siem.console_shapes import CONSOLE_KEYS
from vault_service.audit.siem.recovery_shapes import RECOVERY_KEYS, RECOVERY_RECORDS
from vault_service.audit.siem.rotation_shapes import ROTATION_KEYS, ROTATION_RECORDS
from vault_service.audit.siem.shapes import ACTIVITIES, OTHER, Class, Severity, Shape
from vault_service.domain.events import ASKED_TOO_EARLY, KeysEvent, RecordsEvent
from vault_service.domain.leaves import KeysLeaf, Leaf

__all__ = ["ACTIVITIES", "KEYS", "OCSF_VERSION", "OTHER", "RECORDS", "UNKNOWN", "Class", "Severity", "Shape"]
OCSF_VERSION = "1.3.0"
_K = TypeVar("_K", bound=Enum)

UNKNOWN = Shape(Class.BASE_EVENT, 0, "An event of a kind that this version does not know")

_LOW, _MEDIUM, _HIGH, _CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


def _complete(kinds: type[_K], shapes: Mapping[_K, Shape]) -> Mapping[_K, Shape]:
    missing = [kind.name for kind in kinds if kind not in shapes]
    if missing:
        raise TypeError(f"{kinds.__name__} without an OCSF shape: {', '.join(missing)}")
    return shapes


KEYS: Mapping[KeysEvent, Shape] = _complete(
    KeysEvent,
    {
        KeysEvent.USER_ENROLLED: Shape(Class.ACCOUNT_CHANGE, 1, "A user was enrolled"),
        KeysEvent.ENROL_REFUSED: Shape(
            Class.ACCOUNT_CHANGE,
            1,
            "An enrolment was refused: the login is taken",
            failed=True,
            severity=_LOW,
        ),
        KeysEvent.UNLOCKED: Shape(Class.AUTHENTICATION, 1, "A password opened a user's key"),
        KeysEvent.UNLOCK_REFUSED: Shape(
            Class.AUTHENTICATION, 1, "A login and password opened nothing", failed=True, severity=_LOW
        ),
        KeysEvent.UNLOCK_THROTTLED: Shape(
            Class.AUTHENTICATION, 1, "A login was tried too often", failed=True, severity=_MEDIUM
        ),
        KeysEvent.PASSWORD_CHANGED: Shape(Class.ACCOUNT_CHANGE, 3, "A password was changed"),
        KeysEvent.PASSWORD_CHANGE_REFUSED: Shape(
            Class.ACCOUNT_CHANGE, 3, "A change of password was refused", failed=True, severity=_LOW
        ),
        KeysEvent.LOGIN_CHANGED: Shape(
            Class.ACCOUNT_CHANGE, OTHER, "A login was changed", other="Login Change"
        ),
        KeysEvent.LOGIN_CHANGE_REFUSED: Shape(
            Class.ACCOUNT_CHANGE,
            OTHER,
            "A change of login was refused",
            failed=True,
            severity=_LOW,
            other="Login Change",
        ),
        KeysEvent.USER_ERASED: Shape(Class.ACCOUNT_CHANGE, 6, "A user's keys were erased"),
        KeysEvent.ERASE_REFUSED: Shape(
            Class.ACCOUNT_CHANGE, 6, "An erasure was refused", failed=True, severity=_LOW
        ),
        KeysEvent.ONE_TIME_PASSWORD_REISSUED: Shape(
            Class.ACCOUNT_CHANGE, 4, "A one-time password was issued again", severity=_LOW
        ),
        KeysEvent.WRAP_INTEGRITY_FAILED: Shape(
            Class.DETECTION_FINDING, 1, "A wrapped key was altered or moved", severity=_HIGH
        ),
        KeysEvent.APP_CREATED: Shape(
            Class.ENTITY_MANAGEMENT, 1, "An app was created", severity=_LOW, entity="app"
        ),
        KeysEvent.APP_KEY_ADDED: Shape(
            Class.ENTITY_MANAGEMENT, 3, "An app got a new key", severity=_LOW, entity="app"
        ),
        KeysEvent.APP_REVOKED: Shape(
            Class.ENTITY_MANAGEMENT, 4, "An app was revoked", severity=_LOW, entity="app"
        ),
        KeysEvent.APP_REFUSED: Shape(
            Class.AUTHENTICATION, 1, "An app key was refused", failed=True, severity=_MEDIUM
        ),
        KeysEvent.MANIFEST_SIGNED: Shape(
            Class.ENTITY_MANAGEMENT,
            3,
            "A new key manifest was signed",
            severity=_MEDIUM,
            entity="key manifest",
        ),
        KeysEvent.SHARES_STORED: Shape(
            Class.ENTITY_MANAGEMENT, 1, "Officers' shares were stored", severity=_MEDIUM, entity="shares"
        ),
        KeysEvent.LOG_RESTORED: Shape(
            Class.DETECTION_FINDING, 1, "This audit log goes on from a restored backup", severity=_HIGH
        ),
        KeysEvent.CHECKPOINT_REFUSED: Shape(
            Class.DETECTION_FINDING,
            1,
            "A head of an audit log does not continue the last one",
            severity=_CRITICAL,
        ),
        KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED: Shape(
            Class.DETECTION_FINDING,
            1,
            "The records log was allowed to go on from a restored backup",
            severity=_HIGH,
        ),
        KeysEvent.EVENTS_SENT_AGAIN: Shape(
            Class.ENTITY_MANAGEMENT,
            3,
            "Events of an audit log are sent to a receiver again",
            severity=_LOW,
            entity="receiver",
        ),
    }
    | dict(RECOVERY_KEYS)
    | dict(ROTATION_KEYS)
    | dict(CONSOLE_KEYS),
)
RECORDS: Mapping[RecordsEvent, Shape] = _complete(
    RecordsEvent,
    {
        RecordsEvent.USER_ACTIVATED: Shape(Class.ACCOUNT_CHANGE, 2, "A user can store records"),
        RecordsEvent.SESSION_OPENED: Shape(Class.DATASTORE_ACTIVITY, 3, "A session was opened"),
        RecordsEvent.SESSION_ENDED: Shape(Class.AUTHENTICATION, 2, "A session was ended"),
        RecordsEvent.SESSIONS_ENDED: Shape(Class.AUTHENTICATION, 2, "All sessions of a user were ended"),
        RecordsEvent.SESSION_REFUSED: Shape(
            Class.DETECTION_FINDING, 1, "An older password wrap was put back", severity=_HIGH
        ),
        RecordsEvent.RECORD_CREATED: Shape(Class.DATASTORE_ACTIVITY, 6, "A record was created"),
        RecordsEvent.RECORD_READ: Shape(Class.DATASTORE_ACTIVITY, 1, "A record was read"),
        RecordsEvent.RECORD_READ_MISSING: Shape(
            Class.DATASTORE_ACTIVITY, 1, "A record was asked for that is not there", failed=True
        ),
        RecordsEvent.RECORD_UPDATED: Shape(Class.DATASTORE_ACTIVITY, 2, "A record was changed"),
        RecordsEvent.RECORD_DELETED: Shape(Class.DATASTORE_ACTIVITY, 7, "A record was deleted"),
        RecordsEvent.RECORDS_LISTED: Shape(Class.DATASTORE_ACTIVITY, 8, "Records were listed"),
        RecordsEvent.RECORDS_SEARCHED: Shape(Class.DATASTORE_ACTIVITY, 4, "Records were searched"),
        RecordsEvent.RECORDS_EXPORTED: Shape(
            Class.DATASTORE_ACTIVITY, 1, "All records of a user were exported", severity=_LOW
        ),
        RecordsEvent.RECORD_INTEGRITY_FAILED: Shape(
            Class.DETECTION_FINDING, 1, "A record was altered or moved", severity=_HIGH
        ),
        RecordsEvent.ACCESSES_READ: Shape(
            Class.DATASTORE_ACTIVITY, 8, "A user looked at who used their data"
        ),
        RecordsEvent.PASSWORD_CHANGED: Shape(Class.ACCOUNT_CHANGE, 3, "A password was changed"),
        RecordsEvent.LOGIN_CHANGED: Shape(
            Class.ACCOUNT_CHANGE, OTHER, "A login was changed", other="Login Change"
        ),
        RecordsEvent.USER_ERASED: Shape(Class.ACCOUNT_CHANGE, 6, "A user's records were erased"),
        RecordsEvent.INTENT_REPAIRED: Shape(
            Class.ACCOUNT_CHANGE,
            OTHER,
            "A change that a crash had left half done was finished",
            severity=_LOW,
            other="Repair",
        ),
        RecordsEvent.ONE_TIME_PASSWORD_REISSUED: Shape(
            Class.ACCOUNT_CHANGE, 4, "A one-time password was issued again", severity=_LOW
        ),
        RecordsEvent.LOG_RESTORED: Shape(
            Class.DETECTION_FINDING, 1, "This audit log goes on from a restored backup", severity=_HIGH
        ),
    }
    | dict(RECOVERY_RECORDS)
    | dict(ROTATION_RECORDS),
)


def severity_of(leaf: Leaf, shape: Shape) -> Severity:
    """Of one event: its kind's, but for what stands there every day, which would have people look no more."""
    is_early = isinstance(leaf, KeysLeaf) and (leaf.kind, leaf.digest) == (
        KeysEvent.CEREMONY_REFUSED.value, ASKED_TOO_EARLY,
    )  # fmt: skip
    return _LOW if is_early else shape.severity
