"""Every kind of event has its OCSF class, with what the class demands, and carries its leaf."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest

from vault_service.audit.siem.mapping import ACTIVITIES, KEYS, RECORDS, Class, Severity, Shape, _complete
from vault_service.audit.siem.ocsf import outgoing
from vault_service.domain.events import ASKED_TOO_EARLY, KeysEvent, RecordsEvent
from vault_service.domain.leaves import KeysLeaf, Leaf, RecordsLeaf

USER, EVENT, APP, UNLOCK, SESSION, RECORD = (UUID(int=n) for n in range(1, 7))
AT = datetime(2026, 11, 27, 9, 20, 43, 817210, UTC)
REQUIRED = {
    # OCSF 1.3.0: the attributes that are required of the class, and the one of each at_least_one
    Class.DETECTION_FINDING: {"finding_info"},
    Class.ACCOUNT_CHANGE: {"user"},
    Class.AUTHENTICATION: {"user", "service"},
    Class.ENTITY_MANAGEMENT: {"entity"},
    Class.DATASTORE_ACTIVITY: {"actor", "src_endpoint", "database"},
    Class.BASE_EVENT: set[str](),
}
BASE = {
    "class_uid", "class_name", "category_uid", "activity_id", "activity_name", "type_uid", "severity_id",
    "severity", "time", "message", "metadata", "unmapped", "raw_data",
}  # fmt: skip


def keys_leaf(kind: int, app: UUID | None = APP, **more: Any) -> KeysLeaf:
    return KeysLeaf(USER, EVENT, kind, AT, app, UNLOCK, 7, b"\x01" * 32, b"\x02" * 32, **more)


def records_leaf(kind: int, app: UUID | None = APP) -> RecordsLeaf:
    return RecordsLeaf(USER, EVENT, kind, AT, app, SESSION, UNLOCK, RECORD, 3, None)


ALL: list[tuple[str, Leaf, Shape]] = [
    *((f"keys.{kind.name}", keys_leaf(int(kind)), KEYS[kind]) for kind in KeysEvent),
    *((f"records.{kind.name}", records_leaf(int(kind)), RECORDS[kind]) for kind in RecordsEvent),
]


def rendered(leaf: Leaf, index: int = 5) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(outgoing(index, leaf).json)
    return document


@pytest.mark.parametrize(("leaf", "shape"), [each[1:] for each in ALL], ids=[each[0] for each in ALL])
def test_each_kind_has_what_its_class_demands(leaf: Leaf, shape: Shape) -> None:
    event = rendered(leaf)

    assert event.keys() >= BASE | REQUIRED[shape.of]
    assert event["class_uid"] == shape.of
    assert event["category_uid"] == shape.of // 1000
    assert event["type_uid"] == shape.of * 100 + shape.activity
    assert event["activity_name"] == shape.activity_name != ""
    assert (shape.activity == 99) == (shape.activity not in ACTIVITIES[shape.of]) == bool(shape.other)
    assert event["severity_id"] in range(1, 6)
    assert event["time"] == 1795771243817
    assert bool(shape.entity) == (shape.of is Class.ENTITY_MANAGEMENT)
    if shape.of is not Class.DETECTION_FINDING:
        assert event["status_id"] == (2 if shape.failed else 1)


@pytest.mark.parametrize(("name", "leaf"), [each[:2] for each in ALL], ids=[each[0] for each in ALL])
def test_each_event_carries_its_leaf_and_an_id_that_stays(name: str, leaf: Leaf) -> None:
    """What a SIEM has kept proves itself: SHA-256(0x00 || raw_data) is the leaf's hash in the log."""
    log, _, kind = name.partition(".")
    event = rendered(leaf, 123)

    assert hashlib.sha256(b"\0" + event["raw_data"].encode()).digest() == (
        hashlib.sha256(b"\0" + leaf.encode()).digest()
    )
    metadata = event["metadata"]
    assert (metadata["uid"], metadata["log_name"], metadata["sequence"]) == (str(EVENT), log, 123)
    assert event["unmapped"]["kind"] == kind.lower()
    assert event["unmapped"]["unlock_id"] == str(UNLOCK)


def test_a_refusal_is_a_failure_and_nothing_else_is() -> None:
    failed = {name.partition(".")[2] for name, _, shape in ALL if shape.failed}

    assert failed == {kind.name for kind in KeysEvent if kind.name.endswith(("_REFUSED", "_THROTTLED"))} - {
        "CHECKPOINT_REFUSED"
    } | {"RECORD_READ_MISSING"}


