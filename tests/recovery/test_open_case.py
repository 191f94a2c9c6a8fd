"""Opening cases and finding users, in an officer's name."""

import pyrage
import pytest

from tests.recovery.office import Office
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.recovery_errors import NotPermittedError, OfficerRefusedError
from vault_service.kms.protocol.recovery_messages import CaseOpened, OpenCase
from vault_service.recovery.acting import UNSIGNED, act, call
from vault_service.recovery.open_case import Wanted, find_user, open_case

CONTACT = Scope(collections=(CollectionScope("contact", ("full_name",)),))


def recipient() -> str:
    return str(pyrage.x25519.Identity.generate().to_public())


def test_a_disclosure_names_its_subject_its_recipient_and_its_fields(office: Office) -> None:
    person, to = office.person(), recipient()

    shown = office.open(kind="disclosure", user=person.user, recipient=to, scope=CONTACT)

    assert (shown.case.user_id, shown.case.recipient, shown.case.scope) == (person.user, to, CONTACT)
    assert shown.case.requester == office.acting("ana").key.officer
    assert office.shown(shown.case.case_id).digest == shown.digest


def test_a_recipient_with_a_wrong_letter_is_found_out_before_anybody_has_to_approve(office: Office) -> None:
    """By the officer's client, and by the key service, whatever client asks."""
    person, right = office.person(), recipient()
    wrong = right[:-1] + ("q" if right[-1] != "q" else "p")

    refused = office.count(KeysEvent.CASE_REFUSED)
    with pytest.raises(InvalidInputError):
        office.open(kind="disclosure", user=person.user, recipient=wrong, scope=CONTACT)
    assert office.count(KeysEvent.CASE_REFUSED) == refused  # a slip of the pen is no refusal yet
    request = OpenCase(
        new_uuid(), "disclosure", "why", UNSIGNED, user_id=person.user, recipient=wrong, scope=CONTACT
    )
    with pytest.raises(InvalidInputError, match="age recipient"):
        call(office.parts, office.acting("ana"), request, CaseOpened)
    assert office.events(request.case_id) == ["case_refused"]


def test_a_case_says_why(office: Office) -> None:
    with pytest.raises(InvalidInputError):
        office.open(reason="  ")


def test_nobody_opens_a_regain_in_a_users_name(office: Office) -> None:
    with pytest.raises(NotPermittedError):
        office.open(kind="regain", user=office.person().user)


def test_a_key_that_is_no_officers_opens_nothing_and_finds_nobody(office: Office) -> None:
    stranger = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "dora")
    acting = act(office.parts, stranger, office.parts.fingerprint)

    with pytest.raises(OfficerRefusedError):
        open_case(office.parts, acting, Wanted("key-ceremony", "because"))
    with pytest.raises(OfficerRefusedError):
        find_user(office.parts, acting, "default", office.person().login, "because")


def test_a_user_is_found_by_login_for_a_purpose(office: Office) -> None:
    person, bob = office.person(), office.acting("bob")

    assert find_user(office.parts, bob, "default", person.login, "court order 17") == person.user
    assert find_user(office.parts, bob, "default", "nobody@example.org", "court order 17") is None
    with pytest.raises(InvalidInputError):
        find_user(office.parts, bob, "default", person.login, " ")
