"""The shapes of the officers' console's events; see mapping.py."""

from collections.abc import Mapping

from vault_service.audit.siem.shapes import Class, Severity, Shape
from vault_service.domain.events import KeysEvent

_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH

CONSOLE_KEYS: Mapping[KeysEvent, Shape] = {
    KeysEvent.OFFICER_SIGNED_IN: Shape(Class.AUTHENTICATION, 1, "An officer signed in"),
    KeysEvent.OFFICER_SIGN_IN_REFUSED: Shape(
        Class.AUTHENTICATION, 1, "An officer's sign-in was refused", failed=True, severity=_MEDIUM
    ),
    KeysEvent.OFFICER_SIGNED_OUT: Shape(Class.AUTHENTICATION, 2, "An officer signed out"),
    KeysEvent.OFFICER_INVITED: Shape(
        Class.ENTITY_MANAGEMENT,
        1,
        "Somebody was invited to enrol as an officer",
        severity=_MEDIUM,
        entity="invitation",
    ),
    KeysEvent.PASSKEY_ENROLLED: Shape(
        Class.ENTITY_MANAGEMENT,
        1,
        "A passkey waits for an officer change",
        severity=_MEDIUM,
        entity="passkey",
    ),
    KeysEvent.PASSKEY_COUNTER_WENT_BACK: Shape(
        Class.DETECTION_FINDING, 1, "A passkey's counter went back", severity=_HIGH
    ),
    KeysEvent.AUDIT_SEARCHED: Shape(
        Class.DATASTORE_ACTIVITY, 4, "An officer searched the audit logs", severity=_LOW
    ),
    KeysEvent.AUDIT_EXPORTED: Shape(
        Class.DATASTORE_ACTIVITY, 1, "An officer took an export of the audit logs", severity=_MEDIUM
    ),
}
