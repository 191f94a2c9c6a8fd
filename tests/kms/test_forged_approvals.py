"""P4: what a superuser of the keys database writes stands for nobody's consent: zero opens, each an event."""

from collections.abc import Callable
from dataclasses import replace
from typing import LiteralString
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kms.casework import (
    CaseFile,
    ceremony_in,
    new_case,
    open_case,
    open_disclosure,
    open_regain,
    put_case,
)
from tests.rig.officers import Ceremony, decide, hand_in, officer_key
from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import OFFICERS, Vault
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import Case
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.kms.cases.quorum import judge_case
from vault_service.kms.service import KeyService


@pytest.fixture(scope="module")
def person(vault: Vault) -> Person:
    return enrol(vault, kms_of(vault))


@pytest.fixture
def file(vault: Vault, shared_service: KeyService, person: Person) -> CaseFile:
    return open_disclosure(vault, shared_service, person)


def refusal(file: CaseFile, ceremony: Ceremony, event: KeysEvent = KeysEvent.PEEL_REFUSED) -> str:
    """The code that peel refuses with, once the event of it is found."""
    before = file.events.count(event)
    with pytest.raises(VaultError) as refused:
        ceremony.peel(file.case.case_id)
    assert file.events.count(event) == before + 1
    assert KeysEvent.WRAPS_PEELED not in file.events
    return refused.value.code


def opened(file: CaseFile) -> Ceremony:
    """A ceremony whose note lists the case: that takes no quorum yet."""
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    return ceremony


def test_two_officers_suffice(file: CaseFile) -> None:
    """The control: so what follows is refused for the right reason."""
    file.approve("ana", "bob")

    assert opened(file).peel(file.case.case_id).wraps[0].wrap is not None
    assert file.events == [KeysEvent.WRAPS_PEELED]


Forge = Callable[[CaseFile], list[SignedDecision]]
_STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def _one_officer(file: CaseFile) -> list[SignedDecision]:
    return [decide(officer_key(file.vault, "ana"), file.body)]


def _twice_the_same(file: CaseFile) -> list[SignedDecision]:
    return _one_officer(file) * 3


def _in_another_name(file: CaseFile) -> list[SignedDecision]:
    ana, bob = (officer_key(file.vault, name) for name in ("ana", "bob"))
    own = decide(ana, file.body)
    return [own, replace(own, officer_id=bob.officer, authenticator_id=bob.authenticator)]


def _by_a_made_up_key(file: CaseFile) -> list[SignedDecision]:
    ana, bob = (officer_key(file.vault, name) for name in ("ana", "bob"))
    return [decide(ana, file.body), decide(replace(bob, signing=_STRANGER), file.body)]


def _by_nobody_of_the_manifest(file: CaseFile) -> list[SignedDecision]:
    ana = officer_key(file.vault, "ana")
    stranger = replace(ana, officer=OfficerId(new_uuid()), authenticator=new_uuid(), signing=_STRANGER)
    return [decide(ana, file.body), decide(stranger, file.body)]


def _with_another_s_authenticator(file: CaseFile) -> list[SignedDecision]:
    ana, bob = (officer_key(file.vault, name) for name in ("ana", "bob"))
    return [decide(ana, file.body), decide(replace(bob, authenticator=ana.authenticator), file.body)]


def _a_veto_called_an_approval(file: CaseFile) -> list[SignedDecision]:
    ana, bob = (officer_key(file.vault, name) for name in ("ana", "bob"))
    return [decide(ana, file.body), replace(decide(bob, file.body, "veto"), decision="approve")]


def _without_signatures(file: CaseFile) -> list[SignedDecision]:
    keys = [officer_key(file.vault, name) for name in OFFICERS]
    return [SignedDecision(key.officer, key.authenticator, "approve", bytes(64)) for key in keys]


def _of_another_case(file: CaseFile) -> list[SignedDecision]:
    other = msgspec.structs.replace(file.case, case_id=new_uuid())
    return [decide(officer_key(file.vault, name), other.encode()) for name in ("ana", "bob")]


def _of_another_version(file: CaseFile) -> list[SignedDecision]:
    edited = msgspec.structs.replace(file.case, recipient="age1" + "p" * 58)
    return [decide(officer_key(file.vault, name), edited.encode()) for name in ("ana", "bob")]


