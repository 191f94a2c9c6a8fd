"""What a regain leaves: the one credential, bound to case, user and epoch, whatever a superuser moves."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import pytest

from tests.kms.casework import (
    NEW_PASSWORD,
    CaseFile,
    ceremony_in,
    open_disclosure,
    open_regain,
    regain,
)
from tests.rig.officers import sealed_for
from tests.rig.people import Person, enrol
from tests.rig.put_back import backup_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import IntegrityError, InvalidInputError, LoginRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId
from vault_service.domain.recovery_errors import CaseClosedError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, ChangePassword, Done, Epoch, EpochIs, Erase
from vault_service.kms.service import KeyService

LATER_PASSWORD = "a still newer password of ten white swans"


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


@pytest.fixture
def file(vault: Vault, shared_service: KeyService, person: Person) -> CaseFile:
    """An approved regain."""
    file = open_regain(vault, shared_service, person)
    file.approve("ana", "bob")
    return file


def credential(vault: Vault, user: UserId) -> tuple[object, ...]:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            """SELECT c.kind, c.epoch, u.epoch, num_nonnulls(regain_case, regain_key)
               FROM credentials c JOIN users u USING (user_id) WHERE user_id = %(user)s""",
            {"user": user},
        ).fetchone()
    assert row is not None
    return row


def kinds(vault: Vault, user: UserId) -> list[KeysEvent]:
    with vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %(user)s ORDER BY event_id", {"user": user}
        ).fetchall()
    return [KeysEvent(row[0]) for row in rows]


def run(vault: Vault, statement: LiteralString, **values: object) -> None:
    """As a superuser of the keys database, foreign keys aside."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(statement, values)


def test_the_old_password_opens_nothing_from_the_commit_on(
    vault: Vault, person: Person, file: CaseFile
) -> None:
    regain(file)

    assert credential(vault, person.user) == ("regain", 2, 2, 2)
    assert not person.opens_with(person.password)
    opened = person.unlock(NEW_PASSWORD)
    assert (opened.dek, opened.epoch, opened.must_change) == (file.dek, 2, False)
    assert credential(vault, person.user) == ("password", 2, 2, 0)
    assert person.unlock(NEW_PASSWORD).dek == file.dek
    assert kinds(vault, person.user)[-4:] == [
        KeysEvent.UNLOCK_REFUSED, KeysEvent.REGAIN_COMPLETED, KeysEvent.UNLOCKED, KeysEvent.UNLOCKED,
    ]  # fmt: skip
    assert file.events[-2:] == [KeysEvent.WRAPS_PEELED, KeysEvent.ACCESS_REGAINED]


def test_whose_row_a_backup_put_back_goes_on_as_usual_once_officers_gave_access_again(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    """The trail tells of more changes than the epoch by then, and of none that is higher."""
    put_back = backup_of(vault.keys, person.user)
    person.change_password(PASSWORD + " of a day")
    put_back()
    person.password = PASSWORD
    file = open_regain(vault, shared_service, person)
    file.approve("ana", "bob")
    regain(file)
    person.unlock(NEW_PASSWORD)
    person.password = NEW_PASSWORD

    assert person.change_password(PASSWORD + " anew") == 3


def test_an_old_credential_put_back_tells_its_old_epoch(vault: Vault, person: Person, file: CaseFile) -> None:
    """The API keeps a floor and refuses it (SESSION_REFUSED); with the new epoch on it, it does not open."""
    run(vault, "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM credentials WHERE false")
    run(vault, "INSERT INTO kept SELECT * FROM credentials WHERE user_id = %(u)s", u=person.user)
    regain(file)
    person.unlock(NEW_PASSWORD)
    run(vault, "DELETE FROM credentials WHERE user_id = %(u)s", u=person.user)
    run(vault, "INSERT INTO credentials SELECT * FROM kept WHERE user_id = %(u)s", u=person.user)

    assert person.unlock().epoch == 1  # users.epoch says 2
    run(vault, "UPDATE users SET epoch = 1 WHERE user_id = %(u)s", u=person.user)
    assert person.unlock().epoch == 1
    run(vault, "UPDATE credentials SET epoch = 2 WHERE user_id = %(u)s", u=person.user)
    assert not person.opens_with(person.password)


def test_of_many_first_logins_at_once_each_opens_and_one_makes_the_password_wrap(
    vault: Vault, person: Person, file: CaseFile
) -> None:
    regain(file)

    with ThreadPoolExecutor(4) as threads:
        deks = {opened.dek for opened in threads.map(lambda _: person.unlock(NEW_PASSWORD), range(4))}

    assert deks == {file.dek}
    assert kinds(vault, person.user).count(KeysEvent.REGAIN_COMPLETED) == 1


def test_a_wrong_password_is_counted_and_opens_nothing(vault: Vault, person: Person, file: CaseFile) -> None:
    regain(file)
    for _ in range(3):
        assert not person.opens_with("another password of nine brown owls")

    assert credential(vault, person.user)[0] == "regain"
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT failures FROM guesses g JOIN users u USING (login_index) WHERE user_id = %(u)s",
            {"u": person.user},
        ).fetchone()
    assert row == (3,)