def test_signs_of_tampering_are_findings_that_wake_somebody() -> None:
    findings = {name for name, _, shape in ALL if shape.of is Class.DETECTION_FINDING}

    assert findings == {
        "keys.WRAP_INTEGRITY_FAILED", "keys.LOG_RESTORED", "keys.CHECKPOINT_REFUSED",
        "keys.RECORDS_LOG_RESTORE_ACCEPTED", "records.SESSION_REFUSED", "records.RECORD_INTEGRITY_FAILED",
        "records.LOG_RESTORED",
        # Rows planted or altered; escrow wraps that no longer open; words that stand in for a quorum.
        "keys.CASE_INTEGRITY_FAILED", "keys.DRILL_FAILED", "keys.BREAK_GLASS_USED",
        "keys.PASSKEY_COUNTER_WENT_BACK",  # a passkey that was copied
    }  # fmt: skip
    assert all(shape.severity >= Severity.HIGH for name, _, shape in ALL if name in findings)


def test_a_ceremony_that_asked_a_second_too_early_wakes_nobody_and_each_other_refusal_does() -> None:
    """The first stands after every waiting period."""
    early = replace(keys_leaf(KeysEvent.CEREMONY_REFUSED.value), digest=ASKED_TOO_EARLY)

    assert rendered(early)["severity"] == "Low"
    assert outgoing(0, early).severity is Severity.LOW
    assert rendered(replace(early, digest=b"c" * 32))["severity"] == "High"


def test_a_kind_without_a_mapping_does_not_load() -> None:
    class Kinds(IntEnum):
        OLD = 1
        NEW = 2

    with pytest.raises(TypeError, match="NEW"):
        _complete(Kinds, {Kinds.OLD: KEYS[KeysEvent.UNLOCKED]})


def test_a_kind_of_a_newer_version_is_sent_all_the_same() -> None:
    for leaf in (keys_leaf(999), records_leaf(999)):
        event = rendered(leaf)

        assert (event["class_uid"], event["unmapped"]["kind"]) == (0, "unknown_999")


def test_an_event_without_app_or_session_still_has_what_its_class_demands() -> None:
    for name, leaf, shape in ALL:
        bare = keys_leaf(leaf.kind, None) if name.startswith("keys") else records_leaf(leaf.kind, None)
        event = rendered(bare)

        assert event.keys() >= BASE | REQUIRED[shape.of]
        if "actor" in event:
            assert event["actor"]["app_uid"] == "vault_service"


def test_the_time_zone_of_the_reader_has_no_say() -> None:
    elsewhere = KeysLeaf(
        USER, EVENT, 3, AT.astimezone(timezone(timedelta(hours=5, minutes=45))), APP, None, None, None, None
    )

    assert rendered(elsewhere)["time"] == 1795771243817
    assert rendered(elsewhere)["metadata"]["original_time"] == "2026-11-27T09:20:43.817210Z"


def test_each_event_is_one_line_of_ascii() -> None:
    for _, leaf, _ in ALL:
        line = outgoing(0, leaf).json
        assert line.isascii()
        assert b"\n" not in line


CASE, OFFICER = UUID(int=7), UUID(int=8)
BY_OFFICERS = [
    (kind, shape)
    for kind, shape in KEYS.items()
    if kind.name.startswith(("CASE_", "APPROVAL_", "OFFICER_", "IDENTIFICATION_", "SHARE_R", "USER_LOOKED"))
]


@pytest.mark.parametrize(("kind", "shape"), BY_OFFICERS, ids=[kind.name for kind, _ in BY_OFFICERS])
def test_what_an_officer_does_names_the_officer_as_actor_and_the_case_as_resource(
    kind: KeysEvent, shape: Shape
) -> None:
    event = rendered(keys_leaf(int(kind), case_id=CASE, officer_id=OFFICER))

    actor = event["evidences"][0]["actor"] if shape.of is Class.DETECTION_FINDING else event["actor"]
    assert actor["user"] == {"uid": str(OFFICER), "type_id": 2, "type": "Admin"}
    assert [(each["type_id"], each["value"]) for each in event["observables"]] == [(10, str(CASE))]
    assert (event["unmapped"]["case_id"], event["unmapped"]["officer_id"]) == (str(CASE), str(OFFICER))
    if shape.entity == "recovery case":
        assert event["entity"]["uid"] == str(CASE)
    if shape.of is Class.AUTHENTICATION:
        assert event["user"] == {**actor["user"]}, "in whose name a call was made"
    if shape.of is Class.DETECTION_FINDING:
        assert event["resources"] == [{"uid": str(CASE), "type": "recovery case"}]


@pytest.mark.parametrize("kind", KeysEvent, ids=lambda kind: kind.name)
def test_whom_an_officer_acts_upon_is_never_lost(kind: KeysEvent) -> None:
    event = rendered(keys_leaf(int(kind), case_id=CASE, officer_id=OFFICER))

    named = {event.get("user", {}).get("uid"), event["unmapped"].get("user_id")}
    assert str(USER) in named


def test_an_event_without_officer_and_case_looks_as_before() -> None:
    event = rendered(keys_leaf(int(KeysEvent.UNLOCKED)))

    assert not event.keys() & {"observables", "resources", "evidences"}
    assert "user" not in event["actor"]
    assert "user_id" not in event["unmapped"]
