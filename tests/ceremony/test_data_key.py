"""A ceremony for somebody whose records are under two data keys: everything is there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tests.ceremony.office import NEW_PASSWORD, Office
from tests.rig.people import Person
from tests.rig.vault import PASSWORD
from tests.rotation.data_keys import Api, Owner, api_of
from vault_service.domain.case import CollectionScope, Scope


@pytest.fixture
def api(open_office: Office) -> Iterator[Api]:
    with api_of(open_office.vault) as host:
        yield host


@pytest.fixture
def half_way(api: Api) -> Owner:
    """Five records, of which signing in re-encrypted three."""
    owner = api.somebody(records=5)
    owner.change()
    owner.sign_in()
    assert sorted(owner.under().values()) == [2, 3]
    return owner


def test_a_disclosure_opens_records_under_both_keys(office: Office, half_way: Owner) -> None:
    recipient = pyrage.x25519.Identity.generate()
    scope = Scope(collections=(CollectionScope("contact"),))
    case = office.open("disclosure", user=half_way.user, recipient=str(recipient.to_public()), scope=scope)

    (outcome,) = office.serve(case, "ana", "bob").outcomes

    assert outcome.error is None
    document = json.loads(pyrage.decrypt(Path(outcome.says).read_bytes(), [recipient]))
    assert [record["fields"]["full_name"] for record in document["records"]] == half_way.all_names()
    assert document["unreadable"] == []


def test_a_disclosure_names_what_is_under_a_key_that_was_damaged(office: Office, half_way: Owner) -> None:
    half_way.keys(
        "UPDATE deks SET kept = set_byte(kept, 50, get_byte(kept, 50) # 1) WHERE user_id = %(user)s"
    )
    recipient = pyrage.x25519.Identity.generate()
    scope = Scope(collections=(CollectionScope("contact"),))
    case = office.open("disclosure", user=half_way.user, recipient=str(recipient.to_public()), scope=scope)

    (outcome,) = office.serve(case, "ana", "bob").outcomes

    document = json.loads(pyrage.decrypt(Path(outcome.says).read_bytes(), [recipient]))
    assert len(document["records"]) == 3
    assert document["unreadable"] == [str(record) for record in half_way.kept[3:]]


def test_a_regain_gives_access_to_records_under_both_keys(office: Office, half_way: Owner) -> None:
    person = Person(office.vault, office.app, half_way.user, half_way.login, PASSWORD)
    case = office.begin(person)

    office.serve(case, "ana", "bob")

    token = half_way.sign_in(NEW_PASSWORD)
    assert half_way.names(token) == half_way.all_names()
    assert half_way.api.accounts.continue_data_key(token).remaining == 0
    assert half_way.deks() == 1