FORGED: dict[str, Forge] = {
    "one officer": _one_officer,
    "one officer three times": _twice_the_same,
    "one officer's signature in another's name": _in_another_name,
    "a key that is not the officer's": _by_a_made_up_key,
    "an officer who is not in the manifest": _by_nobody_of_the_manifest,
    "somebody else's authenticator": _with_another_s_authenticator,
    "a veto that is called an approval": _a_veto_called_an_approval,
    "rows without signatures": _without_signatures,
    "approvals of another case": _of_another_case,
    "approvals of another version of the case": _of_another_version,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_is_no_quorum_of_signatures_over_this_case_opens_nothing(file: CaseFile, forge: Forge) -> None:
    hand_in(file.vault, file.case.case_id, *forge(file))

    assert refusal(file, opened(file)) == "recovery.quorum_not_met"
    assert file.state == "open"


def test_a_state_that_was_written_into_the_table_opens_nothing(file: CaseFile) -> None:
    ceremony = opened(file)
    file.write("state = 'executing', ceremony_id = %(ceremony)s", ceremony=ceremony.ceremony_id)

    assert refusal(file, ceremony) == "recovery.quorum_not_met"
    with pytest.raises(VaultError, match="0 of 2"):
        ceremony.complete(file.case.case_id, digest=bytes(32))
    assert file.state == "executing"
    assert file.events[-1] is KeysEvent.CEREMONY_REFUSED


def test_the_requester_has_no_voice(vault: Vault, shared_service: KeyService, person: Person) -> None:
    file = open_disclosure(vault, shared_service, person, requester=officer_key(vault, "ana").officer)
    file.approve("ana", "bob")

    assert refusal(file, opened(file)) == "recovery.quorum_not_met"


def test_an_approval_of_a_regain_needs_the_key_service_s_word_on_who_was_identified(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    file = open_regain(vault, shared_service, person)
    ana, bob = (officer_key(vault, name) for name in ("ana", "bob"))
    for identified in (None, bytes(32), file.identified("ana")):  # none, made up, another officer's
        hand_in(vault, file.case.case_id, decide(bob, file.body, identified=identified))
    hand_in(vault, file.case.case_id, decide(ana, file.body, identified=file.identified("ana")))

    assert refusal(file, opened(file)) == "recovery.quorum_not_met"
    file.approve("bob")
    assert opened(file).peel(file.case.case_id).wraps


def test_however_many_approvals_are_planted_the_token_is_asked_once_for_each_officer(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    """By a superuser without signatures, by an officer with his own: a flood must not become the token's."""
    file = open_regain(vault, shared_service, person)
    ana, cleo = (officer_key(vault, name) for name in ("ana", "cleo"))
    own = decide(cleo, file.body)
    planted = [replace(own, identified=number.to_bytes(32, "big")) for number in range(50)]
    forged = [replace(each, officer_id=ana.officer, authenticator_id=ana.authenticator) for each in planted]
    ceremony = opened(file)

    def work() -> int:
        before = shared_service.keyring.token.calls.copy()
        judged = judge_case(shared_service, file.case)
        assert judged.approved_by == (ana.officer, officer_key(vault, "bob").officer)
        return (shared_service.keyring.token.calls - before).total()

    file.approve("ana", "bob")
    quiet = work()
    hand_in(vault, file.case.case_id, *planted, *forged)

    assert work() == quiet + 1
    assert ceremony.peel(file.case.case_id).wraps


def test_two_open_cases_about_somebody_never_add_up(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    files = [open_disclosure(vault, shared_service, person) for _ in range(2)]
    for file, name in zip(files, ("ana", "bob"), strict=True):
        file.approve(name)
    ceremony = ceremony_in(shared_service)
    ceremony.open(*(file.case.case_id for file in files))

    assert [refusal(file, ceremony) for file in files] == ["recovery.quorum_not_met"] * 2


Edit = Callable[[CaseFile], None]


def _body_with(change: dict[str, object]) -> Edit:
    def edit(file: CaseFile) -> None:
        forged = msgspec.convert(msgspec.to_builtins(file.case) | change, Case)
        file.write("body = %(body)s", body=forged.encode())

    return edit


def _columns(assignment: LiteralString) -> Edit:
    return lambda file: file.write(assignment)


EDITS: dict[str, Edit] = {
    "another recipient in the body": _body_with({"recipient": "age1" + "p" * 58}),
    "an earlier due time in the body": _body_with({"opened_at": "2020-01-01T00:00:00.000000Z"}),
    "a later expiry in the body": _body_with({"expires_at": "2099-01-01T00:00:00.000000Z"}),
    "an earlier opening beside it": _columns("opened_at = opened_at - interval '1 day'"),
    "an earlier due time beside it": _columns("not_before = not_before - interval '1 day'"),
    "a later expiry beside it": _columns("expires_at = expires_at + interval '1 day'"),
    "another user beside it": _columns("user_id = gen_random_uuid()"),
    "another kind beside it": _columns("kind = 'erasure'"),
    "called a decoy": _columns("decoy = true"),
    "a flipped bit in the MAC": _columns("mac = set_byte(mac, 0, get_byte(mac, 0) # 1)"),
    "white space in the body": _columns("body = body || ' '::bytea"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_case_that_was_edited_is_refused(file: CaseFile, edit: Edit) -> None:
    file.approve("ana", "bob")
    ceremony = opened(file)

    edit(file)

    assert refusal(file, ceremony) in {"recovery.case_refused", "recovery.note_refused"}
    with pytest.raises(VaultError):
        ceremony_in(file.service).open(file.case.case_id)
    assert KeysEvent.CASE_INTEGRITY_FAILED in file.events


def test_a_quorum_of_one_cannot_even_be_said(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    with pytest.raises(msgspec.ValidationError, match="quorum"):
        new_case(shared_service, "disclosure", person, quorum=1)


def test_a_policy_file_below_the_manifest_lowers_no_quorum(file: CaseFile) -> None:
    """And a case that was opened with more keeps it."""
    policies = file.service.policies
    quorum = msgspec.structs.replace(policies.recovery.quorum, disclosure=1)  # as if no floor were in code
    lowered = msgspec.structs.replace(
        policies, recovery=msgspec.structs.replace(policies.recovery, quorum=quorum)
    )
    file.service = replace(file.service, policies=lowered)
    file.approve("ana")

    assert refusal(file, opened(file)) == "recovery.quorum_not_met"


def test_a_case_opened_with_a_higher_quorum_keeps_it(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    file = open_disclosure(vault, shared_service, person, quorum=3)
    file.approve("ana", "bob")

    assert refusal(file, opened(file)) == "recovery.quorum_not_met"


def test_a_case_under_a_manifest_that_is_not_in_the_chain_is_refused(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    case = new_case(
        shared_service, "drill", manifest_hash="ab" * 32, scope={"sample": 1}, requester=new_uuid()
    )
    put_case(shared_service, case)

    with pytest.raises(VaultError, match="not in the chain"):
        ceremony_in(shared_service).open(case.case_id)


@pytest.mark.parametrize("state", ["cancelled", "vetoed", "expired", "executed"])
def test_what_was_decided_stays_so_whatever_was_approved(file: CaseFile, state: str) -> None:
    file.approve("ana", "bob")
    ceremony = opened(file)
    file.write("state = %(state)s", state=state)

    assert refusal(file, ceremony) == "recovery.case_closed"


def test_one_veto_is_enough_also_when_nobody_wrote_the_state_down(file: CaseFile) -> None:
    file.approve("ana", "bob")
    ceremony = opened(file)
    file.veto("cleo")

    assert refusal(file, ceremony) == "recovery.case_closed"
    with pytest.raises(VaultError, match="vetoed"):
        ceremony_in(file.service).open(file.case.case_id)


def test_a_case_that_is_unknown_is_refused_with_an_event(vault: Vault, shared_service: KeyService) -> None:
    unknown: UUID = new_uuid()
    with pytest.raises(VaultError) as refused:
        ceremony_in(shared_service).open(unknown)
    assert refused.value.code == "recovery.no_such_case"
    with vault.keys.superuser() as conn:
        kinds = conn.execute("SELECT kind FROM audit_events WHERE case_id = %s", (unknown,)).fetchall()
    assert kinds == [(int(KeysEvent.CEREMONY_REFUSED),)]


def test_no_one_but_a_ceremony_may_ask(file: CaseFile) -> None:
    file.approve("ana", "bob")
    for caller in ("api", "console", "operator", "worker_keys", "worker_records"):
        with pytest.raises(VaultError) as refused:
            ceremony_in(file.service, caller).open(file.case.case_id)
        assert refused.value.code == "kms.caller_refused"
    assert open_case(file.vault, file.service, "drill", scope={"sample": 1}).state == "open"
