"""An officer's signature over a call stands for this call, this officer and these two minutes only."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from tests.crypto.test_manifest_chain import GENESIS
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto.officer_proof import proof_message, request_hash, verify_proof
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.recovery_errors import OfficerRefusedError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANA, BOB = (OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), name) for name in ("ana", "bob"))
MANIFEST = msgspec.structs.replace(
    GENESIS, officers=tuple(key.public(("requester", "approver")) for key in (ANA, BOB))
)
ASKED = request_hash({"case_id": "a", "login": "ana@example.org"})


@dataclass(frozen=True)
class Signed:
    officer_id: UUID
    authenticator_id: UUID
    at: int
    nonce: bytes
    signature: bytes


def by(key: OfficerKey, call: str = "identify", asked: bytes = ASKED, at: datetime = NOW) -> Signed:
    seconds, nonce = int(at.timestamp()), os.urandom(16)
    message = proof_message(call, asked, key.officer, key.authenticator, seconds, nonce)
    return Signed(key.officer, key.authenticator, seconds, nonce, key.signing.sign(message))


def test_the_officer_who_signed_is_told() -> None:
    assert verify_proof(MANIFEST, "identify", ASKED, by(ANA), NOW).name == "ana"


@pytest.mark.parametrize(
    "change",
    [
        {"officer_id": BOB.officer},
        {"officer_id": BOB.officer, "authenticator_id": BOB.authenticator},
        {"authenticator_id": BOB.authenticator},
        {"officer_id": new_uuid()},
        {"at": int(NOW.timestamp()) + 1},
        {"nonce": bytes(16)},
        {"signature": bytes(64)},
    ],
    ids=["officer", "officer and key", "key", "stranger", "time", "nonce", "signature"],
)
def test_a_proof_with_one_field_changed_is_nobodys(change: dict[str, object]) -> None:
    with pytest.raises(OfficerRefusedError):
        verify_proof(MANIFEST, "identify", ASKED, replace(by(ANA), **change), NOW)  # type: ignore[arg-type]  # a field and its value


def test_a_proof_stands_for_no_other_call_and_no_other_request() -> None:
    for call, asked in (("open_case", ASKED), ("identify", request_hash({"case_id": "b"}))):
        with pytest.raises(OfficerRefusedError):
            verify_proof(MANIFEST, call, asked, by(ANA), NOW)


@pytest.mark.parametrize("seconds", [-121, 121])
def test_a_proof_of_another_time_is_refused(seconds: int) -> None:
    verify_proof(MANIFEST, "identify", ASKED, by(ANA, at=NOW + timedelta(seconds=seconds * 120 / 121)), NOW)
    with pytest.raises(OfficerRefusedError):
        verify_proof(MANIFEST, "identify", ASKED, by(ANA, at=NOW + timedelta(seconds=seconds)), NOW)


def test_who_is_no_officer_any_more_signs_nothing() -> None:
    without = msgspec.structs.replace(MANIFEST, officers=MANIFEST.officers[1:])
    with pytest.raises(OfficerRefusedError):
        verify_proof(without, "identify", ASKED, by(ANA), NOW)


def test_what_has_no_canonical_form_is_refused_as_such() -> None:
    with pytest.raises(InvalidInputError):
        request_hash({"sample": 2**60})
