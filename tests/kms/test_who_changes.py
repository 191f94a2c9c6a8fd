"""Who changed something as an operator is said in the key service's log: the audit log holds no names."""

import msgspec
from structlog.testing import capture_logs

from vault_service.domain.ids import new_uuid
from vault_service.kms.dispatch import _TELL_WHO, Caller, answer
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.messages import ANSWERS, CreateApp, Health, ListApps, LogHead
from vault_service.kms.protocol.rotation_messages import (
    CountOldCosts,
    ListGenerations,
    OthersInUse,
    ReportVerified,
    RotationStatus,
    TakeCensus,
    VerifyWraps,
)
from vault_service.kms.service import KeyService

LOOKS: set[type[Request]] = {
    CountOldCosts, Health, ListApps, ListGenerations, LogHead, OthersInUse, ReportVerified, RotationStatus,
    TakeCensus, VerifyWraps,
}  # fmt: skip
ANA = Caller("operator", "uid 1042")


def test_a_change_is_told_with_whose_it_was_and_a_look_is_not(shared_service: KeyService) -> None:
    request = CreateApp(f"app {new_uuid().hex}"[:40], "default")

    with capture_logs() as lines:
        answer(shared_service, ANA, "create_app", msgspec.json.encode(request))
        answer(shared_service, ANA, "list_apps", msgspec.json.encode(ListApps()))

    told = [line for line in lines if line["event"] == "kms.changed"]
    assert [(line["call"], line["origin"]) for line in told] == [("create_app", "operator uid 1042")]


def test_what_was_refused_has_changed_nothing(shared_service: KeyService) -> None:
    with capture_logs() as lines:
        answer(shared_service, ANA, "create_app", b"{}")

    assert not [line for line in lines if line["event"] == "kms.changed"]


def test_each_call_of_an_operator_is_a_change_or_a_look() -> None:
    calls = {kind for kind in ANSWERS if "operator" in kind.callers}

    assert calls == LOOKS | set(_TELL_WHO)
    assert not LOOKS & set(_TELL_WHO)
