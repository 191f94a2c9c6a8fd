"""kill -9 of the key service after each of its steps: the old state whole, or the new state whole (P9)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from tests.rig.people import Person, enrol, kms_of
from tests.rig.service import PATIENCE_S
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import (
    ConcurrentChangeError,
    KmsUnavailableError,
    LoginRefusedError,
    ThrottledError,
)
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.kept.tombstones import Tombstones
from vault_service.kms.protocol.messages import (
    ChangeLogin,
    ChangePassword,
    Done,
    Enrol,
    Enrolled,
    Epoch,
    EpochIs,
    Erase,
    Unlock,
    Unlocked,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MAX_STEPS = 80


Check = Callable[[], None]


def kill_at_each_step(vault: Vault, call: str, attempt: Callable[[int], Check]) -> int:
    """Run an attempt against a key service that dies after its n-th step, for n = 1, 2, … to the end.

    The attempt makes its call and returns a check, which runs once the service is there again. The
    last run is the one that nothing kills; returns how many steps it had.
    """
    check: Check = lambda: None  # noqa: E731
    armed = vault.home / "armed"
    for step in range(1, MAX_STEPS):
        vault.running["kms"].kill()
        process = vault.start_killable_kms(call, step, armed)
        check()
        armed.touch()
        check = attempt(step)
        lived = bool(armed.read_bytes())  # whoever comes to the end of the call writes the count, and answers
        armed.unlink()
        if lived:
            check()
            return step - 1
        process.popen.wait(PATIENCE_S)
    raise AssertionError(f"{call} has no end")


def answered(call: Callable[[], object]) -> bool:
    """Did the call get its answer? Anything but an answer or a broken connection is a failure."""
    try:
        call()
    except KmsUnavailableError:
        return False
    return True


def test_a_password_change_leaves_the_old_password_or_the_new_one(own_vault: Vault) -> None:
    kms = kms_of(own_vault)
    person = enrol(own_vault, kms)
    dek = person.unlock().dek

    def attempt(step: int) -> Check:
        old, new = person.password, f"{PASSWORD}, number {step}"
        done = answered(lambda: person.change_password(new))

        def check() -> None:
            old_opens, new_opens = person.opens_with(old), person.opens_with(new)
            assert old_opens != new_opens, f"killed after step {step}: old {old_opens}, new {new_opens}"
            assert new_opens or not done
            person.password = new if new_opens else old
            assert person.unlock().dek == dek

        return check

    assert kill_at_each_step(own_vault, "change_password", attempt) > 10


def test_a_sign_up_is_there_whole_or_not_at_all_and_can_be_repeated(own_vault: Vault) -> None:
    kms = kms_of(own_vault)

    def attempt(step: int) -> Check:
        user, login = UserId(new_uuid()), f"kill-{step}@example.org"
        request = Enrol(own_vault.app_key, user, login, PASSWORD)
        done = answered(lambda: kms.call(request, Enrolled))

        def check() -> None:
            if not done:
                kms.call(request, Enrolled)  # the retry, whatever the first one left
            opened = kms.call(Unlock(own_vault.app_key, login, PASSWORD), Unlocked)
            assert UUID(str(opened.user_id)) == user

        return check

    assert kill_at_each_step(own_vault, "enrol", attempt) > 8


def test_a_change_of_login_leaves_one_login_that_opens(own_vault: Vault) -> None:
    kms = kms_of(own_vault)
    person = enrol(own_vault, kms)
    dek = person.unlock().dek

    def attempt(step: int) -> Check:
        new = f"renamed-{step}@example.org"
        done = answered(lambda: kms.call(ChangeLogin(person.user, person.password, new), Done))

        def check() -> None:
            opening = [login for login in (person.login, new) if opens(kms, person, login)]
            assert len(opening) == 1, f"killed after step {step}: {opening}"
            assert opening == [new] or not done
            person.login = opening[0]
            assert person.unlock().dek == dek

        return check

    assert kill_at_each_step(own_vault, "change_login", attempt) > 10


def test_an_erasure_leaves_a_user_who_can_sign_in_or_nothing(own_vault: Vault) -> None:
    kms = kms_of(own_vault)

    def attempt(step: int) -> Check:
        person = enrol(own_vault, kms)
        done = answered(lambda: kms.call(Erase(person.user, person.password), Done))

        def check() -> None:
            there = kms.call(Epoch(person.user), EpochIs).epoch is not None
            assert person.opens_with(person.password) == there
            assert not (done and there)
            assert wraps_of(own_vault, person) == (3 if there else 0), f"killed after step {step}"
            remembered = Tombstones(own_vault.home / "state" / "kms").all
            if there:
                assert person.user not in remembered()
            else:  # or a restored backup would bring the user back for good
                own_vault.wait_for(lambda: person.user in remembered(), own_vault.running["kms"])

        return check

    assert kill_at_each_step(own_vault, "erase", attempt) > 8


def wraps_of(vault: Vault, person: Person) -> int:
    """Credential, DEK and escrow wrap that stand in the database."""
    with vault.keys.superuser() as conn:
        row = conn.execute(
            """SELECT (SELECT count(*) FROM credentials WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM escrow_wraps WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM deks WHERE user_id = %(u)s)""",
            {"u": person.user},
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def opens(kms: KmsClient, person: Person, login: str) -> bool:
    try:
        kms.call(Unlock(person.vault.app_key, login, person.password), Unlocked)
    except LoginRefusedError:
        return False
    return True


def test_of_many_password_changes_at_once_exactly_one_wins(own_vault: Vault) -> None:
    kms = kms_of(own_vault)
    person = enrol(own_vault, kms)

    def change(number: int) -> str | None:
        new = f"{PASSWORD} for thread {number}"
        try:
            kms.call(ChangePassword(person.user, PASSWORD, new), EpochIs)
        except (ConcurrentChangeError, LoginRefusedError, ThrottledError):
            return None
        return new

    with ThreadPoolExecutor(4) as threads:
        won = [new for new in threads.map(change, range(4)) if new]

    assert len(won) == 1
    assert not person.opens_with(PASSWORD)
    assert person.opens_with(won[0])
