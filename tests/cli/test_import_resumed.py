"""Whatever step an import broke off at, each person is brought in once; also when keys are forgotten."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.rig.vault import PASSWORD, Vault
from vault_service.cli.people.append_only import AppendOnlyFile
from vault_service.cli.people.bring import Bringer, Brought
from vault_service.cli.people.journal import Journal
from vault_service.cli.people.mapping import Person
from vault_service.cli.people.passwords import Passwords, Way
from vault_service.cli.people.source import BadRow
from vault_service.client import VaultClient

pytestmark = pytest.mark.slow

FIELDS = {"full_name": "Ana Silva"}
_numbers = itertools.count(1)


def somebody(password: str | None = PASSWORD) -> Person:
    return Person(2, f"resumed-{next(_numbers)}@example.org", password, dict(FIELDS), {})


@pytest.fixture
def client(served: Vault) -> Iterator[VaultClient]:
    with VaultClient(served.api_url, app_key=served.app_key) as client:
        yield client


@pytest.fixture
def state(tmp_path: Path) -> Iterator[AppendOnlyFile]:
    with AppendOnlyFile(tmp_path / "state") as file:
        yield file


def bringer(
    served: Vault,
    client: VaultClient,
    state: AppendOnlyFile,
    *,
    passwords: Passwords | None = None,
    days: int = 0,
) -> Bringer:
    """As the command makes one, so many days after today."""
    journal = Journal(state, served.app_key)
    later = datetime.now(UTC) + timedelta(days=days)
    return Bringer(
        client, journal, passwords or Passwords(Way.COLUMN, None), "contact", None, now=lambda: later
    )


def sign_up_by_an_attempt_whose_key_is_forgotten(bring: Bringer, client: VaultClient, person: Person) -> None:
    """The vault knows the person and no key of this import: as more than a day after a crash."""
    bring.journal.begin(person.line, person.login, datetime.now(UTC))
    client.sign_up(person.login, person.password)


def kept(client: VaultClient, person: Person) -> list[dict[str, object]]:
    with client.sign_in(person.login, PASSWORD) as session:
        return [record.fields for record in session.records.find()]


def test_a_sign_up_whose_key_is_forgotten_is_recognised_by_its_password(
    served: Vault, client: VaultClient, state: AppendOnlyFile
) -> None:
    person = somebody()
    bring = bringer(served, client, state, days=2)
    sign_up_by_an_attempt_whose_key_is_forgotten(bring, client, person)

    assert bring.bring(person) is Brought.NOW
    assert kept(client, person) == [FIELDS]


def test_a_record_whose_key_is_forgotten_is_looked_for_before_it_is_made_again(
    served: Vault, client: VaultClient, state: AppendOnlyFile
) -> None:
    person = somebody()
    bring = bringer(served, client, state, days=2)
    sign_up_by_an_attempt_whose_key_is_forgotten(bring, client, person)
    with client.sign_in(person.login, PASSWORD) as session:
        session.records.create("contact", FIELDS)

    assert bring.bring(person) is Brought.NOW
    assert kept(client, person) == [FIELDS]


def test_a_person_who_was_there_before_the_import_is_a_failure(
    served: Vault, client: VaultClient, state: AppendOnlyFile
) -> None:
    """Even where the password would fit: that person's data is not this import's to add to."""
    person = somebody()
    client.sign_up(person.login, PASSWORD)

    outcome = bringer(served, client, state).bring(person)

    assert isinstance(outcome, BadRow)
    assert outcome.code == "user.login_taken"
    assert kept(client, person) == []


def test_a_one_time_password_that_was_lost_in_a_crash_is_replaced(
    served: Vault, client: VaultClient, state: AppendOnlyFile, tmp_path: Path
) -> None:
    person = somebody(None)
    with AppendOnlyFile(tmp_path / "handover") as handover:
        bring = bringer(served, client, state, passwords=Passwords(Way.ONE_TIME, handover))
        bring.journal.begin(person.line, person.login, datetime.now(UTC))
        key = f"import-{bring.journal.run}-{person.line}-sign-up"
        lost = client.sign_up(person.login, idempotency_key=key)

        assert bring.bring(person) is Brought.NOW

        found = bring.passwords.known(person)
    assert found not in {None, lost.one_time_password}
    client.redeem_one_time_password(lost.user_id, found or "", PASSWORD)
    assert kept(client, person) == [FIELDS]


def test_what_a_one_time_password_cannot_see_after_a_day_is_left_to_a_person(
    served: Vault, client: VaultClient, state: AppendOnlyFile, tmp_path: Path
) -> None:
    person = somebody(None)
    with AppendOnlyFile(tmp_path / "handover") as handover:
        passwords = Passwords(Way.ONE_TIME, handover)
        early = bringer(served, client, state, passwords=passwords)
        early.journal.begin(person.line, person.login, datetime.now(UTC))
        made = client.sign_up(person.login)
        passwords.after_sign_up(person, made.user_id, made.one_time_password)
        early.journal.signed_up(person.line, made.user_id)
        late = Bringer(
            client,
            early.journal,
            passwords,
            "contact",
            None,
            now=lambda: datetime.now(UTC) + timedelta(days=2),
        )

        outcome = late.bring(person)

    assert isinstance(outcome, BadRow)
    assert outcome.code == "import.outcome_unknown"
