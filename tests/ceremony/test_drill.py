"""A drill proves that wraps open, names those that do not, and releases nothing."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.ceremony.liar import Liar
from tests.ceremony.office import Office
from vault_service.ceremony.process import Result
from vault_service.domain.case import Scope
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import CompleteCase, Peel, Peeled, PeeledWrap
from vault_service.storage.keys.cases import find_case


def drilled(office: Office, sample: int | None, **changes: Any) -> tuple[UUID, Result]:
    case = office.open("drill", scope=Scope(sample=sample))
    return case, office.serve(case, "ana", "bob", **changes)


def report_of(office: Office, result: Result) -> tuple[Path, dict[str, Any]]:
    (outcome,) = result.outcomes
    assert outcome.error is None, outcome
    path = Path(outcome.says.rpartition("report: ")[2])
    found: dict[str, Any] = json.loads(path.read_text())
    return path, found


def users(office: Office) -> int:
    with office.vault.keys.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.fixture
def people(office: Office) -> list[UUID]:
    return [office.somebody().user for _ in range(4)]


def test_all_wraps_open(office: Office, people: list[UUID]) -> None:
    seen: list[tuple[int, int | None]] = []
    case, result = drilled(office, None, progress=lambda _, done, total: seen.append((done, total)))
    path, report = report_of(office, result)

    assert report["opened"] == users(office)
    assert report["failed"] == []
    assert seen[-1] == (users(office), users(office))
    assert path.parent == office.vault.home / "ceremony" / "drills"
    assert path.stat().st_mode & 0o777 == 0o600
    assert office.events(case)[-1] == KeysEvent.DRILL_PASSED
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    digest = hashlib.sha256(path.read_bytes()).digest()
    assert row.result in (digest, hashlib.sha256(digest).digest())


def test_a_sample_is_as_large_as_the_officers_said(office: Office, people: list[UUID]) -> None:
    _, result = drilled(office, 3)
    assert report_of(office, result)[1]["opened"] == 3


def test_a_wrap_that_does_not_open_is_named(office: Office, people: list[UUID]) -> None:
    """Exchanged in SQL, or with another check value; and put right again."""
    swapped, altered, *others = people
    with office.wrap_of_another(swapped, altered), office.other_check_value(altered):
        case, result = drilled(office, None)
    _, report = report_of(office, result)

    assert {UUID(user) for user in report["failed"]} == {swapped, altered}
    assert report["opened"] == users(office) - 2
    assert office.events(case)[-1] == KeysEvent.DRILL_FAILED
    assert not {str(user) for user in others} & set(report["failed"])
    assert report_of(office, drilled(office, None)[1])[1]["failed"] == []


def test_a_drill_opens_no_more_than_the_officers_agreed_to(office: Office, people: list[UUID]) -> None:
    """A captured key service must not make of a sample of three a look at everybody, nor count one often."""
    first: list[tuple[PeeledWrap, ...]] = []

    def the_same(told: Peeled) -> Peeled:
        first.append(told.wraps[:1])
        return Peeled(first[0], more=True)

    pages: dict[str, Callable[[Peeled], Peeled]] = {
        "more than the sample": lambda told: Peeled((*told.wraps, *later(told)), more=False),
        "one again and again": lambda told: Peeled((told.wraps[0], told.wraps[0], told.wraps[0])),
        "the same page again": the_same,
    }
    for name, page in pages.items():

        def lie(_: Liar, request: Request, told: Any, page: Callable[[Peeled], Peeled] = page) -> Any:
            return page(told) if isinstance(request, Peel) else told

        liar = Liar(office, lie)
        case, result = drilled(office, 3, kms=liar)
        errors = {outcome.case: outcome.error for outcome in result.outcomes}
        assert isinstance(errors[CaseId(case)], CaseRefusedError), name
        assert not [each for each in liar.asked if isinstance(each, CompleteCase)]


def later(told: Peeled) -> tuple[PeeledWrap, ...]:
    """The same wraps under ids that come after."""
    return tuple(msgspec.structs.replace(told.wraps[-1], user_id=UUID(int=2**128 - 2 + i)) for i in range(2))


def test_nothing_is_released(office: Office, people: list[UUID]) -> None:
    """No DEK leaves the process: not to the key service, not into the report."""
    person = office.somebody()
    dek = person.unlock().dek
    _, result = drilled(office, None)
    path, _ = report_of(office, result)
    assert dek not in path.read_bytes()
    assert dek.hex() not in path.read_text()
    assert person.opens_with(person.password)


def test_a_new_escrow_key_is_made_in_the_token_and_known_by_its_hash(office: Office) -> None:
    points: list[str] = []
    for number in (2, 3):
        case = office.open("key-ceremony")
        (outcome,) = office.serve(case, "ana", "bob").outcomes
        assert outcome.error is None
        label, _, point = outcome.says.partition(": ")
        assert label == f"escrow/{number}", "never a label that a key in the token has"
        points.append(point)
        assert len(bytes.fromhex(point)) == 65
        assert (
            office.digest_of(case, KeysEvent.ESCROW_KEY_CREATED)
            == hashlib.sha256(bytes.fromhex(point)).digest()
        )
    assert len(set(points)) == 2
