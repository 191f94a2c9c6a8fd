"""An older credential that a superuser of the keys database put back leads to no newer one.

It opens with the password of its time, and the API refuses its epoch. What makes a new credential raises the
epoch: so it must not climb to where the API's floor is.
"""

from collections.abc import Callable

import pytest

from tests.promises.inside import rows_of
from tests.rig.people import Person, enrol
from tests.rig.put_back import backup_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import ConcurrentChangeError, LoginRefusedError, LoginTakenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangePassword, Enrol, Enrolled, EpochIs
from vault_service.kms.protocol.recovery_messages import (
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.protocol.rotation_messages import AddDataKey, DataKeyAdded
from vault_service.kms.service import KeyService
from vault_service.kms.users import data_keys, password, recovery_code
from vault_service.kms.users import enrol as enrolment
from vault_service.kms.users.newest import demand_newest
from vault_service.storage.keys.events import insert_event

NEW = "nine lanterns behind the old mill"
THIEVES = "the choice of whoever has the table"


def brought(vault: Vault, kms: KmsClient) -> Person:
    """Somebody with a one-time password."""
    user, login = UserId(new_uuid()), f"brought-{new_uuid().hex}@example.org"
    one_time = kms.call(Enrol(vault.app_key, user, login), Enrolled).one_time_password
    assert one_time is not None
    return Person(vault, kms, user, login, one_time)


def redeem_one_time(person: Person, new: str) -> None:
    person.kms.call(ChangePassword(person.user, person.password, new, one_time=True), EpochIs)


def change(person: Person, new: str) -> None:
    person.kms.call(ChangePassword(person.user, person.password, new), EpochIs)


def change_key(person: Person, new: str) -> None:
    del new
    person.kms.call(AddDataKey(person.user, person.password), DataKeyAdded)


def events(person: Person) -> list[KeysEvent]:
    with person.vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id", (person.user,)
        ).fetchall()
    return [KeysEvent(int(str(kind))) for (kind,) in rows]


def is_refused(person: Person, attempt: Callable[[], object]) -> bool:
    """As a wrong password is, with an event that wakes somebody; and nothing was made."""
    before = rows_of(person.vault.keys, "credentials", person.user)
    try:
        attempt()
    except LoginRefusedError:
        assert events(person)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED
        assert rows_of(person.vault.keys, "credentials", person.user) == before
        return True
    return False


@pytest.mark.parametrize(
    ("begin", "go_on"),
    [(brought, redeem_one_time), (enrol, change), (enrol, change_key)],
    ids=["a one-time password that was used", "an old password", "an old password, and the data key"],
)
def test_what_was_given_up_and_is_put_back_makes_no_new_credential(
    vault: Vault,
    kms: KmsClient,
    begin: Callable[[Vault, KmsClient], Person],
    go_on: Callable[[Person, str], None],
) -> None:
    person = begin(vault, kms)
    put_back = backup_of(vault.keys, person.user)
    change(person, NEW)
    put_back()

    assert is_refused(person, lambda: go_on(person, THIEVES))


def test_a_recovery_code_that_was_used_and_is_put_back_sets_no_password(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms)
    code = kms.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs).code
    put_back = backup_of(vault.keys, person.user)

    def redeem(new: str) -> CodeRedeemed:
        return kms.call(RedeemRecoveryCode(vault.app_key, person.login, code, new), CodeRedeemed)

    assert redeem(NEW).epoch == 2
    put_back()

    assert is_refused(person, lambda: redeem(THIEVES))


def test_one_that_was_never_used_and_is_put_back_is_given_up_for_no_other(
    vault: Vault, kms: KmsClient
) -> None:
    """With it the data key would go, which opens what the person has stored since."""
    person = brought(vault, kms)
    put_back = backup_of(vault.keys, person.user)
    change(person, NEW)
    put_back()
    deks = rows_of(vault.keys, "deks", person.user)

    with pytest.raises(LoginTakenError):
        kms.call(Enrol(vault.app_key, person.user, person.login), Enrolled)

    assert events(person)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED
    assert rows_of(vault.keys, "deks", person.user) == deks


