"""A forgotten password, two officers and the ceremony as a process of its own: access to the old data."""

from tests.ceremony.office import NEW_PASSWORD, Office, result_of
from vault_service.domain.events import KeysEvent as K


def test_two_officers_give_access_again_and_the_old_password_is_no_more(office: Office) -> None:
    person = office.somebody()
    before = person.unlock()
    case = office.begin(person)
    process = office.start()
    office.await_gathering(case)

    office.approve(case, "ana", "bob")
    result = result_of(process)

    assert [(each["case"], each["state"]) for each in result["cases"]] == [(str(case), "executed")]
    assert not person.opens_with(person.password)
    after = person.unlock(NEW_PASSWORD)
    assert (after.dek, after.dek_id, after.epoch) == (before.dek, before.dek_id, before.epoch + 1)
    assert office.events(case)[-1] == K.ACCESS_REGAINED
    assert process.popen.poll() == 0
