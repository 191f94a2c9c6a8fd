"""However many ceremonies are started at once, one works; the others say so and do no harm."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.ceremony.liar import Liar
from tests.ceremony.office import NEW_PASSWORD, Office, result_of, until
from tests.rig.vault import settings_of
from tests.rotation.operator import Operator
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.domain.errors import ConfigurationError, KmsUnavailableError
from vault_service.domain.recovery_errors import CeremonyBusyError
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import CompleteCase


def test_of_twenty_at_once_one_works(office: Office) -> None:
    person = office.somebody()
    case = office.begin(person)
    with ThreadPoolExecutor(20) as pool, office.ceremonies(20) as ceremonies:
        running = [pool.submit(each.run, wait_s=5) for each in ceremonies]
        until(lambda: sum(each.done() for each in running) == 19)
        busy = [each.exception() for each in running if each.done()]
        office.approve(case, "ana", "bob")
        results = [each.result(110) for each in running if each.exception() is None]

    assert {type(error) for error in busy} == {CeremonyBusyError}
    (result,) = results
    assert result is not None
    assert [outcome.error for outcome in result.outcomes] == [None]
    assert person.opens_with(NEW_PASSWORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_nobody_works_in_the_folder_of_another_user(office: Office) -> None:
    """What root left there and in the token, the service could not open any more: the next ceremony fails."""
    folder = office.vault.home / "ceremony"
    os.chown(folder, 65534, 65534)
    try:
        with pytest.raises(ConfigurationError) as refused:
            build_ceremony(settings_of(office.vault))
    finally:
        os.chown(folder, 0, 0)

    assert "sudo -u 'nobody' vaultctl" in refused.value.remedy


def test_a_second_process_is_told_that_one_is_at_work(office: Office) -> None:
    person = office.somebody()
    case = office.begin(person)
    first = office.start()
    office.await_gathering(case)

    second = office.start(name="second")
    assert second.popen.wait(30) == 4
    assert "recovery.ceremony_busy" in second.log.read_text()

    office.approve(case, "ana", "bob")
    assert [each["state"] for each in result_of(first)["cases"]] == ["executed"]


def test_a_case_that_comes_later_is_served_by_the_same_ceremony_with_a_larger_note(office: Office) -> None:
    first, second = office.somebody(), office.somebody()
    case = office.begin(first)
    with office.in_this_process() as here:
        small = office.await_gathering(case)
        later = office.begin(second)
        office.await_gathering(case, later, other_than=small.ceremony)
        assert office.gathering(case) != small
        for each in (case, later):
            office.sign(each, "ana")
            office.sign(each, "bob")
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    assert len(result.outcomes) == 2
    assert first.opens_with(NEW_PASSWORD)
    assert second.opens_with(NEW_PASSWORD)


def test_so_is_one_that_names_a_manifest_of_after_the_ceremony_began(office: Office) -> None:
    """A case that nobody decides keeps a ceremony waiting for an hour, and keys are rotated meanwhile."""
    nobody_decides, later = office.somebody(), office.somebody()
    waiting = office.begin(nobody_decides)
    with office.in_this_process() as here:
        small = office.await_gathering(waiting)
        with Operator.of(office.vault) as operator:
            operator.retire("case", operator.create("case").gen)  # two manifests more
        case = office.begin(later)
        office.await_gathering(case, other_than=small.ceremony)
        office.approve(case, "ana", "bob")
        result = here.running.result(110)

    assert result is not None
    assert [outcome.error for outcome in result.outcomes] == [None]
    assert later.opens_with(NEW_PASSWORD)


def test_once_a_share_is_released_a_later_case_waits_until_patience_is_over(office: Office) -> None:
    """Otherwise whoever opens cases all the time would void every release."""
    case = office.begin(office.somebody())
    with office.in_this_process() as here:
        small = office.await_gathering(case)
        office.approve(case, "ana")
        office.begin(office.somebody())
        asked = office.clock.asked
        until(lambda: office.clock.asked > asked + 10)
        assert office.gathering(case) == small
        office.approve(case, "bob")
        result = here.running.result(110)
    assert result is not None
    assert [outcome.error for outcome in result.outcomes] == [None]


def test_an_answer_that_got_lost_is_asked_for_again(office: Office) -> None:
    """The case is executed by then; whoever runs the ceremony must not be told that it failed."""
    person = office.somebody()
    case = office.begin(person)
    lost: list[Request] = []

    def lie(_: Liar, request: Request, told: Any) -> Any:
        if isinstance(request, CompleteCase) and not lost:
            lost.append(request)
            raise KmsUnavailableError("the key service")
        return told

    result = office.serve(case, "ana", "bob", kms=Liar(office, lie))

    assert lost
    assert [outcome.error for outcome in result.outcomes] == [None]
    assert person.opens_with(NEW_PASSWORD)
