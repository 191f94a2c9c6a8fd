"""Cases that officers open: in the name of who signed, about somebody who exists, of a fitting form."""

import hashlib
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from tests.kms.recoveries import UNSIGNED, Recoveries, decision, signed
from tests.kms.test_begin_recovery import nobody
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from vault_service.domain.case import Case, CollectionScope, Scope, from_case_time, parse_case
from vault_service.domain.errors import IdempotencyConflictError, InvalidInputError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, new_uuid
from vault_service.domain.manifest import Floors, Quorum, Tokens, manifest_hash
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseNotFoundError,
    NotPermittedError,
    OfficerRefusedError,
    SelfApprovalError,
)
from vault_service.kms.cases.book import genuine
from vault_service.kms.cases.quorum import judge_case
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.recovery_messages import CaseOpened, OpenCase, VetoCase
from vault_service.kms.recovery.officer_cases import open_case, veto_case
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import move_case
from vault_service.storage.keys.proposed_manifests import find_proposed

RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
SCOPE = Scope(collections=(CollectionScope("contact", ("full_name",)),))


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    return Recoveries(vault, service)


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


def opened(recoveries: Recoveries, request: OpenCase, by: str = "ana") -> CaseOpened:
    return open_case(recoveries.service, signed(recoveries.service, recoveries.officer(by), request))


def erasure(user: UUID | None, reason: str = "the relatives asked for it") -> OpenCase:
    return OpenCase(new_uuid(), "erasure", reason, UNSIGNED, user_id=user)


def disclosure(user: UUID | None) -> OpenCase:
    return OpenCase(new_uuid(), "disclosure", "a court's order", UNSIGNED, user, RECIPIENT, SCOPE)


def test_a_case_says_who_asks_about_whom_by_which_rules(recoveries: Recoveries, person: Person) -> None:
    service, ana = recoveries.service, recoveries.officer("ana")
    request = disclosure(person.user)
    answer = opened(recoveries, request)
    case, row = parse_case(answer.body), recoveries.row(request.case_id)
    manifest, policy = service.manifests.current(), service.policies.recovery

    assert genuine(service, row) == case
    assert (case.requester, case.user_id, case.kind, case.scope) == (
        ana.officer,
        person.user,
        "disclosure",
        SCOPE,
    )
    assert (case.epoch, case.login_index) == (1, (row.login_index or b"").hex())
    assert case.quorum == policy.quorum_of("disclosure", SCOPE, manifest.quorum)
    assert (case.manifest_serial, case.manifest_hash) == (
        manifest.serial, manifest_hash(manifest.encode()).hex(),
    )  # fmt: skip
    waits = from_case_time(case.not_before) - from_case_time(case.opened_at)
    lives = from_case_time(case.expires_at) - from_case_time(case.opened_at)
    assert waits == timedelta(seconds=policy.waiting_of("disclosure"))
    assert lives == timedelta(seconds=policy.expiry_of("disclosure"))
    assert recoveries.events(request.case_id) == [KeysEvent.CASE_OPENED]
    assert recoveries.told(request.case_id) == [("officers", "opened")]


@pytest.mark.parametrize("kind", ["drill", "key-ceremony"])
def test_some_kinds_are_about_nobody(recoveries: Recoveries, kind: str) -> None:
    scope = Scope(sample=5) if kind == "drill" else Scope()
    case = parse_case(opened(recoveries, OpenCase(new_uuid(), kind, "", UNSIGNED, scope=scope)).body)  # type: ignore[arg-type]  # a kind

    assert (case.user_id, case.dek_id, case.epoch, case.login_index) == (None, None, None, None)
    assert case.scope == scope


def following(recoveries: Recoveries, **changes: object) -> bytes:
    """A manifest that would be the next one."""
    newest = recoveries.service.manifests.current()
    link = {"serial": newest.serial + 1, "previous": manifest_hash(newest.encode()).hex()}
    return msgspec.structs.replace(newest, **(link | changes)).encode()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "changes nothing"),
        ({"previous": "ab" * 32}, "follow"),
        ({"quorum": Quorum(4, 4)}, "fewer officers than"),
        ({"tokens": Tokens("mine", "mine")}, "changes more than"),
        ({"floors": Floors(argon2_memory_kib=1 << 20)}, "memory_kib"),
    ],
    ids=["nothing", "another chain", "never meets", "more", "stops the service"],
)
def test_a_change_that_no_approvals_could_bring_about_is_not_opened(
    recoveries: Recoveries, changes: dict[str, object], says: str
) -> None:
    """Officers would read it, approve it and wait, and only the ceremony would tell them."""
    hopeless = following(recoveries, **changes)
    request = OpenCase(new_uuid(), "officer-change", "a mistake", UNSIGNED, manifest=hopeless)

    with pytest.raises(InvalidInputError, match=says):
        opened(recoveries, request)

    assert recoveries.events(request.case_id) == [KeysEvent.CASE_REFUSED]


