"""A case names its subject by a login index; after a rotation it is about that login still, and no other."""

from collections.abc import Iterator

import pytest

from tests.kms.casework import CaseFile, ceremony_in, open_disclosure, open_regain, regain
from tests.kms.recoveries import Recoveries
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker
from vault_service.domain.errors import IntegrityError
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    IdentificationRefusedError,
    TooManyCasesError,
)
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin
from vault_service.kms.service import KeyService
from vault_service.kms.users.login_change import change_login

NEW = "a new password of nine brown owls"


@pytest.fixture(scope="module")
def turned(turned_by_many: Vault) -> Vault:
    return turned_by_many


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


@pytest.fixture
def recoveries(turned: Vault, second: KeyService) -> Recoveries:
    return Recoveries(turned, second)


def nobody() -> str:
    return f"nobody-{new_uuid().hex}@example.org"


def peeled(file: CaseFile) -> bool:
    """Whether a ceremony gets the wrap."""
    file.approve("ana", "bob", "cleo")
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    return ceremony.peel(file.case.case_id).wraps[0].wrap is not None


def test_an_officer_identifies_who_asked_before_the_rotation_and_after_it(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker,
    recoveries: Recoveries,
) -> None:  # fmt: skip
    person, other = enrol(turned, api), enrol(turned, api)
    before = recoveries.of(person)
    a_new_index(operator, second)
    between = recoveries.of(person)
    rotate(second, worker)

    for begun in (before, between):
        assert recoveries.identify("ana", begun.case_id, person.login, begun.verification_phrase)
        with pytest.raises(IdentificationRefusedError):
            recoveries.identify("bob", begun.case_id, other.login, begun.verification_phrase)
    assert recoveries.begin(person.login, case=before.case_id) == before, "a retry finds its case"


@pytest.mark.parametrize("known", [True, False])
def test_a_login_has_no_more_open_cases_for_a_rotation(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker,
    recoveries: Recoveries, known: bool,
) -> None:  # fmt: skip
    login = enrol(turned, api).login if known else nobody()
    recoveries.begin(login)
    a_new_index(operator, second)
    recoveries.begin(login)
    rotate(second, worker)
    recoveries.begin(login)

    with pytest.raises(TooManyCasesError):
        recoveries.begin(login)


def test_what_is_asked_while_two_generations_are_live_tells_nobody_whether_there_is_such_a_login(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, recoveries: Recoveries
) -> None:
    """Officers' processes may read cases: whoever is not moved yet looks like a login that nobody has."""
    unmoved = enrol(turned, api)
    gen = a_new_index(operator, second)
    cases = [recoveries.begin(login).case_id for login in (unmoved.login, nobody())]

    with turned.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT DISTINCT login_index_gen FROM cases WHERE case_id = ANY(%(c)s)", {"c": cases}
        )
        assert rows.fetchall() == [(gen,)]


def test_cases_of_before_are_executed_after_two_rotations(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    forgetful, wanted = enrol(turned, api), enrol(turned, api)
    regains, disclosure = open_regain(turned, second, forgetful), open_disclosure(turned, second, wanted)
    regains.approve("ana", "bob")
    for _ in range(2):
        a_new_index(operator, second)
        rotate(second, worker)

    assert peeled(disclosure)
    regain(regains)

    assert forgetful.unlock(NEW).dek == regains.dek
    assert wanted.opens_with(wanted.password)


def test_a_case_is_not_executed_once_its_subject_has_another_login(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """Officers established the login of before; a rotation does not blur that."""
    person = enrol(turned, api)
    file = open_disclosure(turned, second, person)
    a_new_index(operator, second)
    change_login(second, ChangeLogin(person.user, person.password, nobody()))
    rotate(second, worker)

    with pytest.raises(CaseClosedError, match="login"):
        peeled(file)


def test_a_case_that_names_somebody_elses_login_is_not_executed(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """Nor when a superuser gives the subject the other one's sealed login, index, or both."""
    subject, other = enrol(turned, api), enrol(turned, api)
    with second.db.connection() as conn:
        row = conn.execute(
            "SELECT login_index FROM users WHERE user_id = %(u)s", {"u": other.user}
        ).fetchone()
    assert row is not None
    file = open_disclosure(turned, second, subject, login_index=row[0].hex())
    a_new_index(operator, second)
    rotate(second, worker)
    file.approve("ana", "bob", "cleo")
    ceremony = ceremony_in(second)
    ceremony.open(file.case.case_id)

    for columns in ("", "sealed_login", "sealed_login, pepper_gen, login_index, login_index_gen"):
        if columns:
            swapped(turned, subject, other, columns)
        with pytest.raises((CaseClosedError, IntegrityError)):
            ceremony.peel(file.case.case_id)


def swapped(vault: Vault, subject: Person, other: Person, columns: str) -> None:
    """As a superuser: the subject's columns are the other one's."""
    statement = (
        f"UPDATE users SET ({columns}) = (SELECT {columns} FROM users WHERE user_id = %(o)s) "  # constants
        "WHERE user_id = %(s)s"
    )
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(statement.encode(), {"s": subject.user, "o": other.user})
