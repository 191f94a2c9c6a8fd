"""An event of the log as OCSF-shaped JSON, with the leaf itself inside.

`raw_data` holds the leaf's exact text: SHA-256(0x00 || raw_data) is its hash in the log, so that what a
SIEM has kept is evidence of its own. `metadata.uid` is the event's id, the same at each repetition.

Where an officer acts, the actor is the officer, and a recovery case is an observable of the type Resource
UID: all events about one case, of whatever class, are found by it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from vault_service.audit.siem.mapping import (
    KEYS,
    OCSF_VERSION,
    RECORDS,
    UNKNOWN,
    Class,
    Severity,
    Shape,
    severity_of,
)
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.leaves import KeysLeaf, Leaf, time_of

_PRODUCT = "vault_service"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SUCCESS, _FAILURE = 1, 2  # status_id
_RELATIONAL = 1  # database.type_id
_NEW = 1  # finding status_id
_ADMIN = 2  # user.type_id
_RESOURCE_UID = 10  # observable.type_id
_CASE = "recovery case"
_NAMES_USER = frozenset({Class.AUTHENTICATION, Class.ACCOUNT_CHANGE})
_COMMON = frozenset({"v", "event_id", "at", "user_id"})


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One event, ready to be sent."""

    index: int
    uid: UUID
    kind: str
    at: datetime
    severity: Severity
    json: bytes  # one line, without its end


def outgoing(index: int, leaf: Leaf) -> OutgoingEvent:
    """Render one leaf."""
    shape, text = _shape(leaf), leaf.encode()
    fields: dict[str, object] = msgspec.json.decode(text)
    document = _base(shape, index, leaf, fields, text) | _particulars(shape, leaf) | _about_case(shape, leaf)
    return OutgoingEvent(
        index,
        leaf.event_id,
        str(fields["kind"]),
        time_of(leaf),
        severity_of(leaf, shape),
        msgspec.json.encode(document),
    )


def _shape(leaf: Leaf) -> Shape:
    """A row of a newer version's kind must not stop the stream."""
    try:
        return KEYS[KeysEvent(leaf.kind)] if isinstance(leaf, KeysLeaf) else RECORDS[RecordsEvent(leaf.kind)]
    except ValueError:
        return UNKNOWN


def _base(shape: Shape, index: int, leaf: Leaf, fields: dict[str, object], text: bytes) -> dict[str, object]:
    return {
        "class_uid": shape.of.value,
        "class_name": shape.of.name.replace("_", " ").title(),
        "category_uid": shape.of.value // 1000,
        "activity_id": shape.activity,
        "activity_name": shape.activity_name,
        "type_uid": shape.of.value * 100 + shape.activity,
        "severity_id": severity_of(leaf, shape).value,
        "severity": severity_of(leaf, shape).name.capitalize(),
        "time": (time_of(leaf) - _EPOCH) // _MILLISECOND,  # OCSF timestamp_t
        "message": shape.message,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": _PRODUCT, "vendor_name": _PRODUCT},
            "uid": str(leaf.event_id),
            "log_name": _log(leaf),
            "sequence": index,
            "original_time": fields["at"],
        },
        "unmapped": {
            name: value
            for name, value in fields.items()
            if name not in _COMMON or (name == "user_id" and _hides_subject(shape, leaf))
        },
        "raw_data": text.decode("ascii"),
    }


def _log(leaf: Leaf) -> str:
    return "keys" if isinstance(leaf, KeysLeaf) else "records"


def _officer(leaf: Leaf) -> dict[str, object] | None:
    if not isinstance(leaf, KeysLeaf) or leaf.officer_id is None:
        return None
    return {"uid": str(leaf.officer_id), "type_id": _ADMIN, "type": "Admin"}


def _case(leaf: Leaf) -> str | None:
    return str(leaf.case_id) if isinstance(leaf, KeysLeaf) and leaf.case_id is not None else None


def _hides_subject(shape: Shape, leaf: Leaf) -> bool:
    """Whether the user an officer acts upon stands nowhere else in the document."""
    if _officer(leaf) is None and _case(leaf) is None:
        return False
    return shape.of not in _NAMES_USER or (shape.of is Class.AUTHENTICATION and _officer(leaf) is not None)


def _about_case(shape: Shape, leaf: Leaf) -> dict[str, object]:
    """The case as an observable; of a finding also as its resource."""
    case = _case(leaf)
    if case is None:
        return {}
    observable = {
        "name": "unmapped.case_id", "type_id": _RESOURCE_UID, "type": "Resource UID", "value": case,
    }  # fmt: skip
    resource = {"resources": [{"uid": case, "type": _CASE}]} if shape.of is Class.DETECTION_FINDING else {}
    return {"observables": [observable], **resource}


def _particulars(shape: Shape, leaf: Leaf) -> dict[str, object]:
    """What the class demands (its required attributes), as far as an event knows it: never an address."""
    user: dict[str, object] = {"uid": str(leaf.user_id)}
    app = str(leaf.app_id) if leaf.app_id is not None else _PRODUCT
    officer = _officer(leaf)
    session = None if isinstance(leaf, KeysLeaf) or leaf.session_id is None else str(leaf.session_id)
    actor: dict[str, object] = {
        "app_uid": app,
        **({"session": {"uid": session}} if session else {}),
        **({"user": officer} if officer else {}),
    }
    outcome: dict[str, object] = {
        "status_id": _FAILURE if shape.failed else _SUCCESS,
        "status": "Failure" if shape.failed else "Success",
    }
    match shape.of:
        case Class.AUTHENTICATION:
            return {
                **outcome, "actor": actor, "user": officer or user, "service": {"name": _PRODUCT},
                **({"session": {"uid": session}} if session else {}),
            }  # fmt: skip
        case Class.ACCOUNT_CHANGE:
            return {**outcome, "actor": actor, "user": user}
        case Class.ENTITY_MANAGEMENT:
            return {
                **outcome,
                "actor": actor,
                "entity": {
                    "type": shape.entity,
                    "uid": (_case(leaf) if shape.entity == _CASE else None) or app,
                    "name": shape.entity,
                },
            }
        case Class.DATASTORE_ACTIVITY:
            return {
                **outcome, "actor": {"user": user, **actor}, "src_endpoint": {"uid": app},
                "database": {"name": _log(leaf), "type_id": _RELATIONAL},
            }  # fmt: skip
        case Class.DETECTION_FINDING:
            finding = {"uid": str(leaf.event_id), "title": shape.message}
            evidence = {"evidences": [{"actor": actor}]} if officer else {}
            return {"status_id": _NEW, "status": "New", "finding_info": finding, "is_alert": True, **evidence}
        case Class.BASE_EVENT:
            return {}