def test_a_locked_password_is_free_again_after_a_regain(vault: Vault, person: Person, file: CaseFile) -> None:
    run(vault, """INSERT INTO guesses SELECT login_index, 100, now(), now() FROM users WHERE user_id = %(u)s
                  ON CONFLICT (login_index) DO UPDATE SET failures = 100""", u=person.user)  # fmt: skip
    assert not person.opens_with(person.password)

    regain(file)

    assert person.opens_with(NEW_PASSWORD)


MOVED: dict[str, LiteralString] = {
    "another user's wrap": "wrap = o.wrap",
    "another user's private key": "regain_key = o.regain_key, salt = o.salt, regain_pk = o.regain_pk",
    "another user's regain, whole": """wrap = o.wrap, regain_key = o.regain_key, salt = o.salt,
      regain_pk = o.regain_pk, regain_case = o.regain_case, regain_case_hash = o.regain_case_hash""",
    "another case": "regain_case = o.regain_case",
    "another case's hash": "regain_case_hash = o.regain_case_hash",
    "another target key": "regain_pk = o.regain_pk",
    "another epoch": "epoch = c.epoch + 1",
    "another pepper of the wrap": "pepper_gen = 2",
    "another pepper of the key": "regain_key_pepper_gen = 2",
    "cheaper Argon2": "kdf_iterations = 1",
    "a flipped bit in the wrap": "wrap = set_byte(c.wrap, 100, get_byte(c.wrap, 100) # 1)",
    "a flipped bit in the key": "regain_key = set_byte(c.regain_key, 100, get_byte(c.regain_key, 100) # 1)",
    "a point that is none": "regain_pk = set_byte(c.regain_pk, 20, get_byte(c.regain_pk, 20) # 1)",
}


def test_no_part_of_a_regain_opens_in_another_place(
    vault: Vault, kms: KmsClient, shared_service: KeyService
) -> None:
    people = [enrol(vault, kms) for _ in range(2)]
    for each in people:
        file = open_regain(vault, shared_service, each)
        file.approve("ana", "cleo")
        regain(file)
    one, other = people
    run(vault, "CREATE TABLE whole AS SELECT * FROM credentials WHERE user_id = %(u)s", u=one.user)
    try:
        for what, assignment in MOVED.items():
            run(
                vault,
                "UPDATE credentials c SET " + assignment + """ FROM credentials o
                   WHERE c.user_id = %(one)s AND o.user_id = %(other)s""",
                one=one.user, other=other.user,
            )  # fmt: skip
            assert not one.opens_with(NEW_PASSWORD), what
            assert kinds(vault, one.user)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED, what
            run(vault, "DELETE FROM credentials WHERE user_id = %(u)s", u=one.user)
            run(vault, "INSERT INTO credentials SELECT * FROM whole")
            run(vault, "UPDATE guesses SET failures = 0, not_before = now()")
    finally:
        run(vault, "DROP TABLE whole")
    assert one.opens_with(NEW_PASSWORD), "the control: it opens as it was"


