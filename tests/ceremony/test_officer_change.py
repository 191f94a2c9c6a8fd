"""Officers come and go: by a case that a quorum endorses, and the ceremony splits the PIN anew among them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.ceremony.office import Office, office_of
from tests.rig.officers import manifest_of
from tests.rig.vault import Vault
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.errors import ManifestError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import CaseId, OfficerId, new_uuid
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.recovery.acting import ActingWithKey, act
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.decide import Person, approve
from vault_service.recovery.officer_card import make_card
from vault_service.recovery.officers import Change, add, propose, re_key, remove, set_quorum
from vault_service.recovery.propose import list_officers, open_change
from vault_service.recovery.release import release_to_all

DORA = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "dora")


@pytest.fixture
def office(own_vault: Vault) -> Iterator[Office]:
    """Of a vault of its own: other tests need the officers that genesis named."""
    with office_of(own_vault) as opened:
        yield opened


def proposed(office: Office, *changes: Change, by: str = "cleo") -> UUID:
    acting = office.acting(by)
    proposal = propose(acting.manifest, changes, datetime.now(UTC))
    return open_change(office.recovery, acting, proposal, "as we decided").case_id


def dora(office: Office, key: OfficerKey = DORA) -> ActingWithKey:
    return act(office.recovery, key, office.vault.fingerprint)


def seen(office: Office, case: UUID) -> ShownCase:
    return read_case(office.recovery, office.acting("ana").trusted, CaseId(case))


def names(office: Office) -> list[tuple[str, bool]]:
    return [(each.officer.name, each.holds_share) for each in list_officers(office.recovery)]


def test_an_officer_is_added_decides_is_re_keyed_and_another_one_goes(office: Office) -> None:
    """One story, since each step stands on the one before."""
    vault = office.vault
    card = make_card(DORA, fingerprint=vault.fingerprint)

    # A newcomer has no voice in the case that would bring her in, and not before it is executed.
    case = proposed(office, add(card, ("requester", "approver", "discloser")))
    with pytest.raises(OfficerRefusedError):
        _ = dora(office).officer
    office.serve(case, "ana", "bob")
    assert office.events(case)[-1] == K.MANIFEST_SIGNED
    assert names(office) == [("ana", True), ("bob", True), ("cleo", True), ("dora", True)]

    # From the next ceremony on she approves and releases like the others, and cleo's old approvals end.
    person = office.somebody()
    regain = office.begin(person)
    office.approve(regain, "cleo")
    case = proposed(office, remove("cleo"), by="bob")
    stale = proposed(office, set_quorum(disclosure=3), by="bob")
    office.approve(stale, "ana")
    with office.in_this_process() as here:
        office.await_gathering(case)
        office.approve(case, "ana")
        approve(office.recovery, dora(office), seen(office, case))
        assert here.running.result(110) is not None
    assert names(office) == [("ana", True), ("bob", True), ("dora", True)]
    with pytest.raises(OfficerRefusedError):
        _ = office.acting("cleo").officer
    assert seen(office, regain).judgement.approved_by == ()

    # What was proposed for a serial that another manifest has is not endorsed any more.
    with pytest.raises(ManifestError, match="was proposed before"):
        approve(office.recovery, dora(office), seen(office, stale))
    assert office.events(stale)[-1] == K.APPROVAL_REFUSED

    # The regain goes on with those who are officers now.
    with office.in_this_process() as here:
        office.await_gathering(regain)
        office.approve(regain, "ana")
        named = Person(office.logins[regain], office.phrases[regain])
        approve(office.recovery, dora(office), seen(office, regain), named)
        assert here.running.result(110) is not None
    assert office.state(regain) == "executed"

    # With a new key the old one is nobody's.
    fresh = OfficerKey.generate(DORA.officer, new_uuid(), "dora")
    case = proposed(office, re_key(make_card(fresh, fingerprint=vault.fingerprint)), by="bob")
    with office.in_this_process() as here:
        office.await_gathering(case)
        office.approve(case, "ana")
        approve(office.recovery, dora(office), seen(office, case))
        assert here.running.result(110) is not None
    with pytest.raises(OfficerRefusedError, match="another key"):
        _ = dora(office).officer
    assert dora(office, fresh).officer.name == "dora"
    assert manifest_of(vault).serial == 4
    assert release_to_all(office.recovery, dora(office, fresh)).released == ()
