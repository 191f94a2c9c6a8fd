"""Officers with passkeys in real ceremonies: what a browser signs counts as a key file's signature does."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from tests.ceremony.office import NEW_PASSWORD, Office, office_of
from tests.rig.browser import Browser
from tests.rig.passkey_officers import hand_out_passkeys
from tests.rig.passkeys import SoftPasskey
from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.recovery.acting import act, act_by_passkey
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.decide import Person, approve
from vault_service.recovery.officer_card import (
    PasskeyCard,
    card_message,
    make_card,
    signed_card,
    unsigned_card,
)
from vault_service.recovery.officers import Change, propose, re_key
from vault_service.recovery.open_case import Wanted
from vault_service.recovery.propose import list_officers, open_change
from vault_service.recovery.trust import trusted_chain


@dataclass
class Crew:
    """ana has a key file, the others a passkey each."""

    office: Office
    bob: Browser
    cleo: Browser

    def shown(self, case: UUID) -> ShownCase:
        parts = self.office.recovery
        return read_case(parts, trusted_chain(parts), CaseId(case))

    def told(self, case: UUID) -> Person:
        return Person(self.office.logins[case], self.office.phrases[case])

    def change(self, change: Change) -> Wanted:
        newest = trusted_chain(self.office.recovery).newest
        return Wanted(
            "officer-change",
            "as we decided",
            manifest=propose(newest, [change], self.office.recovery.now()).body,
        )


@pytest.fixture(scope="module")
def crew(scratch: Path, postgres: TestServer) -> Iterator[Crew]:
    with vault_of_its_own(scratch, postgres) as vault:
        passkeys = hand_out_passkeys(vault, ["bob", "cleo"])
        with office_of(vault) as office:
            bob, cleo = (Browser(office.recovery, name, passkeys[name]) for name in ("bob", "cleo"))
            yield Crew(office, bob, cleo)


def test_two_officers_give_access_again_with_passkeys_alone(crew: Crew) -> None:
    """Each with two touches: who the person is, then the approval, which opens the share as well."""
    office, person = crew.office, crew.office.somebody()
    before = person.unlock()
    case = office.begin(person)
    with office.in_this_process() as here:
        ceremony = office.await_gathering(case).ceremony
        for browser in (crew.bob, crew.cleo):
            releases = browser.approve(crew.shown(case), crew.told(case))
            assert [each.ceremony for each in releases.released] == [ceremony]
        assert here.running.result(110) is not None

    assert office.state(case) == "executed"
    assert person.unlock(NEW_PASSWORD).dek == before.dek
    assert not person.opens_with(person.password)
    assert office.events(case)[-1] == K.ACCESS_REGAINED
    assert [each.holds_share for each in list_officers(office.recovery)] == [True, True, True]


def test_passkeys_and_key_files_change_the_officers_together(crew: Crew) -> None:
    """cleo goes back to a key file, and bob to another passkey; whatever they had is nobody's then."""
    office, vault, parts = crew.office, crew.office.vault, crew.office.recovery
    cleo, bob = crew.cleo.acting, crew.bob.acting

    file = OfficerKey.generate(cleo.officer_id, new_uuid(), "cleo")
    shown = crew.bob.open(crew.change(re_key(make_card(file, fingerprint=vault.fingerprint))))
    with office.in_this_process() as here:
        office.await_gathering(shown.case_id)
        office.approve(shown.case_id, "ana")
        crew.cleo.approve(shown)
        assert here.running.result(110) is not None
    assert office.state(shown.case_id) == "executed"
    with pytest.raises(OfficerRefusedError, match="another key"):
        act_by_passkey(parts, cleo.officer_id, cleo.authenticator_id)

    fresh = SoftPasskey()
    card = card_of(fresh, "bob", bob.officer_id, vault.fingerprint)
    acting = act(parts, file, vault.fingerprint)
    shown = open_change(parts, acting, propose(acting.manifest, [re_key(card)], parts.now()), "a new phone")
    with office.in_this_process() as here:
        office.await_gathering(shown.case_id)
        crew.bob.approve(shown)
        office.approve(shown.case_id, "ana")
        assert here.running.result(110) is not None
    with pytest.raises(OfficerRefusedError, match="another key"):
        act_by_passkey(parts, bob.officer_id, bob.authenticator_id)

    person = office.somebody()
    case = office.begin(person)
    with office.in_this_process() as here:
        office.await_gathering(case)
        Browser(parts, "bob", fresh).approve(crew.shown(case), crew.told(case))
        approve(parts, act(parts, file, vault.fingerprint), crew.shown(case), crew.told(case))
        assert here.running.result(110) is not None
    assert person.opens_with(NEW_PASSWORD)


def card_of(passkey: SoftPasskey, name: str, officer_id: UUID, fingerprint: str) -> PasskeyCard:
    """As enrolment makes it: the passkey signs its own card."""
    authenticator = passkey.authenticator(new_uuid(), officer_id, fingerprint)
    card = unsigned_card(name, officer_id, authenticator, passkey.share_key, fingerprint=fingerprint)
    return signed_card(card, passkey.sign_message(card_message(card)))