def test_a_dek_sealed_for_another_case_or_epoch_does_not_open(
    vault: Vault, person: Person, file: CaseFile
) -> None:
    """A ceremony that was altered may leave rubbish, but nothing that it got elsewhere."""
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    (wrap,) = ceremony.peel(file.case.case_id).wraps
    wrap = type(wrap)(wrap.tenant, wrap.user_id, wrap.dek_id, wrap.epoch + 1, wrap.escrow_gen, b"", None)
    ceremony.complete(file.case.case_id, sealed_dek=sealed_for(file.case, wrap, file.dek))

    assert not person.opens_with(NEW_PASSWORD)
    assert kinds(vault, person.user)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED


def test_a_ceremony_cannot_put_a_key_of_its_own_in_the_place_of_the_users(
    vault: Vault, person: Person, file: CaseFile
) -> None:
    """Sealed in the right place: all that the user stored from then on would be under a key it knows."""
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    (wrap,) = ceremony.peel(file.case.case_id).wraps
    ceremony.complete(file.case.case_id, sealed_dek=sealed_for(file.case, wrap, bytes(32)))

    assert not person.opens_with(NEW_PASSWORD)
    assert kinds(vault, person.user)[-1] is KeysEvent.WRAP_INTEGRITY_FAILED


def test_a_private_key_that_will_never_open_costs_nobody_the_old_password(
    vault: Vault, person: Person, file: CaseFile
) -> None:
    """Otherwise whoever can flip a bit leaves a user with neither password (P9)."""
    run(vault, "UPDATE regain_keys SET wrap = set_byte(wrap, 90, get_byte(wrap, 90) # 1) "
               "WHERE case_id = %(c)s", c=file.case.case_id)  # fmt: skip
    with pytest.raises(IntegrityError):
        regain(file)

    assert person.opens_with(person.password)
    assert file.events[-1] is KeysEvent.CEREMONY_REFUSED


def test_a_regain_is_completed_with_a_sealed_dek_only(file: CaseFile) -> None:
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    ceremony.peel(file.case.case_id)
    with pytest.raises(InvalidInputError):
        ceremony.complete(file.case.case_id, digest=bytes(32))


def test_whatever_else_was_asked_for_about_the_user_ends_with_the_regain(
    vault: Vault, shared_service: KeyService, person: Person, file: CaseFile
) -> None:
    others = [
        open_regain(vault, shared_service, person, dek=file.dek),
        open_disclosure(vault, shared_service, person),
    ]
    for other in others:
        other.approve("ana", "bob")

    regain(file)

    assert [other.state for other in others] == ["cancelled", "cancelled"]
    assert all(other.events[-1] is KeysEvent.CASE_CANCELLED for other in others)
    with vault.keys.superuser() as conn:
        left = conn.execute(
            "SELECT count(*) FROM regain_keys k JOIN cases c USING (case_id) WHERE c.user_id = %(u)s",
            {"u": person.user},
        ).fetchone()
    assert left == (0,)


