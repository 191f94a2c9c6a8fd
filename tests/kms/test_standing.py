"""What an open regain means for the old password: it cancels the case, or is suspended by it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.kms.recoveries import NEW_PASSWORD, Recoveries, decision, later
from tests.kms.test_equal_work import work_of
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import IdempotencyConflictError, LoginRefusedError, UnavailableError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, new_uuid
from vault_service.domain.recovery_errors import CaseClosedError, CaseNotFoundError, NotPermittedError
from vault_service.kms.cases.standing import standing_of
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, ChangePassword, Enrol, Erase, Unlock
from vault_service.kms.protocol.recovery_messages import CancelRecovery, RecoveryBegun
from vault_service.kms.recovery.recovery_status import cancel_recovery
from vault_service.kms.service import KeyService
from vault_service.kms.users.enrol import enrol as enrol_again
from vault_service.kms.users.erase import erase
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.password import change_password
from vault_service.kms.users.unlock import unlock
from vault_service.storage.keys.cases import find_case, move_case
from vault_service.storage.keys.users import find_by_id


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    return Recoveries(vault, service)


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


@pytest.fixture
def stolen(recoveries: Recoveries, person: Person) -> RecoveryBegun:
    """A regain because of a stolen password, that one officer has approved."""
    begun = recoveries.of(person, stolen=True)
    recoveries.approve("ana", begun, person.login)
    return begun


# --- not stolen: whoever knows the password needs no regain


def test_signing_in_with_the_old_password_cancels_every_open_regain(
    recoveries: Recoveries, person: Person
) -> None:
    cases = [recoveries.of(person).case_id for _ in range(2)]
    person.unlock()

    for case in cases:
        assert recoveries.status(case) == "cancelled"
        assert recoveries.events(case) == [KeysEvent.CASE_OPENED, KeysEvent.CASE_CANCELLED]
        assert ("app", "cancelled") in recoveries.told(case)
        assert ("officers", "cancelled") in recoveries.told(case)


def test_a_wrong_password_cancels_nothing(recoveries: Recoveries, person: Person) -> None:
    case = recoveries.of(person).case_id
    assert not person.opens_with("not the password of anybody here")
    assert recoveries.status(case) == "open"


def test_changing_the_password_or_the_login_cancels_as_signing_in_does(
    recoveries: Recoveries, person: Person
) -> None:
    first = recoveries.of(person).case_id
    person.change_password(NEW_PASSWORD)
    second = recoveries.of(person).case_id
    change_login(recoveries.service, ChangeLogin(person.user, NEW_PASSWORD, f"{new_uuid().hex}@example.org"))

    assert [recoveries.status(case) for case in (first, second)] == ["cancelled", "cancelled"]


def test_an_approval_keeps_nobody_from_signing_in_where_nothing_was_stolen(
    recoveries: Recoveries, person: Person
) -> None:
    begun = recoveries.of(person)
    recoveries.approve("ana", begun, person.login)

    assert person.opens_with(PASSWORD)
    assert recoveries.status(begun.case_id) == "cancelled"


def test_a_case_that_a_ceremony_took_meanwhile_is_not_cancelled_any_more(
    recoveries: Recoveries, person: Person
) -> None:
    service, case = recoveries.service, CaseId(recoveries.of(person).case_id)
    with service.db.connection() as conn:
        user = find_by_id(conn, person.user)
    assert user is not None
    standing = standing_of(service, user)
    with service.db.transaction() as conn:
        now = service.now()
        assert move_case(conn, case, "open", "executing", now, ceremony=CeremonyId(new_uuid()))
        standing.cancel(service, conn, now)
        row = find_case(conn, case)

    assert [each.case for each in standing.ended_by_password] == [case]
    assert row is not None
    assert row.state == "executing"


def test_without_a_case_signing_in_costs_no_more_than_before(
    recoveries: Recoveries, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    recoveries.service.manifests.current()
    request = Unlock(recoveries.vault.app_key, person.login, "not the password of anybody here")
    derivations, calls, statements = work_of(recoveries.service, request, monkeypatch)

    assert (derivations, calls) == (1, Counter({"hmac": 2}))
    assert statements["SELECT"] == 3  # whose app key, which generations of the login index, whose login
    recoveries.of(person)
    assert work_of(recoveries.service, request, monkeypatch)[2]["SELECT"] > statements["SELECT"]


# --- stolen: from the first approval the password opens nothing


def test_a_stolen_password_still_works_and_cancels_nothing_before_the_first_approval(
    recoveries: Recoveries, person: Person
) -> None:
    case = recoveries.of(person, stolen=True).case_id

    assert person.opens_with(PASSWORD)
    assert recoveries.status(case) == "open"


def test_from_the_first_approval_it_is_refused_and_counted_like_a_wrong_one(
    recoveries: Recoveries, person: Person, stolen: RecoveryBegun, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = recoveries.service
    service.manifests.current()
    wrong = Unlock(recoveries.vault.app_key, person.login, "not the password of anybody here")
    right = Unlock(recoveries.vault.app_key, person.login, PASSWORD)

    assert work_of(service, wrong, monkeypatch) == work_of(service, right, monkeypatch)
    with recoveries.vault.keys.superuser() as conn:
        kinds = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id DESC LIMIT 2", (person.user,)
        ).fetchall()
        guesses = conn.execute(
            "SELECT failures FROM guesses WHERE login_index = %s",
            (recoveries.row(stolen.case_id).login_index,),
        ).fetchone()
    assert [KeysEvent(kind) for (kind,) in kinds] == [KeysEvent.UNLOCK_REFUSED] * 2
    assert guesses == (2,)


BY_PASSWORD: dict[str, Callable[[Recoveries, Person], object]] = {
    "sign in": lambda r, who: unlock(r.service, Unlock(r.vault.app_key, who.login, PASSWORD)),
    "change the password": lambda r, who: change_password(
        r.service, ChangePassword(who.user, PASSWORD, NEW_PASSWORD)),
    "change the login": lambda r, who: change_login(
        r.service, ChangeLogin(who.user, PASSWORD, "thief@example.org")),
    "erase": lambda r, who: erase(r.service, Erase(who.user, PASSWORD)),
    "sign up again": lambda r, who: enrol_again(
        r.service, Enrol(r.vault.app_key, who.user, who.login, PASSWORD)),
}  # fmt: skip


@pytest.mark.parametrize("what", BY_PASSWORD)
def test_a_thief_with_the_suspended_password_can_do_nothing_with_it(
    recoveries: Recoveries, person: Person, stolen: RecoveryBegun, what: str
) -> None:
    with pytest.raises((LoginRefusedError, IdempotencyConflictError)):
        BY_PASSWORD[what](recoveries, person)
    recoveries.veto("bob", stolen.case_id)
    assert person.opens_with(PASSWORD)


def test_after_a_veto_or_the_expiry_it_works_again(
    recoveries: Recoveries, person: Person, stolen: RecoveryBegun
) -> None:
    request = Unlock(recoveries.vault.app_key, person.login, PASSWORD)
    with pytest.raises(LoginRefusedError):
        unlock(recoveries.service, request)

    assert unlock(later(recoveries.service, days=7, seconds=1), request).user_id == person.user
    recoveries.veto("bob", stolen.case_id)
    assert unlock(recoveries.service, request).user_id == person.user


def test_a_planted_or_unidentified_approval_suspends_nobody(recoveries: Recoveries, person: Person) -> None:
    """By SQL anybody can write "approve"; and an officer who was told nothing approves nothing."""
    begun = recoveries.of(person, stolen=True)
    case, ana = recoveries.case(begun.case_id), recoveries.officer("ana")
    recoveries.put(decision(ana, case, "approve"), begun.case_id)
    recoveries.put(decision(ana, case, "approve", bytes(32)), begun.case_id)
    identified = recoveries.identify("ana", begun.case_id, person.login, begun.verification_phrase)
    good = decision(ana, case, "approve", identified)
    recoveries.put(replace(good, signature=bytes(64)), begun.case_id)
    recoveries.put(replace(good, officer_id=recoveries.officer("bob").officer), begun.case_id)

    assert person.opens_with(PASSWORD)
    recoveries.put(good, begun.case_id)
    assert not person.opens_with(PASSWORD)


# --- the user's own cancelling


def cancel(recoveries: Recoveries, person: Person, case: object, unlock_id: object) -> str:
    request = CancelRecovery(case, person.user, unlock_id)  # type: ignore[arg-type]  # ids
    return cancel_recovery(recoveries.service, request).state


def test_who_is_signed_in_cancels_a_regain_of_theirs(recoveries: Recoveries, person: Person) -> None:
    unlocked = person.unlock()
    case = recoveries.of(person).case_id

    assert cancel(recoveries, person, case, unlocked.unlock_id) == "cancelled"
    assert recoveries.events(case) == [KeysEvent.CASE_OPENED, KeysEvent.CASE_CANCELLED]
    assert cancel(recoveries, person, case, unlocked.unlock_id) == "cancelled"  # a retry


def test_a_session_of_somebody_else_of_nobody_or_of_an_older_epoch_cancels_nothing(
    vault: Vault, kms: KmsClient, recoveries: Recoveries, person: Person
) -> None:
    old, stranger = person.unlock().unlock_id, enrol(vault, kms)
    stranger.change_password(NEW_PASSWORD)
    theirs = stranger.unlock().unlock_id  # of the same epoch
    person.change_password(NEW_PASSWORD)
    now = person.unlock().unlock_id
    case = recoveries.of(person).case_id

    for who, unlock_id in ((person, old), (person, theirs), (person, new_uuid()), (stranger, theirs)):
        before = recoveries.events(case)
        with pytest.raises(CaseNotFoundError):
            cancel(recoveries, who, case, unlock_id)
        assert recoveries.events(case) == [*before, KeysEvent.CASE_REFUSED]
    assert recoveries.status(case) == "open"
    assert cancel(recoveries, person, case, now) == "cancelled"


def test_a_session_does_not_cancel_what_was_opened_because_of_a_stolen_password(
    recoveries: Recoveries, person: Person
) -> None:
    """It may be the thief's."""
    unlocked = person.unlock()
    case = recoveries.of(person, stolen=True).case_id

    with pytest.raises(NotPermittedError):
        cancel(recoveries, person, case, unlocked.unlock_id)
    assert recoveries.status(case) == "open"