RAISE = [
    KeysEvent.PASSWORD_CHANGED, KeysEvent.ONE_TIME_PASSWORD_REISSUED, KeysEvent.RECOVERY_CODE_USED,
    KeysEvent.DATA_KEY_ADDED, KeysEvent.ACCESS_REGAINED, KeysEvent.REGAIN_COMPLETED,
]  # fmt: skip


@pytest.mark.parametrize("kind", RAISE, ids=lambda kind: kind.name)
def test_the_trail_tells_of_a_later_credential_by_whatever_made_it(
    vault: Vault, kms: KmsClient, service: KeyService, kind: KeysEvent
) -> None:
    person = enrol(vault, kms)
    with service.db.transaction() as conn:
        insert_event(conn, kind, service.now(), user=person.user, epoch=2)

    assert is_refused(person, lambda: change(person, NEW))


def test_whoever_has_the_newest_credential_goes_on_however_often_it_changed(
    vault: Vault, kms: KmsClient
) -> None:
    """One event for each epoch, of each way to raise it."""
    first = brought(vault, kms)
    request = Enrol(vault.app_key, first.user, first.login)
    one_time = kms.call(request, Enrolled).one_time_password
    assert one_time is not None
    person = Person(vault, kms, first.user, first.login, one_time)
    redeem_one_time(person, PASSWORD)
    person.password = PASSWORD
    code = kms.call(CreateRecoveryCode(person.user, PASSWORD), RecoveryCodeIs).code
    kms.call(RedeemRecoveryCode(vault.app_key, person.login, code, NEW), CodeRedeemed)
    person.password = NEW
    change_key(person, NEW)

    assert person.change_password(PASSWORD + " anew") == 6
    assert [each for each in events(person) if each in RAISE] == [
        KeysEvent.ONE_TIME_PASSWORD_REISSUED, KeysEvent.PASSWORD_CHANGED, KeysEvent.RECOVERY_CODE_USED,
        KeysEvent.DATA_KEY_ADDED, KeysEvent.PASSWORD_CHANGED,
    ]  # fmt: skip


def test_a_password_that_is_changed_meanwhile_is_no_tampering(
    vault: Vault, kms: KmsClient, service: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of the other change is there, and so is its credential."""
    person = enrol(vault, kms)

    def meanwhile(service: KeyService, user: UserId) -> None:
        change(person, NEW)
        demand_newest(service, user)

    monkeypatch.setattr(password, "demand_newest", meanwhile)
    with pytest.raises(ConcurrentChangeError):
        password.change_password(service, ChangePassword(person.user, PASSWORD, THIEVES))

    assert KeysEvent.WRAP_INTEGRITY_FAILED not in events(person)
    assert person.opens_with(NEW)


SLIP: dict[str, Callable[[KeyService, Person, str], object]] = {
    "a password": lambda service, who, _: password.change_password(
        service, ChangePassword(who.user, who.password, THIEVES)
    ),
    "a data key": lambda service, who, _: data_keys.add_data_key(
        service, AddDataKey(who.user, who.password)
    ),
    "a code": lambda service, who, code: recovery_code.redeem_recovery_code(
        service, RedeemRecoveryCode(who.vault.app_key, who.login, code, THIEVES)
    ),
    "a one-time password": lambda service, who, _: enrolment.enrol(
        service, Enrol(who.vault.app_key, who.user, who.login)
    ),
}  # fmt: skip


@pytest.mark.parametrize("by", SLIP)
def test_who_shows_the_row_of_now_for_the_moment_of_the_look_gets_no_further(
    vault: Vault,
    kms: KmsClient,
    service: KeyService,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    """A superuser can hold a call up with a lock, and change the row twice meanwhile."""
    person = (brought if by == "a one-time password" else enrol)(vault, kms)
    code = ""
    if by == "a code":
        code = kms.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs).code
    put_back = backup_of(vault.keys, person.user)
    change(person, NEW)
    put_back()
    before = rows_of(vault.keys, "credentials", person.user)
    for module in (password, data_keys, recovery_code, enrolment):
        monkeypatch.setattr(module, "demand_newest", lambda *_: None)

    with pytest.raises((ConcurrentChangeError, LoginTakenError)):
        SLIP[by](service, person, code)

    assert rows_of(vault.keys, "credentials", person.user) == before