Change = Callable[[Person], object]
CHANGES: dict[str, Change] = {
    "the password": lambda person: person.change_password(LATER_PASSWORD),
    "the login": lambda person: person.kms.call(
        ChangeLogin(person.user, person.password, f"moved-{person.login}"), Done
    ),
    "the user's existence": lambda person: person.kms.call(Erase(person.user, person.password), Done),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", ["before peel", "before complete"])
def test_a_case_is_void_once_what_it_was_opened_about_has_changed(
    vault: Vault, shared_service: KeyService, person: Person, change: Change, when: str
) -> None:
    """A disclosure, say: what the officers read is no longer so."""
    file = open_disclosure(vault, shared_service, person)
    file.approve("ana", "bob")
    ceremony = ceremony_in(shared_service)
    ceremony.open(file.case.case_id)
    if when == "before complete":
        ceremony.peel(file.case.case_id)

    change(person)

    act: Callable[[], object] = (
        functools.partial(ceremony.complete, file.case.case_id, digest=bytes(32))
        if when == "before complete"
        else functools.partial(ceremony.peel, file.case.case_id)
    )
    with pytest.raises(CaseClosedError):
        act()
    assert file.state != "executed"


SWAPS: dict[str, LiteralString] = {
    "escrow wraps": """UPDATE escrow_wraps e SET wrap = o.wrap FROM escrow_wraps o
      WHERE (e.user_id, o.user_id) IN ((%(one)s, %(other)s), (%(other)s, %(one)s))""",
    "login rows": """UPDATE logins l SET user_id = CASE l.user_id WHEN %(one)s THEN %(other)s::uuid
      ELSE %(one)s::uuid END WHERE l.user_id IN (%(one)s, %(other)s)""",
    "logins of users": """UPDATE users u SET login_index = o.login_index FROM users o
      WHERE (u.user_id, o.user_id) IN ((%(one)s, %(other)s), (%(other)s, %(one)s))""",
    "the pepper's number": "UPDATE escrow_wraps SET pepper_gen = 2 WHERE user_id IN (%(one)s, %(other)s)",
    "the epoch": "UPDATE users SET epoch = epoch + 1 WHERE user_id IN (%(one)s, %(other)s)",
    "the escrow key's number": """UPDATE deks SET escrow_gen = 2 WHERE user_id IN (%(one)s, %(other)s)""",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_what_is_swapped_between_two_users_leaves_peel_with_nothing(
    vault: Vault, kms: KmsClient, shared_service: KeyService, swap: LiteralString
) -> None:
    people = [enrol(vault, kms) for _ in range(2)]
    files = [open_disclosure(vault, shared_service, each) for each in people]
    for file in files:
        file.approve("bob", "cleo")

    run(vault, swap, one=people[0].user, other=people[1].user)

    for file in files:
        ceremony = ceremony_in(shared_service)
        ceremony.open(file.case.case_id)
        with pytest.raises((IntegrityError, CaseClosedError)):
            ceremony.peel(file.case.case_id)
        assert file.events == [KeysEvent.PEEL_REFUSED]
        assert file.state == "open"


def test_a_login_can_be_changed_before_the_first_login(person: Person, file: CaseFile, vault: Vault) -> None:
    """Both outer layers of the regain are made anew, the epoch stays."""
    regain(file)
    with pytest.raises(LoginRefusedError):
        person.kms.call(ChangeLogin(person.user, person.password, f"moved-{person.login}"), Done)

    person.kms.call(ChangeLogin(person.user, NEW_PASSWORD, f"moved-{person.login}"), Done)

    assert not person.opens_with(NEW_PASSWORD)
    person.login = f"moved-{person.login}"
    assert credential(vault, person.user) == ("regain", 2, 2, 2)
    opened = person.unlock(NEW_PASSWORD)
    assert (opened.dek, opened.epoch) == (file.dek, 2)


def test_a_password_can_be_changed_before_the_first_login(
    person: Person, file: CaseFile, vault: Vault
) -> None:
    regain(file)
    answer = person.kms.call(ChangePassword(person.user, NEW_PASSWORD, LATER_PASSWORD), EpochIs)

    assert answer.epoch == 3
    assert credential(vault, person.user) == ("password", 3, 3, 0)
    assert not person.opens_with(NEW_PASSWORD)
    assert person.unlock(LATER_PASSWORD).dek == file.dek


def test_a_user_can_erase_everything_before_the_first_login(person: Person, file: CaseFile) -> None:
    regain(file)
    with pytest.raises(LoginRefusedError):
        person.kms.call(Erase(person.user, person.password), Done)
    person.kms.call(Erase(person.user, NEW_PASSWORD), Done)

    assert person.kms.call(Epoch(person.user), EpochIs).epoch is None


def test_a_second_regain_follows_the_first(
    vault: Vault, shared_service: KeyService, person: Person, file: CaseFile
) -> None:
    """Also before the first login: the user forgot that one too."""
    regain(file)
    second = open_regain(vault, shared_service, person, LATER_PASSWORD, dek=file.dek)
    second.approve("ana", "cleo")
    regain(second)

    opened = person.unlock(LATER_PASSWORD)
    assert (opened.dek, opened.epoch) == (file.dek, 3)
    assert not person.opens_with(NEW_PASSWORD)