def test_a_proposed_manifest_is_kept_and_its_hash_is_what_officers_sign(recoveries: Recoveries) -> None:
    proposed = following(recoveries, quorum=Quorum(2, 3))
    request = OpenCase(new_uuid(), "officer-change", "bob leaves", UNSIGNED, manifest=proposed)
    case = parse_case(opened(recoveries, request).body)

    assert case.scope.manifest == hashlib.sha256(proposed).hexdigest()
    with recoveries.service.db.connection() as conn:
        assert find_proposed(conn, CaseId(request.case_id)) == proposed
    other = msgspec.structs.replace(request, case_id=new_uuid(), scope=Scope(manifest="ab" * 32))
    with pytest.raises(InvalidInputError):
        opened(recoveries, other)


def unfit(user: UUID) -> dict[str, OpenCase]:
    stranger = new_uuid()
    return {
        "about nobody that there is": erasure(stranger),
        "without a subject": erasure(None),
        "without a recipient": msgspec.structs.replace(disclosure(user), recipient=None),
        "without fields": msgspec.structs.replace(disclosure(user), scope=Scope()),
        "a drill about somebody": OpenCase(new_uuid(), "drill", "", UNSIGNED, user_id=user),
        "a drill about nobody that there is": OpenCase(new_uuid(), "drill", "", UNSIGNED, user_id=stranger),
        "a change without a manifest": OpenCase(new_uuid(), "officer-change", "", UNSIGNED),
        "a change without its manifest's bytes": OpenCase(
            new_uuid(), "officer-change", "", UNSIGNED, scope=Scope(manifest="ab" * 32)
        ),
        "a change with rubbish": OpenCase(new_uuid(), "officer-change", "", UNSIGNED, manifest=b"{}"),
        "an erasure with a manifest": msgspec.structs.replace(erasure(user), scope=Scope(manifest="ab" * 32)),
    }


@pytest.mark.parametrize("what", unfit(new_uuid()))
def test_what_does_not_fit_its_kind_is_not_opened(recoveries: Recoveries, person: Person, what: str) -> None:
    request = unfit(person.user)[what]
    with pytest.raises(InvalidInputError):
        opened(recoveries, request)
    assert recoveries.events(request.case_id) == [KeysEvent.CASE_REFUSED]


def test_an_officer_opens_no_regain(recoveries: Recoveries, person: Person) -> None:
    """The new password would be the officer's."""
    request = OpenCase(new_uuid(), "regain", "", UNSIGNED, user_id=person.user)
    with pytest.raises(NotPermittedError):
        opened(recoveries, request)
    assert recoveries.events(request.case_id) == [KeysEvent.CASE_REFUSED]


