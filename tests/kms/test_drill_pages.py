"""A drill's wraps: page by page, a sample that nobody chooses, broken ones named."""

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString
from uuid import UUID

import pytest

from tests.kms.casework import CaseFile, ceremony_in, open_case
from tests.kms.chains import key_service
from tests.rig.officers import Ceremony
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.recovery_errors import QuorumNotMetError
from vault_service.kms.protocol.recovery_messages import PeeledWrap
from vault_service.kms.service import KeyService

PEOPLE = 7


@pytest.fixture(scope="module")
def small(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault that has these people and nobody else."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="module")
def people(small: Vault) -> list[Person]:
    return sorted((enrol(small, kms_of(small)) for _ in range(PEOPLE)), key=lambda person: person.user)


@pytest.fixture(scope="module")
def drilling(small: Vault, people: list[Person]) -> Iterator[KeyService]:
    assert people
    with key_service(small) as service:
        yield service


def drill(
    small: Vault, service: KeyService, sample: int | None, **changes: object
) -> tuple[CaseFile, Ceremony]:
    file = open_case(small, service, "drill", scope={"sample": sample})
    file.approve("ana", "bob")
    ceremony = ceremony_in(service)
    ceremony.open(file.case.case_id)
    return file, ceremony


def pages(ceremony: Ceremony, case: UUID, limit: int) -> Iterator[tuple[PeeledWrap, ...]]:
    after: UUID | None = None
    while True:
        peeled = ceremony.peel(case, after, limit)
        yield peeled.wraps
        if not peeled.more:
            return
        after = peeled.wraps[-1].user_id


def test_a_drill_of_all_gets_every_user_once_and_never_more_than_it_may_at_a_time(
    small: Vault, drilling: KeyService, people: list[Person]
) -> None:
    file, ceremony = drill(small, drilling, None)

    found = list(pages(ceremony, file.case.case_id, 3))

    assert [len(page) for page in found] == [3, 3, 1]
    assert [wrap.user_id for page in found for wrap in page] == [person.user for person in people]
    assert all(wrap.wrap is not None for page in found for wrap in page)
    assert file.events == [KeysEvent.WRAPS_PEELED] * 3
    with pytest.raises(InvalidInputError):
        ceremony.peel(file.case.case_id, limit=1001)


def test_a_sample_is_the_same_on_every_page_and_another_one_in_another_drill(
    small: Vault, drilling: KeyService
) -> None:
    samples = []
    for _ in range(6):
        file, ceremony = drill(small, drilling, 3)
        by_one, at_once = (list(pages(ceremony, file.case.case_id, limit)) for limit in (1, 500))
        assert [len(page) for page in by_one] == [1, 1, 1]
        assert [page[0].user_id for page in by_one] == [wrap.user_id for wrap in at_once[0]]
        samples.append(frozenset(wrap.user_id for wrap in at_once[0]))
    assert len(set(samples)) > 1  # all six alike: once in 50 million times


def test_a_sample_larger_than_the_vault_is_everybody(small: Vault, drilling: KeyService) -> None:
    file, ceremony = drill(small, drilling, 1000)

    assert [len(page) for page in pages(ceremony, file.case.case_id, 500)] == [PEOPLE]


def test_a_drill_of_all_needs_as_many_officers_as_a_disclosure(small: Vault, drilling: KeyService) -> None:
    """Every DEK passes one process."""
    file = open_case(small, drilling, "drill", scope={"sample": None})
    file.approve("ana")
    ceremony = ceremony_in(drilling)
    ceremony.open(file.case.case_id)

    with pytest.raises(QuorumNotMetError):
        ceremony.peel(file.case.case_id)


BREAKS: dict[str, LiteralString] = {
    "a flipped bit": """UPDATE escrow_wraps SET wrap = set_byte(wrap, 90, get_byte(wrap, 90) # 1)
                        WHERE user_id = %(u)s""",
    "a generation that there never was": "UPDATE escrow_wraps SET pepper_gen = 9 WHERE user_id = %(u)s",
    "no wrap any more": "DELETE FROM escrow_wraps WHERE user_id = %(u)s",
}  # fmt: skip


@pytest.mark.parametrize("statement", BREAKS.values(), ids=BREAKS)
def test_a_wrap_that_is_broken_is_named_and_holds_up_no_other(
    small: Vault, drilling: KeyService, people: list[Person], statement: LiteralString
) -> None:
    person = people[2]
    with small.keys.superuser() as conn, conn.transaction(force_rollback=False):
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(
            "CREATE TABLE kept AS SELECT * FROM escrow_wraps WHERE user_id = %(u)s", {"u": person.user}
        )
        conn.execute(statement, {"u": person.user})
    try:
        file, ceremony = drill(small, drilling, None)
        (page,) = pages(ceremony, file.case.case_id, 500)
    finally:
        with small.keys.superuser() as conn:
            conn.execute("SET session_replication_role = replica")
            conn.execute("DELETE FROM escrow_wraps WHERE user_id = %(u)s", {"u": person.user})
            conn.execute("INSERT INTO escrow_wraps SELECT * FROM kept")
            conn.execute("DROP TABLE kept")

    assert [wrap.user_id for wrap in page if wrap.wrap is None] == [person.user]
    assert len(page) == PEOPLE


@pytest.mark.parametrize("failed", [False, True])
def test_a_drill_ends_with_its_report_s_hash(small: Vault, drilling: KeyService, failed: bool) -> None:
    file, ceremony = drill(small, drilling, 1)
    ceremony.peel(file.case.case_id)

    ceremony.complete(file.case.case_id, digest=b"r" * 32, failed=failed)

    assert file.state == "executed"
    assert file.events[-1] is (KeysEvent.DRILL_FAILED if failed else KeysEvent.DRILL_PASSED)
