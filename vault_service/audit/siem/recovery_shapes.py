"""The shapes of recovery's events; see mapping.py."""

from collections.abc import Mapping

from vault_service.audit.siem.shapes import Class, Severity, Shape
from vault_service.domain.events import KeysEvent, RecordsEvent

_LOW, _MEDIUM, _HIGH, _CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL

RECOVERY_KEYS: Mapping[KeysEvent, Shape] = {
    KeysEvent.CASE_OPENED: Shape(
        Class.ENTITY_MANAGEMENT, 1, "A recovery case was opened", severity=_MEDIUM, entity="recovery case"
    ),
    KeysEvent.CASE_REFUSED: Shape(
        Class.ENTITY_MANAGEMENT,
        1,
        "A recovery case was not opened",
        failed=True,
        severity=_MEDIUM,
        entity="recovery case",
    ),
    KeysEvent.CASE_APPROVED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "An officer approved a recovery case",
        severity=_MEDIUM,
        entity="recovery case",
    ),
    KeysEvent.APPROVAL_REFUSED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "An officer's approval was refused",
        failed=True,
        severity=_HIGH,
        entity="recovery case",
    ),
    KeysEvent.CASE_VETOED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "An officer vetoed a recovery case",
        severity=_MEDIUM,
        entity="recovery case",
    ),
    KeysEvent.CASE_CANCELLED: Shape(
        Class.ENTITY_MANAGEMENT, 3, "A recovery case was cancelled", severity=_LOW, entity="recovery case"
    ),
    KeysEvent.CASE_EXPIRED: Shape(
        Class.ENTITY_MANAGEMENT, 3, "A recovery case expired", severity=_LOW, entity="recovery case"
    ),
    KeysEvent.CASE_INTEGRITY_FAILED: Shape(
        Class.DETECTION_FINDING, 1, "A stored recovery case was altered or planted", severity=_CRITICAL
    ),
    KeysEvent.OFFICER_REFUSED: Shape(
        Class.AUTHENTICATION, 1, "A call in an officer's name was refused", failed=True, severity=_HIGH
    ),
    KeysEvent.USER_LOOKED_UP: Shape(
        Class.DATASTORE_ACTIVITY, 4, "An officer looked up the user of a login", severity=_MEDIUM
    ),
    KeysEvent.OFFICER_IDENTIFIED_SUBJECT: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "An officer established who asks for a recovery",
        severity=_LOW,
        entity="recovery case",
    ),
    KeysEvent.IDENTIFICATION_REFUSED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "The login or phrase that an officer typed was not the case's",
        failed=True,
        severity=_MEDIUM,
        entity="recovery case",
    ),
    KeysEvent.CEREMONY_OPENED: Shape(
        Class.ENTITY_MANAGEMENT, 1, "A ceremony was opened", severity=_MEDIUM, entity="ceremony"
    ),
    KeysEvent.CEREMONY_REFUSED: Shape(
        Class.ENTITY_MANAGEMENT, 1, "A ceremony was refused", failed=True, severity=_HIGH, entity="ceremony"
    ),
    KeysEvent.CEREMONY_CLOSED: Shape(
        Class.ENTITY_MANAGEMENT, 3, "A ceremony was closed", severity=_LOW, entity="ceremony"
    ),
    KeysEvent.CASE_REOPENED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "A ceremony ended without having executed a recovery case",
        severity=_MEDIUM,
        entity="recovery case",
    ),
    KeysEvent.SHARE_RELEASED: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "An officer released a share of the escrow PIN",
        severity=_MEDIUM,
        entity="ceremony",
    ),
    KeysEvent.WRAPS_PEELED: Shape(
        Class.DATASTORE_ACTIVITY, 1, "Escrow wraps were handed to a ceremony", severity=_MEDIUM
    ),
    KeysEvent.PEEL_REFUSED: Shape(
        Class.DATASTORE_ACTIVITY, 1, "Escrow wraps were refused to a ceremony", failed=True, severity=_HIGH
    ),
    KeysEvent.ACCESS_REGAINED: Shape(
        Class.ACCOUNT_CHANGE, 4, "Officers gave a user access again", severity=_MEDIUM
    ),
    KeysEvent.REGAIN_COMPLETED: Shape(
        Class.ACCOUNT_CHANGE, 3, "A user signed in with the password of a recovery", severity=_LOW
    ),
    KeysEvent.DATA_DISCLOSED: Shape(
        Class.DATASTORE_ACTIVITY, 1, "Officers disclosed a user's records", severity=_HIGH
    ),
    KeysEvent.ERASED_BY_OFFICERS: Shape(
        Class.ACCOUNT_CHANGE, 6, "Officers erased a user's keys", severity=_MEDIUM
    ),
    KeysEvent.DRILL_PASSED: Shape(
        Class.ENTITY_MANAGEMENT, 3, "A drill showed that escrow wraps open", severity=_LOW, entity="drill"
    ),
    KeysEvent.DRILL_FAILED: Shape(
        Class.DETECTION_FINDING, 1, "A drill found escrow wraps that do not open", severity=_CRITICAL
    ),
    KeysEvent.ESCROW_KEY_CREATED: Shape(
        Class.ENTITY_MANAGEMENT, 1, "An escrow key was created", severity=_MEDIUM, entity="escrow key"
    ),
    KeysEvent.PIN_PREPARED: Shape(
        Class.ENTITY_MANAGEMENT,
        1,
        "A new PIN of the escrow token was split among the officers",
        severity=_LOW,
        entity="escrow PIN",
    ),
    KeysEvent.PIN_SWITCHING: Shape(
        Class.ENTITY_MANAGEMENT,
        3,
        "The escrow token's PIN is being replaced",
        severity=_LOW,
        entity="escrow PIN",
    ),
    KeysEvent.PIN_ACTIVE: Shape(
        Class.ENTITY_MANAGEMENT, 3, "The escrow token's PIN was replaced", severity=_LOW, entity="escrow PIN"
    ),
    KeysEvent.PIN_VOID: Shape(
        Class.ENTITY_MANAGEMENT,
        4,
        "A prepared PIN of the escrow token was given up",
        severity=_LOW,
        entity="escrow PIN",
    ),
    KeysEvent.RECOVERY_CODE_CREATED: Shape(
        Class.ACCOUNT_CHANGE, 99, "A user made a recovery code", severity=_LOW, other="Recovery Code"
    ),
    KeysEvent.RECOVERY_CODE_USED: Shape(
        Class.ACCOUNT_CHANGE, 4, "A user set a new password with a recovery code", severity=_MEDIUM
    ),
    KeysEvent.RECOVERY_CODE_REFUSED: Shape(
        Class.ACCOUNT_CHANGE, 4, "A recovery code was refused", failed=True, severity=_MEDIUM
    ),
    KeysEvent.BREAK_GLASS_USED: Shape(
        Class.DETECTION_FINDING, 1, "The break-glass words were used", severity=_CRITICAL
    ),
}
RECOVERY_RECORDS: Mapping[RecordsEvent, Shape] = {
    RecordsEvent.ACCESS_REGAINED: Shape(
        Class.ACCOUNT_CHANGE, 4, "Officers gave a user access again", severity=_MEDIUM
    ),
    RecordsEvent.DATA_DISCLOSED: Shape(
        Class.DATASTORE_ACTIVITY, 1, "Officers disclosed a user's records", severity=_HIGH
    ),
    RecordsEvent.OFFICER_LOOKED_UP: Shape(
        Class.DATASTORE_ACTIVITY, 4, "An officer looked up the user of a login", severity=_MEDIUM
    ),
    RecordsEvent.ERASED_BY_OFFICERS: Shape(
        Class.ACCOUNT_CHANGE, 6, "Officers erased a user's keys", severity=_MEDIUM
    ),
}