@pytest.mark.parametrize("change", ["roles", "user_ids"])
def test_who_may_not_open_it_or_is_its_subject_is_refused(
    recoveries: Recoveries, person: Person, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    manifest = recoveries.service.manifests.current()
    value = {"roles": ("approver",), "user_ids": (person.user,)}[change]
    officers = tuple(msgspec.structs.replace(each, **{change: value}) for each in manifest.officers)
    changed = msgspec.structs.replace(manifest, officers=officers)
    monkeypatch.setattr(recoveries.service.manifests, "_current", changed)
    request = erasure(person.user)

    with pytest.raises(NotPermittedError):
        opened(recoveries, request)
    assert recoveries.events(request.case_id) == [KeysEvent.CASE_REFUSED]


def test_without_the_officers_signature_over_all_of_it_nothing_is_opened(
    recoveries: Recoveries, person: Person
) -> None:
    request = signed(recoveries.service, recoveries.officer("ana"), erasure(person.user))
    altered = msgspec.structs.replace(request, reason="another one")

    with pytest.raises(OfficerRefusedError):
        open_case(recoveries.service, altered)
    assert recoveries.events(request.case_id) == [KeysEvent.OFFICER_REFUSED]


def test_a_retry_finds_the_case_and_another_request_does_not(recoveries: Recoveries, person: Person) -> None:
    request = erasure(person.user)
    first = opened(recoveries, request)

    assert opened(recoveries, request).body == first.body
    other = msgspec.structs.replace(request, reason="another reason")
    for again, by in ((other, "ana"), (request, "bob")):
        with pytest.raises(IdempotencyConflictError):
            opened(recoveries, again, by)


def test_the_same_request_twice_makes_two_cases_that_differ(recoveries: Recoveries, person: Person) -> None:
    first = opened(recoveries, erasure(person.user))
    second = opened(recoveries, erasure(person.user))
    assert first.verification_phrase != second.verification_phrase


# --- veto


def test_one_officer_vetoes_a_case_and_the_signature_is_kept(recoveries: Recoveries, person: Person) -> None:
    case = recoveries.of(person).case_id
    assert recoveries.veto("cleo", case) == "vetoed"

    assert recoveries.veto("bob", case) == "vetoed"  # it is already
    assert recoveries.events(case) == [KeysEvent.CASE_OPENED, KeysEvent.CASE_VETOED]
    with recoveries.vault.keys.superuser() as conn:
        kept = conn.execute(
            "SELECT officer_id, decision FROM approvals WHERE case_id = %s", (case,)
        ).fetchall()
    assert kept == [(recoveries.officer("cleo").officer, "veto")]


def vetoes(recoveries: Recoveries, case: Case, own: Case) -> dict[str, tuple[VetoCase, type[VaultError]]]:
    ana, bob = recoveries.officer("ana"), recoveries.officer("bob")

    def veto(of: Case, signature: bytes, by: UUID = ana.officer, what: str = "veto") -> VetoCase:
        return VetoCase(of.case_id, by, ana.authenticator, what, signature)  # type: ignore[arg-type]  # a decision

    good, other = decision(ana, case, "veto").signature, decision(ana, own, "veto").signature
    approval = decision(ana, case, "approve").signature
    return {
        "an approval's signature": (veto(case, approval), ApprovalRefusedError),
        "of another case": (veto(case, other), ApprovalRefusedError),
        "in another name": (veto(case, good, by=bob.officer), ApprovalRefusedError),
        "an approval": (veto(case, approval, what="approve"), InvalidInputError),
        "of one's own case": (veto(own, other), SelfApprovalError),
        "of no case": (msgspec.structs.replace(veto(case, good), case_id=new_uuid()), CaseNotFoundError),
    }


@pytest.mark.parametrize(
    "what",
    ["an approval's signature", "of another case", "in another name", "an approval", "of one's own case",
     "of no case"],
)  # fmt: skip
def test_what_is_no_veto_of_this_case_is_refused_with_an_event(
    recoveries: Recoveries, person: Person, what: str
) -> None:
    case = recoveries.case(recoveries.of(person).case_id)
    own = parse_case(opened(recoveries, erasure(person.user)).body)
    request, error = vetoes(recoveries, case, own)[what]

    with pytest.raises(error):
        veto_case(recoveries.service, request)
    assert recoveries.events(request.case_id)[-1] == KeysEvent.APPROVAL_REFUSED


def test_what_is_over_is_not_vetoed(recoveries: Recoveries, person: Person) -> None:
    case = recoveries.of(person).case_id
    person.unlock()
    with pytest.raises(CaseClosedError):
        recoveries.veto("ana", case)
    assert recoveries.status(case) == "cancelled"


def test_a_veto_during_a_ceremony_that_dies_keeps_every_other_one_from_the_case(
    recoveries: Recoveries, person: Person
) -> None:
    """Officers release their shares to the next ceremony for other cases too."""
    case, ceremony = CaseId(recoveries.of(person).case_id), CeremonyId(new_uuid())
    with recoveries.service.db.transaction() as conn:
        assert move_case(conn, case, "open", "executing", recoveries.service.now(), ceremony=ceremony)
    with pytest.raises(CaseClosedError, match="should that fail"):
        recoveries.veto("cleo", case)
    assert recoveries.events(case)[-1] == KeysEvent.APPROVAL_REFUSED

    with recoveries.service.db.transaction() as conn:
        assert move_case(conn, case, "executing", "open", recoveries.service.now(), ceremony=ceremony)

    cleo = recoveries.officer("cleo").officer
    assert judge_case(recoveries.service, recoveries.case(case)).vetoed_by == (cleo,)


def test_a_decoy_is_vetoed_like_any_case(recoveries: Recoveries) -> None:
    """Or whoever gets a veto refused would know."""
    case = recoveries.begin(nobody()).case_id
    assert recoveries.veto("ana", case) == "vetoed"
    assert recoveries.status(case) == "vetoed"
