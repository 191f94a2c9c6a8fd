"""The shapes of rotation's events; see mapping.py."""

from collections.abc import Mapping

from vault_service.audit.siem.shapes import OTHER, Class, Severity, Shape
from vault_service.domain.events import KeysEvent, RecordsEvent

_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_ENTITY = Class.ENTITY_MANAGEMENT

ROTATION_KEYS: Mapping[KeysEvent, Shape] = {
    KeysEvent.KEY_CREATED: Shape(_ENTITY, 1, "A key was made", severity=_MEDIUM, entity="key"),
    KeysEvent.KEY_MADE_CURRENT: Shape(
        _ENTITY, 3, "A key became the current one", severity=_MEDIUM, entity="key"
    ),
    KeysEvent.KEY_RETIRED: Shape(_ENTITY, 3, "A key was retired", severity=_MEDIUM, entity="key"),
    KeysEvent.KEY_DESTROYED: Shape(_ENTITY, 4, "A key was destroyed", severity=_HIGH, entity="key"),
    KeysEvent.KEY_CHANGE_REFUSED: Shape(
        _ENTITY, 3, "A change of a key was refused", failed=True, severity=_HIGH, entity="key"
    ),
    KeysEvent.MANIFESTS_PUT_BACK: Shape(
        _ENTITY,
        3,
        "Manifests that a restored database lacked were put back",
        severity=_HIGH,
        entity="key manifest",
    ),
    KeysEvent.ROTATION_STARTED: Shape(
        _ENTITY, 1, "A key rotation began", severity=_MEDIUM, entity="key rotation"
    ),
    KeysEvent.ROTATION_PROGRESSED: Shape(
        _ENTITY, 3, "A key rotation goes on", severity=_LOW, entity="key rotation"
    ),
    KeysEvent.ROTATION_PAUSED: Shape(
        _ENTITY, 3, "A key rotation was paused", severity=_MEDIUM, entity="key rotation"
    ),
    KeysEvent.ROTATION_RESUMED: Shape(
        _ENTITY, 3, "A key rotation was resumed", severity=_MEDIUM, entity="key rotation"
    ),
    KeysEvent.ROTATION_FINISHED: Shape(
        _ENTITY, 3, "A key rotation ended", severity=_MEDIUM, entity="key rotation"
    ),
    KeysEvent.WRAPS_VERIFIED: Shape(
        _ENTITY, 3, "Wraps were opened again to verify them", severity=_LOW, entity="key rotation"
    ),
    KeysEvent.PASSWORD_REWRAPPED: Shape(
        Class.ACCOUNT_CHANGE, OTHER, "A password was wrapped anew at a higher cost", other="Key Change"
    ),
    KeysEvent.DATA_KEY_ADDED: Shape(
        Class.ACCOUNT_CHANGE, OTHER, "A user got a new data key", severity=_LOW, other="Key Change"
    ),
    KeysEvent.DATA_KEY_DROPPED: Shape(
        Class.ACCOUNT_CHANGE,
        OTHER,
        "A user's older data key was given up",
        severity=_LOW,
        other="Key Change",
    ),
    KeysEvent.DATA_KEY_CHANGE_REFUSED: Shape(
        Class.ACCOUNT_CHANGE,
        OTHER,
        "A change of a user's data key was refused",
        failed=True,
        severity=_LOW,
        other="Key Change",
    ),
    KeysEvent.DATA_KEY_ROTATION_DEMANDED: Shape(
        Class.ACCOUNT_CHANGE,
        OTHER,
        "An operator demanded a new data key at a user's next sign-in",
        severity=_MEDIUM,
        other="Key Change",
    ),
}

ROTATION_RECORDS: Mapping[RecordsEvent, Shape] = {
    RecordsEvent.DATA_KEY_CHANGED: Shape(
        Class.ACCOUNT_CHANGE,
        OTHER,
        "A user's records are to be under a new data key",
        severity=_LOW,
        other="Key Change",
    ),
    RecordsEvent.RECORDS_REENCRYPTED: Shape(
        Class.DATASTORE_ACTIVITY, 2, "Records were re-encrypted under a user's new data key"
    ),
}