def test_what_is_decided_is_not_cancelled(recoveries: Recoveries, person: Person) -> None:
    unlocked = person.unlock()
    case = recoveries.of(person).case_id
    recoveries.veto("ana", case)

    with pytest.raises(CaseClosedError):
        cancel(recoveries, person, case, unlocked.unlock_id)
    assert recoveries.status(case) == "vetoed"


def test_an_outage_while_the_standing_is_judged_opens_nothing(
    recoveries: Recoveries, person: Person, stolen: RecoveryBegun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bytes:
        raise UnavailableError("the token")

    monkeypatch.setattr(type(recoveries.service.keyring), "case_mac", away)
    with pytest.raises(UnavailableError):
        unlock(recoveries.service, Unlock(recoveries.vault.app_key, person.login, PASSWORD))


@pytest.mark.parametrize("flow", ["begin", "sign in"])
def test_what_cannot_be_told_to_anybody_does_not_happen(
    recoveries: Recoveries, person: Person, flow: str
) -> None:
    """Case, key, event and messages stand or fall together, wherever between them it breaks."""
    case = new_uuid() if flow == "begin" else recoveries.of(person).case_id
    before = recoveries.events(case)
    act: dict[str, Callable[[], object]] = {
        "begin": lambda: recoveries.begin(person.login, case=case),
        "sign in": lambda: unlock(
            recoveries.service, Unlock(recoveries.vault.app_key, person.login, PASSWORD)),
    }  # fmt: skip
    with recoveries.vault.keys.superuser() as conn:
        conn.execute("REVOKE INSERT ON notifications FROM vault_kms")
        try:
            with pytest.raises(UnavailableError):
                act[flow]()
        finally:
            conn.execute("GRANT INSERT ON notifications TO vault_kms")

    assert recoveries.events(case) == before
    if flow == "begin":
        with pytest.raises(CaseNotFoundError):
            recoveries.status(case)
    else:
        assert recoveries.status(case) == "open"
        assert person.opens_with(PASSWORD)
